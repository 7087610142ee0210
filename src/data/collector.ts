import { type Block, withRowIdBase } from "./block.ts";
import {
  blockOfChunk,
  lineBytesMax,
  type ParsedChunk,
  releaseChunks,
  releaseSpare,
} from "./chunk.ts";
import type { Dataset, SourceFile } from "./dataset.ts";
import type { FaultNote } from "./fault.ts";
import { InputError } from "./input-error.ts";
import { absorbLabels, type LabelTally, labelSet } from "./labels.ts";
import type { BlockArena } from "./parser.ts";

/** What a collector makes of all chunks; the rest of a Dataset is known to who reads the files. */
export type Collected = Omit<Dataset, "fingerprint" | "loadSeconds"> & {
  /** Entries dropped because their id is not below the width asked for. */
  readonly unseenIds: number;
};

const namedBadRowsMax = 3;

/**
 * Puts parsed chunks together in the order of their sources: row ids, line numbers, labels and the limit
 * on bad rows all depend on what came before.
 */
export class Collector {
  readonly #arena: BlockArena;
  readonly #skipBadRows: number;
  readonly #keepBlocks: boolean;
  readonly #blocks: Block[] = [];
  readonly #sources: SourceFile[] = [];
  readonly #badRows: InputError[] = [];
  readonly #tally: LabelTally = { labels: [], more: false };
  #source = { name: "", rows: 0, skippedRows: 0, lines: 0 };
  #ordinals = 0;
  #skippedRows = 0;
  #rows = 0;
  #nonZeros = 0;
  #width = 0;
  #idMin = Number.POSITIVE_INFINITY;
  #unseenIds = 0;

  /** @param options.keepBlocks false: the blocks are used and given back one by one. */
  constructor(arena: BlockArena, options: { skipBadRows: number; keepBlocks: boolean }) {
    this.#arena = arena;
    this.#skipBadRows = options.skipBadRows;
    this.#keepBlocks = options.keepBlocks;
  }

  /** Starts the next source; its lines count from 1. */
  openSource(name: string): void {
    this.#source = { name, rows: 0, skippedRows: 0, lines: 0 };
  }

  closeSource(bytes: number): void {
    const { name, rows, skippedRows } = this.#source;
    this.#sources.push({ name, bytes, rows, skippedRows });
  }

  /**
   * Adds the next chunk of the open source and returns its block.
   * @throws InputError when there are more bad rows than may be skipped.
   */
  absorb(chunk: ParsedChunk): Block | undefined {
    const { report } = chunk;
    if (this.#keepBlocks) releaseSpare(this.#arena, chunk);
    try {
      this.#absorbFaults(chunk);
    } catch (error) {
      if (this.#keepBlocks) releaseChunks(this.#arena, [chunk]);
      throw error;
    }
    const parsed = blockOfChunk(this.#arena, chunk);
    const block = parsed && withRowIdBase(parsed, this.#ordinals);
    if (block && this.#keepBlocks) this.#blocks.push(block);
    this.#rows += report.rows;
    this.#nonZeros += report.nonZeros;
    this.#ordinals += report.ordinals;
    this.#source.rows += report.rows;
    this.#source.lines += chunk.newlines;
    this.#width = Math.max(this.#width, report.width);
    this.#idMin = Math.min(this.#idMin, report.idMin ?? Number.POSITIVE_INFINITY);
    this.#unseenIds += report.unseen;
    this.absorbLabels(report.labels, report.moreLabels);
    return block;
  }

  /** Takes over what is known of blocks that were converted before; they are used one by one. */
  adopt(known: Omit<Collected, "blocks">): void {
    this.#rows += known.rows;
    this.#nonZeros += known.nonZeros;
    this.#width = Math.max(this.#width, known.width);
    this.#idMin = Math.min(this.#idMin, known.indexBase);
    this.#unseenIds += known.unseenIds;
    this.#skippedRows += known.skippedRows;
    this.#sources.push(...known.sources);
    const { labels } = known;
    if (labels.kind === "binary") this.absorbLabels([labels.negative, labels.positive], false);
    else if (labels.kind === "single") this.absorbLabels([labels.label], false);
    else this.absorbLabels(labels.examples, true);
  }

  /** Adds distinct labels that became known after parsing, as those of topics. */
  absorbLabels(labels: Iterable<number>, more: boolean): void {
    absorbLabels(this.#tally, labels, more);
  }

  /** The error for a line over the limit, `linesBefore` lines into the chunk that comes next. */
  longLine(linesBefore: number): InputError {
    return new InputError({
      code: "bad-row",
      file: this.#source.name,
      line: this.#source.lines + linesBefore + 1,
      column: 1,
      found: `a line over ${lineBytesMax / 2 ** 20} MiB`,
      expected: "a row of text that ends with a line feed",
      hint: "is this svmlight text? Split the row if it is",
    });
  }

  /** Takes chunks that are no part of the data set, and gives them back. */
  discard(chunks: readonly ParsedChunk[]): void {
    for (const chunk of chunks) releaseSpare(this.#arena, chunk);
    releaseChunks(this.#arena, chunks);
  }

  /** Gives all blocks back to the arena, after a failure. */
  release(): void {
    const blocks = this.#blocks.splice(0);
    const chunks = blocks.map((block) => ({
      blockAt: block.byteOffset,
      blockBytes: block.byteLength,
    }));
    releaseChunks(this.#arena, chunks);
  }

  finish(): Collected {
    return {
      blocks: this.#blocks,
      rows: this.#rows,
      nonZeros: this.#nonZeros,
      width: this.#width,
      indexBase: this.#idMin === 0 ? 0 : 1,
      labels: labelSet(this.#tally),
      sources: this.#sources,
      skippedRows: this.#skippedRows,
      unseenIds: this.#unseenIds,
    };
  }

  #absorbFaults({ faults, report }: ParsedChunk): void {
    if (report.faultCount === 0) return;
    for (const fault of faults) this.#noteBadRow(fault);
    this.#skippedRows += report.faultCount;
    this.#source.skippedRows += report.faultCount;
    if (this.#skippedRows > this.#skipBadRows) throw this.#tooManyBadRows();
  }

  #noteBadRow({ lineOfChunk, ...fault }: FaultNote): void {
    if (this.#badRows.length > namedBadRowsMax) return;
    const line = this.#source.lines + lineOfChunk + 1;
    this.#badRows.push(
      new InputError({ code: "bad-row", file: this.#source.name, line, ...fault }),
    );
  }

  #tooManyBadRows(): InputError {
    const first = this.#badRows[0]!;
    if (this.#skipBadRows === 0) return first;
    const others = this.#badRows
      .slice(1, namedBadRowsMax)
      .map(({ file, line }) => `${file}:${line}`);
    const more = others.length > 0 ? `, as in ${others.join(" and ")}` : "";
    return new InputError({
      code: "too-many-bad-rows",
      file: first.file,
      line: first.line,
      column: first.column,
      found: `${first.found} and more than ${this.#skipBadRows} bad rows in all${more}`,
      expected: first.expected,
      hint: `${first.hint}, or raise --skip-bad-rows`,
    });
  }
}

/** Rows that are already in memory: CSR arrays or plain objects, checked and copied into blocks. */
import { blockByteLength, createBlock } from "./block.ts";
import type { ParsedChunk } from "./chunk.ts";
import { InputError } from "./input-error.ts";
import { absorbLabels, type LabelTally } from "./labels.ts";
import { type BlockArena, idMax } from "./parser.ts";

/** One row as an object: ids ascending, one value each. */
export interface Row {
  /** May be left out where labels are optional. */
  readonly label?: number;
  readonly index: ArrayLike<number>;
  readonly value: ArrayLike<number>;
}

/** Rows in CSR form, as scikit-learn's indptr, indices and data. */
export interface CsrArrays {
  /** rows + 1 offsets into index and value, from 0, never descending. */
  readonly rowStart: ArrayLike<number>;
  readonly index: ArrayLike<number>;
  readonly value: ArrayLike<number>;
  /** One label a row; may be left out where labels are optional. */
  readonly label?: ArrayLike<number>;
}

export interface RowOptions {
  readonly labels: "required" | "optional";
  readonly widthLimit: number;
}

/** What rows in memory are called in errors. */
export const memorySourceName = "rows";

/** A block is closed when it has this many entries or rows; about what 8 MiB of text hold. */
const entriesPerBlock = 2 ** 19;
const rowsPerBlock = 2 ** 17;
const floatMax = 3.4028234663852886e38;

/** The rows of CSR arrays, one by one, after a check of their lengths. */
export function* rowsOfCsr(csr: CsrArrays): Generator<Row> {
  const { rowStart, index, value, label } = csr;
  const rows = rowStart.length - 1;
  if (rows < 0 || rowStart[0] !== 0 || rowStart[rows] !== index.length) {
    throw badArrays(
      `rowStart of ${rowStart.length} offsets from ${rowStart[0]} to ${rowStart[rows]}`,
      `offsets from 0 to the number of entries (${index.length})`,
    );
  }
  if (value.length !== index.length) {
    throw badArrays(`${value.length} values`, `as many as index has entries (${index.length})`);
  }
  if (label && label.length !== rows) {
    throw badArrays(`${label.length} labels`, `one a row (${rows})`);
  }
  for (let row = 0; row < rows; row++) {
    const [start, end] = [rowStart[row]!, rowStart[row + 1]!];
    if (!(start <= end)) throw badRow(row, `rowStart falling to ${end}`, "ascending offsets");
    const range = { start, end };
    yield {
      index: part(index, range),
      value: part(value, range),
      ...(label && { label: label[row]! }),
    };
  }
}

/** Collects rows and writes them into blocks, which it returns in the form that parsing has. */
export class RowPacker {
  readonly #arena: BlockArena;
  readonly #options: RowOptions;
  #index = new Uint32Array(entriesPerBlock);
  #value = new Float32Array(entriesPerBlock);
  #rowStart = [0];
  #label: number[] = [];
  #row = 0;
  #used = 0;
  #width = 0;
  #idMin = Number.POSITIVE_INFINITY;
  #unseen = 0;

  constructor(arena: BlockArena, options: RowOptions) {
    this.#arena = arena;
    this.#options = options;
  }

  /**
   * Adds a row; returns a chunk when a block is full.
   * @throws InputError that names the row.
   */
  add(row: Row): ParsedChunk | undefined {
    this.#addLabel(row.label);
    if (row.index.length !== row.value.length) {
      throw badRow(this.#row, `${row.index.length} ids and ${row.value.length} values`, "as many");
    }
    this.#makeRoom(row.index.length);
    const start = this.#used;
    this.#addEntries(row);
    if (this.#used > start) {
      this.#idMin = Math.min(this.#idMin, this.#index[start]!);
      this.#width = Math.max(this.#width, this.#index[this.#used - 1]! + 1);
    }
    this.#rowStart.push(this.#used);
    this.#row++;
    const full = this.#used >= entriesPerBlock || this.#label.length >= rowsPerBlock;
    return full ? this.flush() : undefined;
  }

  /** The rows since the last full block, if there are any. */
  flush(): ParsedChunk | undefined {
    const shape = { rows: this.#label.length, nonZeros: this.#used };
    if (shape.rows === 0) return undefined;
    const blockAt = this.#arena.allocate(blockByteLength(shape));
    const block = createBlock(this.#arena.buffer, blockAt, {
      ...shape,
      width: this.#width,
      rowIdBase: 0,
    });
    block.rowStart.set(this.#rowStart);
    block.index.set(this.#index.subarray(0, shape.nonZeros));
    block.value.set(this.#value.subarray(0, shape.nonZeros));
    block.label.set(this.#label);
    for (let row = 0; row < shape.rows; row++) block.rowId[row] = row;
    const report = { ...shape, ...this.#describe(block.label) };
    this.#rowStart = [0];
    this.#label = [];
    this.#used = this.#width = this.#unseen = 0;
    this.#idMin = Number.POSITIVE_INFINITY;
    return {
      blockAt,
      blockBytes: block.byteLength,
      spare: { address: 0, byteLength: 0 },
      report,
      newlines: shape.rows,
      faults: [],
    };
  }

  #describe(labels: Float32Array) {
    const tally: LabelTally = { labels: [], more: false };
    absorbLabels(tally, new Set(labels.filter((label) => !Number.isNaN(label))), false);
    return {
      width: this.#width,
      idMin: Number.isFinite(this.#idMin) ? this.#idMin : undefined,
      ordinals: labels.length,
      unseen: this.#unseen,
      labels: tally.labels,
      moreLabels: tally.more,
      faultCount: 0,
    };
  }

  #addLabel(label: number | undefined): void {
    if (label === undefined && this.#options.labels === "optional") {
      this.#label.push(Number.NaN);
      return;
    }
    if (label === undefined || !(Math.abs(label) <= floatMax)) {
      throw badRow(this.#row, `label ${label}`, "a finite number below 3.4e38");
    }
    this.#label.push(label);
  }

  #addEntries({ index, value }: Row): void {
    const { widthLimit } = this.#options;
    let used = this.#used;
    let previous = -1;
    for (let i = 0; i < index.length; i++) {
      const id = index[i]!;
      if (!Number.isInteger(id) || id <= previous || id > idMax)
        throw badId(this.#row, id, previous);
      previous = id;
      const x = value[i]!;
      if (!(Math.abs(x) <= floatMax)) {
        throw badRow(this.#row, `value ${x} of id ${id}`, "a finite number below 3.4e38");
      }
      if (id >= widthLimit) {
        this.#unseen++;
        continue;
      }
      this.#index[used] = id;
      this.#value[used++] = x;
    }
    this.#used = used;
  }

  #makeRoom(entries: number): void {
    const needed = this.#used + entries;
    if (needed <= this.#index.length) return;
    const [index, value] = [new Uint32Array(2 * needed), new Float32Array(2 * needed)];
    index.set(this.#index);
    value.set(this.#value);
    this.#index = index;
    this.#value = value;
  }
}

function badId(row: number, id: number, previous: number): InputError {
  return Number.isInteger(id) && id >= 0 && id <= idMax
    ? badRow(row, `id ${id} after ${previous}`, "ids in ascending order")
    : badRow(row, `id ${id}`, `a whole number from 0 to ${idMax}`);
}

function part(array: ArrayLike<number>, { start, end }: { start: number; end: number }) {
  if (ArrayBuffer.isView(array)) return (array as Float64Array).subarray(start, end);
  return Array.prototype.slice.call(array, start, end) as number[];
}

/** The error for a row in memory; rows are numbered from 0 in arrays, lines from 1. */
export function badRow(row: number, found: string, expected: string): InputError {
  return new InputError({
    code: "bad-row",
    file: memorySourceName,
    line: row + 1,
    found,
    expected,
    hint: `correct row ${row} (counted from 0)`,
  });
}

function badArrays(found: string, expected: string): InputError {
  return new InputError({
    code: "bad-row",
    file: memorySourceName,
    found,
    expected,
    hint: "pass the three arrays of one CSR matrix",
  });
}

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
  #rowStart = [0];
  #index: number[] = [];
  #value: number[] = [];
  #label: number[] = [];
  #row = 0;
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
    let previous = -1;
    for (let i = 0; i < row.index.length; i++) {
      const id = row.index[i]!;
      checkId(this.#row, id, previous);
      previous = id;
      const value = row.value[i]!;
      if (!(Math.abs(value) <= floatMax)) {
        throw badRow(this.#row, `value ${value} of id ${id}`, "a finite number below 3.4e38");
      }
      if (id >= this.#options.widthLimit) {
        this.#unseen++;
      } else {
        this.#index.push(id);
        this.#value.push(value);
      }
    }
    this.#rowStart.push(this.#index.length);
    this.#row++;
    const full = this.#index.length >= entriesPerBlock || this.#label.length >= rowsPerBlock;
    return full ? this.flush() : undefined;
  }

  /** The rows since the last full block, if there are any. */
  flush(): ParsedChunk | undefined {
    const shape = { rows: this.#label.length, nonZeros: this.#index.length };
    if (shape.rows === 0) return undefined;
    const width = this.#index.reduce((max, id) => Math.max(max, id + 1), 0);
    const address = this.#arena.allocate(blockByteLength(shape));
    const block = createBlock(this.#arena.buffer, address, { ...shape, width, rowIdBase: 0 });
    block.rowStart.set(this.#rowStart);
    block.index.set(this.#index);
    block.value.set(this.#value);
    block.label.set(this.#label);
    block.rowId.set(Uint32Array.from(block.rowId.keys()));
    const tally: LabelTally = { labels: [], more: false };
    absorbLabels(tally, new Set(block.label.filter((label) => !Number.isNaN(label))), false);
    const idMin = this.#index.reduce((min, id) => Math.min(min, id), Number.POSITIVE_INFINITY);
    const report = {
      ...shape,
      width,
      idMin: shape.nonZeros > 0 ? idMin : undefined,
      ordinals: shape.rows,
      unseen: this.#unseen,
      labels: tally.labels,
      moreLabels: tally.more,
      faultCount: 0,
    };
    this.#rowStart = [0];
    this.#index = [];
    this.#value = [];
    this.#label = [];
    this.#unseen = 0;
    const blockBytes = block.byteLength;
    const spare = { address: 0, byteLength: 0 };
    return { blockAt: address, blockBytes, spare, report, newlines: shape.rows, faults: [] };
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
}

function checkId(row: number, id: number, previous: number): void {
  if (!Number.isInteger(id) || id < 0 || id > idMax) {
    throw badRow(row, `id ${id}`, `a whole number from 0 to ${idMax}`);
  }
  if (id <= previous) throw badRow(row, `id ${id} after ${previous}`, "ids in ascending order");
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

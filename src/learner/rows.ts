/**
 * Lists of rows and the order in which an epoch visits them. A list is what the kernels read: pairs (u32
 * address of a block, u32 row number in it), so that one call may cross blocks.
 */
import type { Block } from "../data/block.ts";
import type { Arena } from "../kernels/arena.ts";
import type { KernelExports } from "../kernels/exports.ts";
import { randomStream, shuffle } from "../math/random.ts";

/** A list of rows in the arena. */
export interface RowList {
  readonly address: number;
  readonly count: number;
  readonly pairs: Uint32Array;
}

/** Rows of one block that belong to a part (training, validation), by row number, ascending. */
export interface BlockRows {
  readonly block: Block;
  readonly rows: Uint32Array;
}

/** All rows of a block. */
export function allRows(block: Block): BlockRows {
  return { block, rows: ascending(block.rows) };
}

/** 0, 1, 2, ...: a plain loop, as `Uint32Array.from` takes ten times as long and leaves garbage. */
function ascending(length: number): Uint32Array {
  const numbers = new Uint32Array(length);
  for (let k = 0; k < length; k++) numbers[k] = k;
  return numbers;
}

export function countRows(parts: readonly BlockRows[]): number {
  return parts.reduce((sum, { rows }) => sum + rows.length, 0);
}

/** The parts' rows in their own order, as one list. */
export function listRows(arena: Arena, parts: readonly BlockRows[]): RowList {
  const count = countRows(parts);
  const pairs = arena.allocateU32(2 * count);
  let at = 0;
  for (const { block, rows } of parts) {
    for (const row of rows) {
      pairs[at++] = block.byteOffset;
      pairs[at++] = row;
    }
  }
  return { address: pairs.byteOffset, count, pairs };
}

/** A part of a list. */
export function sliceRows(list: RowList, start: number, end: number): RowList {
  const pairs = list.pairs.subarray(2 * start, 2 * end);
  return { address: list.address + 8 * start, count: end - start, pairs };
}

/**
 * How an epoch is shuffled: the blocks in a random order, taken `windowBlocks` at a time; inside a window,
 * runs of `runRows` consecutive rows in a random order. Only a window's blocks need be in memory at once.
 */
export interface ShuffleShape {
  readonly windowBlocks: number;
  readonly runRows: number;
}

/** Data up to this size stays in the processor's cache, where single rows in random order cost nothing. */
export const cachedBytesMax = 16 * 1024 * 1024;

/**
 * Single rows when the data fit the cache; else runs of 32 rows, whose order costs 1.15 of a sequential pass
 * where single rows cost 2.3 (measured on the twin). A function of the data alone, never of the machine.
 */
export function shuffleShape(blocks: readonly { readonly byteLength: number }[]): ShuffleShape {
  const bytes = blocks.reduce((sum, block) => sum + block.byteLength, 0);
  return { windowBlocks: 8, runRows: bytes <= cachedBytesMax ? 1 : 32 };
}

/** The order of the runs of one window: each is named by its place among all runs of the window. */
export interface WindowPlan {
  /** Numbers of the window's parts. */
  readonly parts: readonly number[];
  readonly rows: number;
  readonly runs: Uint32Array;
}

/** An epoch's windows, one after the other; what a window's blocks hold need not be known for it. */
export function* planEpoch(
  rowsOfParts: readonly number[],
  shape: ShuffleShape,
  stream: { seed: number; rank?: number; epoch: number },
): Generator<WindowPlan> {
  const state = randomStream({ ...stream, purpose: "shuffle" });
  const order = shuffle(ascending(rowsOfParts.length), state);
  for (let first = 0; first < order.length; first += shape.windowBlocks) {
    const parts = [...order.subarray(first, first + shape.windowBlocks)];
    const runs = parts.reduce((sum, k) => sum + Math.ceil(rowsOfParts[k]! / shape.runRows), 0);
    yield {
      parts,
      rows: parts.reduce((sum, k) => sum + rowsOfParts[k]!, 0),
      runs: shuffle(ascending(runs), state),
    };
  }
}

/** Where `fillWindow` writes: pairs for the kernels, and the place of each row where that is wanted. */
export interface WindowRoom {
  readonly pairs: Uint32Array;
  readonly positions: Uint32Array | null;
  /** The kernel for rows that follow each other; the same lists come out without it. */
  readonly listRun?: KernelExports["listRun"] | undefined;
}

/**
 * Writes the rows of a window in the order of its plan, from row number `start` of the room on.
 * @param rowsBefore for each part, what its rows' places count from.
 */
export function fillWindow(
  plan: WindowPlan,
  parts: readonly BlockRows[],
  options: { runRows: number; rowsBefore: readonly number[]; start: number },
  { pairs, positions, listRun }: WindowRoom,
): void {
  const { runRows, rowsBefore } = options;
  const firstRun: number[] = [];
  let runs = 0;
  for (const { rows } of parts) {
    firstRun.push(runs);
    runs += Math.ceil(rows.length / runRows);
  }
  const partOf = new Uint16Array(runs);
  for (let part = 0; part < parts.length; part++) {
    partOf.fill(part, firstRun[part]!, firstRun[part + 1] ?? runs);
  }
  const addresses = parts.map(({ block }) => block.byteOffset);
  let at = options.start;
  for (const run of plan.runs) {
    const part = partOf[run]!;
    const { block, rows } = parts[part]!;
    const from = (run - firstRun[part]!) * runRows;
    const count = Math.min(rows.length - from, runRows);
    if (listRun && runRows > 1 && rows.length === block.rows) {
      // All rows of the block, so these follow each other: a kernel lists them in a fifth of the time.
      const places = positions ? positions.byteOffset + 4 * at : 0;
      const first = pairs.byteOffset + 8 * at;
      listRun(first, places, block.byteOffset, from, count, rowsBefore[part]!);
      at += count;
      continue;
    }
    for (let k = from; k < from + count; k++, at++) {
      pairs[2 * at] = addresses[part]!;
      pairs[2 * at + 1] = rows[k]!;
      if (positions) positions[at] = rowsBefore[part]! + rows[k]!;
    }
  }
}

/** Writes one epoch's order of the parts' rows, all of them in memory, into `out`; returns the list. */
export function shuffleEpoch(
  parts: readonly BlockRows[],
  shape: ShuffleShape,
  stream: { seed: number; rank?: number; epoch: number },
  out: Uint32Array,
): RowList {
  const rowsOfParts = parts.map(({ rows }) => rows.length);
  const rowsBefore = parts.map(() => 0);
  let count = 0;
  for (const plan of planEpoch(rowsOfParts, shape, stream)) {
    const window = plan.parts.map((k) => parts[k]!);
    const { runRows } = shape;
    fillWindow(
      plan,
      window,
      { runRows, rowsBefore, start: count },
      { pairs: out, positions: null },
    );
    count += plan.rows;
  }
  return { address: out.byteOffset, count, pairs: out.subarray(0, 2 * count) };
}

/**
 * The coordinator's side of rows: the training rows are numbered in their order and cut into segments, 16 a
 * worker; a member asks for segments and gets their rows, copied into blocks of their own, one for each block
 * of the source. So a member's memory holds its own rows only.
 */
import { type Block, blockByteLength, createBlock, viewBlock } from "../../data/block.ts";
import { Arena } from "../../kernels/arena.ts";
import type { KernelTaskSpec } from "../../learner/kernel-task.ts";
import type { BlockRows } from "../../learner/rows.ts";
import { segmentRuns } from "../../learner/segments.ts";

/** Rows of one block of the source, of some segments. */
export interface SegmentRows {
  /** Number of the block. */
  readonly source: number;
  readonly block: Uint8Array;
  /** Runs of rows that belong to one segment: its number, and how many rows. */
  readonly segment: number[];
  readonly rows: number[];
}

/** The training rows of a block: how many, and the block once they are wanted. */
interface CountedPart {
  readonly count: number;
  acquire(): BlockRows;
}

/** Rows of some segments, block by block, of a task in this process. */
export function rowParts(
  spec: KernelTaskSpec,
  segments: number,
  wanted: ReadonlySet<number>,
): Generator<SegmentRows> {
  const parts = viewParts(spec).map((part) => ({ count: part.rows.length, acquire: () => part }));
  return partsOfSegments(parts, segments, wanted);
}

/** Rows of some segments, block by block; other blocks are not touched. */
export function* partsOfSegments(
  parts: readonly CountedPart[],
  segments: number,
  wanted: ReadonlySet<number>,
): Generator<SegmentRows> {
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  let first = 0;
  for (let source = 0; source < parts.length; source++) {
    const { count, acquire } = parts[source]!;
    const runs = segmentRuns({ first, count, total, segments });
    const mine = runs.filter(({ segment }) => wanted.has(segment));
    if (mine.length > 0) {
      const { block, rows } = acquire();
      const chosen = mine.flatMap(({ from, to }) => [...rows.subarray(from, to)]);
      yield {
        source,
        block: copyRows(block, chosen),
        segment: mine.map(({ segment }) => segment),
        rows: mine.map(({ from, to }) => to - from),
      };
    }
    first += count;
  }
}

/** The training rows a task's description names. */
function viewParts(spec: KernelTaskSpec): BlockRows[] {
  const arena = new Arena(spec.memory);
  return spec.train.map(({ block, rows, count }) => ({
    block: viewBlock(arena.buffer, block),
    rows: arena.u32(rows, count),
  }));
}

/** A block of these rows only, in a buffer of its own. */
export function copyRows(block: Block, rows: readonly number[]): Uint8Array {
  const { rowStart, index, value, label, rowId, width, rowIdBase } = block;
  let nonZeros = 0;
  for (const row of rows) nonZeros += rowStart[row + 1]! - rowStart[row]!;
  const shape = { rows: rows.length, nonZeros };
  const buffer = new ArrayBuffer(blockByteLength(shape));
  const copy = createBlock(buffer, 0, { ...shape, width, rowIdBase });
  let at = 0;
  for (let k = 0; k < rows.length; k++) {
    const row = rows[k]!;
    const [from, to] = [rowStart[row]!, rowStart[row + 1]!];
    copy.rowStart[k] = at;
    copy.index.set(index.subarray(from, to), at);
    copy.value.set(value.subarray(from, to), at);
    copy.label[k] = label[row]!;
    copy.rowId[k] = rowId[row]!;
    at += to - from;
  }
  copy.rowStart[rows.length] = at;
  return new Uint8Array(buffer);
}

/**
 * How many rows may be learned at the same time before summing what was learned overshoots (algorithms.md, "Sum or
 * mean"): steps of m concurrent rows act like one step of m times the rate along the direction the rows have most in
 * common, whose curvature is at most the largest eigenvalue of their mean outer product. Sum is stable while
 *     m * rate * eigenvalue < bound;
 * the rate is taken where an epoch ends, as early overshoot of falling rates is forgiven.
 */

import { type Block, viewBlock } from "../data/block.ts";
import type { Arena } from "../kernels/arena.ts";
import type { RowList } from "../learner/rows.ts";

/**
 * Not 2, as for a quadratic: only rows inside the margin push at all, and members start from weights that are nearly
 * right. Set where the RCV1 subset begins to lose more than 1 % (about 2,000 rows, algorithms.md section 0).
 */
export const criticalBound = 16;

const rowsMax = 1000;
const iterations = 5;

/** Largest eigenvalue of (1/m) sum x x^T over some rows of the list, by power iterations from their mean. */
export function largestEigenvalue(arena: Arena, list: RowList, width: number): number {
  const count = Math.min(rowsMax, list.count);
  let direction = new Float64Array(width);
  accumulate(arena, list, count, () => 1, direction);
  let value = 0;
  for (let k = 0; k < iterations; k++) {
    const length = Math.sqrt(direction.reduce((sum, x) => sum + x * x, 0));
    if (length === 0) return 0;
    const unit = direction.map((x) => x / length);
    direction = new Float64Array(width);
    accumulate(arena, list, count, (index, x) => dot(unit, index, x), direction);
    value = Math.sqrt(direction.reduce((sum, x) => sum + x * x, 0)) / count;
  }
  return value;
}

/** Rows that may be learned at the same time under sum merging. */
export function criticalBatch({ eigenvalue, rate }: { eigenvalue: number; rate: number }): number {
  return eigenvalue > 0 && rate > 0
    ? criticalBound / (eigenvalue * rate)
    : Number.POSITIVE_INFINITY;
}

/** out += factor(x) * x over the first rows of the list. */
function accumulate(
  arena: Arena,
  list: RowList,
  count: number,
  factor: (index: Uint32Array, value: Float32Array) => number,
  out: Float64Array,
): void {
  const blocks = new Map<number, Block>();
  for (let k = 0; k < count; k++) {
    const address = list.pairs[2 * k]!;
    const block = blocks.get(address) ?? viewBlock(arena.buffer, address);
    blocks.set(address, block);
    const row = list.pairs[2 * k + 1]!;
    const [start, end] = [block.rowStart[row]!, block.rowStart[row + 1]!];
    const index = block.index.subarray(start, end);
    const value = block.value.subarray(start, end);
    const scale = factor(index, value);
    for (let e = 0; e < index.length; e++) out[index[e]!]! += scale * value[e]!;
  }
}

function dot(v: Float64Array, index: Uint32Array, value: Float32Array): number {
  let sum = 0;
  for (let e = 0; e < index.length; e++) sum += v[index[e]!]! * value[e]!;
  return sum;
}

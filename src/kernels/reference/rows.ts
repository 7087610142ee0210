/**
 * Slow twins of assembly/rows.ts, sgd.ts, evaluate.ts and sdca.ts in plain TypeScript: the same operations in
 * the same order with the same rounding, so that results are equal to the bit wherever exp and log are not
 * involved (those of the platform may differ from the kernels' own in the last places).
 */
import type { Block } from "../../data/block.ts";
import type { Loss } from "../../model/losses.ts";

/** One entry of a list of rows. */
export interface RowOf {
  readonly block: Block;
  readonly row: number;
}

const { fround } = Math;

/** v.x: four partial sums in f32, added in order, then the last up to three terms. */
export function dot(v: Float32Array, { block, row }: RowOf): number {
  const { rowStart, index, value } = block;
  const end = rowStart[row + 1]!;
  const sums = [0, 0, 0, 0];
  let k = rowStart[row]!;
  for (; k + 4 <= end; k += 4) {
    for (let lane = 0; lane < 4; lane++) {
      const product = fround(v[index[k + lane]!]! * value[k + lane]!);
      sums[lane] = fround(sums[lane]! + product);
    }
  }
  let sum = fround(fround(fround(sums[0]! + sums[1]!) + sums[2]!) + sums[3]!);
  for (; k < end; k++) sum = fround(sum + fround(v[index[k]!]! * value[k]!));
  return sum;
}

/** v += factor * x. */
export function addScaledRow(factor: number, { block, row }: RowOf, v: Float32Array): void {
  const { rowStart, index, value } = block;
  for (let k = rowStart[row]!; k < rowStart[row + 1]!; k++) {
    v[index[k]!]! += fround(fround(factor) * value[k]!);
  }
}

/** y of a raw label; see assembly/losses.ts. */
export function classOf(loss: Loss, label: number, threshold: number): number {
  if (!loss.classifies) return label;
  return label > threshold ? 1 : -1;
}

export function sgdRows(
  loss: Loss,
  rows: readonly RowOf[],
  vectors: { read: Float32Array; write: Float32Array },
  schedule: { scale: Float64Array; coefficient: Float64Array },
  threshold: number,
): void {
  rows.forEach((at, k) => {
    const y = classOf(loss, at.block.label[at.row]!, threshold);
    const slope = loss.slope(schedule.scale[k]! * dot(vectors.read, at), y);
    if (slope !== 0) addScaledRow(-slope * schedule.coefficient[k]!, at, vectors.write);
  });
}

/** Steps that count sigma_j times on a private copy; what it learned, each step counted once, is returned. */
export function anticipateRows(
  loss: Loss,
  rows: readonly RowOf[],
  { v, sigma }: { v: Float32Array; sigma: Float32Array },
  schedule: { scale: Float64Array; coefficient: Float64Array },
  threshold: number,
): Float32Array {
  const before = v.slice();
  rows.forEach(({ block, row }, k) => {
    const y = classOf(loss, block.label[row]!, threshold);
    const slope = loss.slope(schedule.scale[k]! * dot(v, { block, row }), y);
    if (slope === 0) return;
    const factor = fround(-slope * schedule.coefficient[k]!);
    for (let e = block.rowStart[row]!; e < block.rowStart[row + 1]!; e++) {
      const j = block.index[e]!;
      v[j]! += fround(fround(factor * block.value[e]!) * sigma[j]!);
    }
  });
  return v.map((after, j) => fround(after - before[j]!) / sigma[j]!);
}

/** write -= coefficient[k] * slope(margins[k], y) * x; see assembly/columns.ts. */
export function adjustRows(
  loss: Loss,
  rows: readonly RowOf[],
  { margins, coefficient }: { margins: Float32Array; coefficient: Float64Array },
  write: Float32Array,
  threshold: number,
): void {
  rows.forEach((at, k) => {
    const y = classOf(loss, at.block.label[at.row]!, threshold);
    const slope = loss.slope(margins[k]!, y);
    if (slope !== 0) addScaledRow(-slope * coefficient[k]!, at, write);
  });
}

export function evaluateRows(
  loss: Loss,
  rows: readonly RowOf[],
  weights: { v: Float32Array; scale: number },
  threshold: number,
): { loss: number; errors: number } {
  let sum = 0;
  let errors = 0;
  for (const at of rows) {
    const y = classOf(loss, at.block.label[at.row]!, threshold);
    const p = weights.scale * dot(weights.v, at);
    sum += loss.value(p, y);
    if (p > 0 !== y > 0) errors++;
  }
  return { loss: sum, errors };
}

/** AdaGrad in plain loops: every coordinate decays after every row, so nothing is lazy. */
export function adagradRows(
  loss: Loss,
  rows: readonly RowOf[],
  state: { w: Float64Array; squares: Float64Array },
  options: { rate: number; l2: number; threshold: number },
): void {
  const { w, squares } = state;
  const { rate, l2, threshold } = options;
  for (const at of rows) {
    const { rowStart, index, value } = at.block;
    let p = 0;
    for (let k = rowStart[at.row]!; k < rowStart[at.row + 1]!; k++) p += w[index[k]!]! * value[k]!;
    const slope = loss.slope(p, classOf(loss, at.block.label[at.row]!, threshold));
    for (let k = rowStart[at.row]!; k < rowStart[at.row + 1]!; k++) {
      const gradient = slope * value[k]!;
      const j = index[k]!;
      squares[j]! += gradient * gradient;
      if (squares[j]! > 0) w[j]! -= (rate / Math.sqrt(squares[j]!)) * gradient;
    }
    for (let j = 0; j < w.length; j++) {
      if (squares[j]! > 0) w[j]! /= 1 + (rate * l2) / Math.sqrt(squares[j]!);
    }
  }
}

/** The dual in one coordinate, by golden-section search: the slow twin of the closed forms of assembly/sdca.ts. */
export function bestDualBySearch(
  dualOf: (b: number) => number,
  { low, high }: { low: number; high: number },
): number {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [a, z] = [low, high];
  for (let step = 0; step < 200; step++) {
    const left = z - ratio * (z - a);
    const right = a + ratio * (z - a);
    if (dualOf(left) < dualOf(right)) a = left;
    else z = right;
  }
  return (a + z) / 2;
}

// SGD on a private copy whose steps count sigma_j times in coordinate j, as other workers' steps will be added
// (src/math/anticipation.ts). For the k-th row of the list, p = scale[k] * (v.x), and
// v_j -= coefficient[k] * slope(p, y) * x_j * sigma_j. What the copy learned is handed out divided by sigma.
// Invariant: where sigma is 1 the bits are those of sgd.ts.

import { classOf, HINGE, LOG, lossSlope, SQUARED, SQUARED_HINGE } from "./losses";
import { blockAt, dotRow, endOf, indexOf, labelOf, rowAt, startOf, valueOf } from "./rows";

/** v_j += (factor * x_j) * sigma_j over the row's non-zeros. */
// @ts-ignore: decorator
@inline
export function addCountedRow(factor: f32, block: usize, row: usize, sigma: usize, v: usize): void {
  const index = indexOf(block);
  const value = valueOf(block);
  const end = endOf(block, row);
  for (let k = startOf(block, row); k < end; k += 4) {
    const j = <usize>load<u32>(index + k) << 2;
    store<f32>(v + j, load<f32>(v + j) + factor * load<f32>(value + k) * load<f32>(sigma + j));
  }
}

// @ts-ignore: decorator
@inline
function countedRows(
  loss: i32,
  rows: usize,
  count: u32,
  v: usize,
  sigma: usize,
  scale: usize,
  coefficient: usize,
  threshold: f32,
): void {
  for (let k: u32 = 0; k < count; k++) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    const y = classOf(loss, labelOf(block, row), threshold);
    const p = load<f64>(scale + (<usize>k << 3)) * <f64>dotRow(v, block, row);
    const slope = lossSlope(loss, p, y);
    if (slope != 0.0) {
      const factor = <f32>(-slope * load<f64>(coefficient + (<usize>k << 3)));
      addCountedRow(factor, block, row, sigma, v);
    }
  }
}

export function anticipateRows(
  loss: i32,
  rows: usize,
  count: u32,
  v: usize,
  sigma: usize,
  scale: usize,
  coefficient: usize,
  threshold: f32,
): void {
  if (loss == HINGE) countedRows(HINGE, rows, count, v, sigma, scale, coefficient, threshold);
  else if (loss == SQUARED_HINGE) countedRows(SQUARED_HINGE, rows, count, v, sigma, scale, coefficient, threshold);
  else if (loss == LOG) countedRows(LOG, rows, count, v, sigma, scale, coefficient, threshold);
  else countedRows(SQUARED, rows, count, v, sigma, scale, coefficient, threshold);
}

/** out[j] = (after[j] - before[j]) / sigma[j]: what a private copy learned, each step counted once. */
export function differenceCounted(after: usize, before: usize, sigma: usize, out: usize, width: u32): void {
  const end = <usize>width << 2;
  const wide = end & ~15;
  let k: usize = 0;
  for (; k < wide; k += 16) {
    const change = f32x4.sub(v128.load(after + k), v128.load(before + k));
    v128.store(out + k, f32x4.div(change, v128.load(sigma + k)));
  }
  for (; k < end; k += 4) {
    store<f32>(out + k, (load<f32>(after + k) - load<f32>(before + k)) / load<f32>(sigma + k));
  }
}

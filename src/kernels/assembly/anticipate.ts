// SGD on a private copy whose steps count sigma_j times in coordinate j, as other workers' steps will be added
// (src/math/anticipation.ts). For the k-th row of the list, p = scale[k] * (v.x), and
// v_j -= coefficient[k] * slope(p, y) * x_j * sigma_j. What the copy learned is handed out divided by sigma.
// Invariant: where sigma is 1 the bits are those of sgd.ts.

import { HINGE, LOG, SQUARED, SQUARED_HINGE } from "./losses";
import { sgdRows } from "./sgd";

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
  if (loss == HINGE) sgdRows(HINGE, rows, count, v, v, scale, coefficient, threshold, sigma);
  else if (loss == SQUARED_HINGE) sgdRows(SQUARED_HINGE, rows, count, v, v, scale, coefficient, threshold, sigma);
  else if (loss == LOG) sgdRows(LOG, rows, count, v, v, scale, coefficient, threshold, sigma);
  else sgdRows(SQUARED, rows, count, v, v, scale, coefficient, threshold, sigma);
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

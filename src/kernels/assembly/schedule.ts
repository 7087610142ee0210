// What the kernels need of a schedule, a row (design: algorithms.md, sections 0 and 12).

/**
 * Of `optimal` in its closed form, without exp and log: scale[k] = t0/(t0 + T) before row k, T = t + k*step, and
 * a coefficient that never changes. T is a whole number, so the inner sum is exact and a scale does not depend on
 * where a chunk began.
 */
export function fillOptimal(
  t0: f64,
  t: f64,
  step: f64,
  constant: f64,
  count: u32,
  scale: usize,
  coefficient: usize,
): void {
  for (let k: u32 = 0; k < count; k++) {
    store<f64>(scale + (<usize>k << 3), t0 / (t0 + (t + <f64>k * step)));
    store<f64>(coefficient + (<usize>k << 3), constant);
  }
}

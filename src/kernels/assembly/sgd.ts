// Stochastic gradient descent over rows in commuting form (design: algorithms.md, sections 0 and 12):
// w = scale * v. For the k-th row of the list, p = scale[k] * (read.x), and
// write -= coefficient[k] * slope(p, y) * x. With read = write these are sequential steps (learn local); with
// read a frozen vector they add up one mini-batch gradient (learn gradient).

import { anyClass, anySlope, classOf, HINGE, LOG, lossSlope, SQUARED, SQUARED_HINGE } from "./losses";
import { addCountedRow, addScaledRow, blockAt, dotRow, endOf, indexOf, labelOf, rowAt, startOf, valueOf } from "./rows";

/** `sigma` 0: every step counts once; else how often, by coordinate (anticipate.ts). Callers' constants choose the code. */
// @ts-ignore: decorator
@inline
export function sgdRows(
  loss: i32,
  rows: usize,
  count: u32,
  read: usize,
  write: usize,
  scale: usize,
  coefficient: usize,
  threshold: f32,
  sigma: usize,
): void {
  for (let k: u32 = 0; k < count; k++) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    const y = classOf(loss, labelOf(block, row), threshold);
    const p = load<f64>(scale + (<usize>k << 3)) * <f64>dotRow(read, block, row);
    const slope = lossSlope(loss, p, y);
    if (slope != 0.0) {
      const factor = <f32>(-slope * load<f64>(coefficient + (<usize>k << 3)));
      if (sigma == 0) addScaledRow(factor, block, row, write);
      else addCountedRow(factor, block, row, sigma, write);
    }
  }
}

export function sgdHinge(rows: usize, count: u32, read: usize, write: usize, scale: usize, coefficient: usize, threshold: f32): void {
  sgdRows(HINGE, rows, count, read, write, scale, coefficient, threshold, 0);
}

export function sgdSquaredHinge(rows: usize, count: u32, read: usize, write: usize, scale: usize, coefficient: usize, threshold: f32): void {
  sgdRows(SQUARED_HINGE, rows, count, read, write, scale, coefficient, threshold, 0);
}

export function sgdLog(rows: usize, count: u32, read: usize, write: usize, scale: usize, coefficient: usize, threshold: f32): void {
  sgdRows(LOG, rows, count, read, write, scale, coefficient, threshold, 0);
}

export function sgdSquared(rows: usize, count: u32, read: usize, write: usize, scale: usize, coefficient: usize, threshold: f32): void {
  sgdRows(SQUARED, rows, count, read, write, scale, coefficient, threshold, 0);
}

/**
 * AdaGrad (Duchi, Hazan, Singer 2011) with the regulariser applied per coordinate and lazily: while row after
 * row leaves a coordinate untouched its rate stays rate/sqrt(sum of squared slopes), so the missed decays are
 * one power, taken when the coordinate is next used. Decay is implicit, 1/(1 + rate*lambda), never negative.
 * w: f32 weights, squares: f32 sums, seen: u32 row count up to which the decay is applied.
 */
// @ts-ignore: decorator
@inline
function catchUp(at: usize, w: usize, squares: usize, seen: usize, now: u32, rate: f64, l2: f64): void {
  const missed = now - load<u32>(seen + at);
  store<u32>(seen + at, now);
  const sum = <f64>load<f32>(squares + at);
  if (missed == 0 || sum == 0.0 || l2 == 0.0) return;
  const shrink = Math.exp(-(<f64>missed) * Math.log1p((rate * l2) / Math.sqrt(sum)));
  store<f32>(w + at, <f32>(<f64>load<f32>(w + at) * shrink));
}

export function adagradRows(
  loss: i32,
  rows: usize,
  count: u32,
  w: usize,
  squares: usize,
  seen: usize,
  rowsBefore: u32,
  rate: f64,
  l2: f64,
  threshold: f32,
): void {
  for (let k: u32 = 0; k < count; k++) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    const index = indexOf(block);
    const value = valueOf(block);
    const start = startOf(block, row);
    const end = endOf(block, row);
    const now = rowsBefore + k;
    for (let e = start; e < end; e += 4) {
      catchUp(<usize>load<u32>(index + e) << 2, w, squares, seen, now, rate, l2);
    }
    const p = <f64>dotRow(w, block, row);
    const slope = anySlope(loss, p, anyClass(loss, labelOf(block, row), threshold));
    if (slope == 0.0) continue;
    for (let e = start; e < end; e += 4) {
      const at = <usize>load<u32>(index + e) << 2;
      const gradient = slope * <f64>load<f32>(value + e);
      const sum = <f64>load<f32>(squares + at) + gradient * gradient;
      store<f32>(squares + at, <f32>sum);
      if (sum > 0.0) store<f32>(w + at, <f32>(<f64>load<f32>(w + at) - (rate / Math.sqrt(sum)) * gradient));
    }
  }
}

/** Applies the decay that every coordinate still misses. */
export function adagradSettle(w: usize, squares: usize, seen: usize, width: u32, now: u32, rate: f64, l2: f64): void {
  for (let at: usize = 0; at < <usize>width << 2; at += 4) catchUp(at, w, squares, seen, now, rate, l2);
}

// Stochastic dual coordinate ascent (Shalev-Shwartz and Zhang 2013, JMLR 14, section 2 and 6.2). Every row has
// a dual variable b (times its class y): w = u / (lambda*n), u = sum of b_i*y_i*x_i. One step maximises the dual
//     D = (1/n) sum -conjugate(b_i) - (lambda/2)*||w||^2
// in b_i alone. q = ||x||^2/(lambda*n) is how far p moves a unit of b. For squared loss b stands alone (y = 1).

import { classOf, HINGE, LOG, SQUARED, SQUARED_HINGE } from "./losses";
import {
  jobCount,
  jobDual,
  jobLambda,
  jobLoss,
  jobNorms,
  jobPositions,
  jobReplicaBytes,
  jobRows,
  jobStride,
  jobThreshold,
  jobVector,
  jobWorkers,
  partStart,
} from "./job";
import { addScaledRow, blockAt, dotRow, endOf, indexOf, labelOf, rowAt, startOf, valueOf } from "./rows";

const NEWTON_STEPS_MAX: i32 = 12;

/** The b that maximises the dual in one coordinate, from the present b and m = y*p (p for squared loss). */
// @ts-ignore: decorator
@inline
function bestDual(loss: i32, b: f64, m: f64, q: f64, y: f64): f64 {
  if (loss == HINGE) return Math.min(1.0, Math.max(0.0, b + (1.0 - m) / q));
  if (loss == SQUARED_HINGE) return Math.max(0.0, b + (1.0 - m - 0.5 * b) / (0.5 + q));
  if (loss == LOG) return bestLogDual(b, m, q);
  return b + (y - m - b) / (1.0 + q);
}

/**
 * Log loss has no closed form: with b = 1/(1 + exp(-z)) the optimum is the root of
 * f(z) = z + m + (b(z) - b0)*q, f' = 1 + q*b*(1-b) >= 1. Newton's steps, kept inside a bracket.
 */
function bestLogDual(b0: f64, m: f64, q: f64): f64 {
  // At z = -m - q the last term is at least -q*b0 + 0, so f <= 0 there; at z = -m + q f >= 0.
  let low = -m - q;
  let high = -m + q;
  let z = b0 > 0.0 && b0 < 1.0 ? Math.log(b0 / (1.0 - b0)) : -m;
  if (!(z > low && z < high)) z = 0.5 * (low + high);
  let b: f64 = 0.0;
  for (let step: i32 = 0; step < NEWTON_STEPS_MAX; step++) {
    b = 1.0 / (1.0 + Math.exp(-z));
    const f = z + m + (b - b0) * q;
    if (Math.abs(f) < 1e-9 * (1.0 + q)) break;
    if (f > 0.0) high = z;
    else low = z;
    z -= f / (1.0 + q * b * (1.0 - b));
    if (!(z > low && z < high)) z = 0.5 * (low + high);
  }
  return b;
}

// @ts-ignore: decorator
@inline
function sdcaRows(
  loss: i32,
  rows: usize,
  positions: usize,
  count: u32,
  u: usize,
  norms: usize,
  dual: usize,
  lambdaN: f64,
  threshold: f32,
  sigma: f64,
): void {
  const scale = 1.0 / lambdaN;
  for (let k: u32 = 0; k < count; k++) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    const at = <usize>load<u32>(positions + (<usize>k << 2)) << 2;
    // A row without values loses the same whatever w is: its dual is still best at its own end.
    const norm = <f64>load<f32>(norms + at);
    const raw = classOf(loss, labelOf(block, row), threshold);
    const y = loss == SQUARED ? 1.0 : raw;
    const b = <f64>load<f32>(dual + at);
    const m = y * scale * <f64>dotRow(u, block, row);
    const next = <f32>bestDual(loss, b, m, norm * scale * sigma, raw);
    const change = <f32>(y * (<f64>next - b));
    if (change != 0.0) {
      store<f32>(dual + at, next);
      addScaledRow(<f32>(sigma * <f64>change), block, row, u);
    }
  }
}

export function sdcaHinge(rows: usize, positions: usize, count: u32, u: usize, norms: usize, dual: usize, lambdaN: f64, threshold: f32): void {
  sdcaRows(HINGE, rows, positions, count, u, norms, dual, lambdaN, threshold, 1.0);
}

export function sdcaSquaredHinge(rows: usize, positions: usize, count: u32, u: usize, norms: usize, dual: usize, lambdaN: f64, threshold: f32): void {
  sdcaRows(SQUARED_HINGE, rows, positions, count, u, norms, dual, lambdaN, threshold, 1.0);
}

export function sdcaLog(rows: usize, positions: usize, count: u32, u: usize, norms: usize, dual: usize, lambdaN: f64, threshold: f32): void {
  sdcaRows(LOG, rows, positions, count, u, norms, dual, lambdaN, threshold, 1.0);
}

export function sdcaSquared(rows: usize, positions: usize, count: u32, u: usize, norms: usize, dual: usize, lambdaN: f64, threshold: f32): void {
  sdcaRows(SQUARED, rows, positions, count, u, norms, dual, lambdaN, threshold, 1.0);
}

/**
 * Dual ascent on replicas of u (CoCoA+, Ma et al. 2015, with sigma' = workers): each thread takes the rows of its
 * part, whose duals no other thread touches in the round. On its private u its own steps count sigma times, and q is
 * sigma times as large, so the merged steps never overshoot, however many there are; the merge is the mean
 * of the replicas, u + sum over threads of what they learned. Invariant: u = sum of b_i*y_i*x_i after each merge.
 */
export function sdcaReplicaRows(job: usize, rank: u32): void {
  const loss = jobLoss(job);
  if (loss == HINGE) sdcaReplicaLoop(HINGE, job, rank);
  else if (loss == SQUARED_HINGE) sdcaReplicaLoop(SQUARED_HINGE, job, rank);
  else if (loss == LOG) sdcaReplicaLoop(LOG, job, rank);
  else sdcaReplicaLoop(SQUARED, job, rank);
}

// @ts-ignore: decorator
@inline
function sdcaReplicaLoop(loss: i32, job: usize, rank: u32): void {
  const first = <usize>partStart(jobCount(job), rank, jobWorkers(job));
  const last = <usize>partStart(jobCount(job), rank + 1, jobWorkers(job));
  sdcaRows(
    loss,
    jobRows(job) + (first << 3),
    jobPositions(job) + (first << 2),
    <u32>(last - first),
    jobVector(job) + <usize>rank * jobReplicaBytes(job),
    jobNorms(job),
    jobDual(job),
    jobLambda(job),
    jobThreshold(job),
    jobStride(job),
  );
}

/** norms[position] = ||x||^2. */
export function rowNorms(rows: usize, positions: usize, count: u32, norms: usize): void {
  for (let k: u32 = 0; k < count; k++) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    const value = valueOf(block);
    const start = startOf(block, row);
    const end = endOf(block, row);
    let sum: f64 = 0;
    for (let e = start; e < end; e += 4) sum += <f64>load<f32>(value + e) * <f64>load<f32>(value + e);
    store<f32>(norms + (<usize>load<u32>(positions + (<usize>k << 2)) << 2), <f32>sum);
  }
}

/**
 * Adds b*y*x of the rows to `u` in f64, and returns the sum of -conjugate(b): together they are the dual
 * objective of exactly these b, free of what rounding did to the f32 vector while it was learned.
 */
export function dualRows(loss: i32, rows: usize, positions: usize, count: u32, u: usize, dual: usize, threshold: f32): f64 {
  let sum: f64 = 0;
  for (let k: u32 = 0; k < count; k++) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    const b = <f64>load<f32>(dual + (<usize>load<u32>(positions + (<usize>k << 2)) << 2));
    if (b == 0.0) continue;
    const label = labelOf(block, row);
    const y = loss == SQUARED ? 1.0 : classOf(HINGE, label, threshold);
    const index = indexOf(block);
    const value = valueOf(block);
    const start = startOf(block, row);
    const end = endOf(block, row);
    for (let e = start; e < end; e += 4) {
      const at = u + (<usize>load<u32>(index + e) << 3);
      store<f64>(at, load<f64>(at) + b * y * <f64>load<f32>(value + e));
    }
    sum += dualValue(loss, b, <f64>label);
  }
  return sum;
}

/** -conjugate(b): what a row adds to n*D. */
function dualValue(loss: i32, b: f64, label: f64): f64 {
  if (loss == HINGE) return b;
  if (loss == SQUARED_HINGE) return b - 0.25 * b * b;
  if (loss == LOG) {
    const rest = b < 1.0 ? (1.0 - b) * Math.log1p(-b) : 0.0;
    return -(b * Math.log(b) + rest);
  }
  return b * label - 0.5 * b * b;
}

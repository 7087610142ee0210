// Predictions, loss sums and error counts over rows of a block. Sums are in f64, in row order.

import { classOf, HINGE, LOG, lossValue, SQUARED, SQUARED_HINGE } from "./losses";
import {
  jobChunk,
  jobClaim,
  jobCount,
  jobLoss,
  jobRows,
  jobScale,
  jobSums,
  jobThreshold,
  jobVector,
} from "./job";
import { blockAt, dotRow, labelOf, rowAt } from "./rows";

/** predictions[k] = scale * v.x for the k-th row of the list (f32). */
export function predictRows(rows: usize, count: u32, v: usize, scale: f64, predictions: usize): void {
  for (let k: u32 = 0; k < count; k++) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    store<f32>(predictions + (<usize>k << 2), <f32>(scale * <f64>dotRow(v, block, row)));
  }
}

/**
 * Adds to results[0] the sum of the losses and to results[1] the number of errors (f64 each): a
 * classifier's sign differs from the label's; a prediction of exactly 0 counts as negative.
 */
// @ts-ignore: decorator
@inline
function evaluateRows(loss: i32, rows: usize, count: u32, v: usize, scale: f64, results: usize, threshold: f32): void {
  let sum: f64 = 0;
  let errors: f64 = 0;
  for (let k: u32 = 0; k < count; k++) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    const y = classOf(loss, labelOf(block, row), threshold);
    const p = scale * <f64>dotRow(v, block, row);
    sum += lossValue(loss, p, y);
    errors += p > 0.0 == y > 0.0 ? 0.0 : 1.0;
  }
  store<f64>(results, load<f64>(results) + sum);
  store<f64>(results, load<f64>(results, 8) + errors, 8);
}

export function evaluateHinge(rows: usize, count: u32, v: usize, scale: f64, results: usize, threshold: f32): void {
  evaluateRows(HINGE, rows, count, v, scale, results, threshold);
}

export function evaluateSquaredHinge(rows: usize, count: u32, v: usize, scale: f64, results: usize, threshold: f32): void {
  evaluateRows(SQUARED_HINGE, rows, count, v, scale, results, threshold);
}

export function evaluateLog(rows: usize, count: u32, v: usize, scale: f64, results: usize, threshold: f32): void {
  evaluateRows(LOG, rows, count, v, scale, results, threshold);
}

export function evaluateSquared(rows: usize, count: u32, v: usize, scale: f64, results: usize, threshold: f32): void {
  evaluateRows(SQUARED, rows, count, v, scale, results, threshold);
}

// @ts-ignore: decorator
@inline
function judgeChunks(loss: i32, job: usize): void {
  const rows = jobRows(job);
  const count = jobCount(job);
  const chunk = jobChunk(job);
  const v = jobVector(job);
  const scale = jobScale(job);
  const threshold = jobThreshold(job);
  for (;;) {
    const number = atomic.add<u32>(jobClaim(job), 1);
    const start = <u64>number * chunk;
    if (start >= count) return;
    const results = jobSums(job) + (<usize>number << 4);
    store<f64>(results, 0.0);
    store<f64>(results, 0.0, 8);
    const length = <u32>min<u64>(chunk, count - start);
    evaluateRows(loss, rows + (<usize>start << 3), length, v, scale, results, threshold);
  }
}

/**
 * Judges the rows of a job, chunk by chunk, whichever thread takes a chunk first: its sums go to the chunk's own
 * place, so what they add up to does not depend on the threads.
 */
export function judgeRows(job: usize, rank: u32): void {
  const loss = jobLoss(job);
  if (loss == HINGE) judgeChunks(HINGE, job);
  else if (loss == SQUARED_HINGE) judgeChunks(SQUARED_HINGE, job);
  else if (loss == LOG) judgeChunks(LOG, job);
  else judgeChunks(SQUARED, job);
}

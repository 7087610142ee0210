// Lock-free learning on one shared v (Niu, Recht, Re, Wright 2011, arXiv 1106.5730; design: algorithms.md,
// sections 2 and 12). Threads claim chunks of rows from one atomic counter; v is read and written without any
// order between threads. T is the sum of the threads' row counters, re-read every BATCH rows; between two
// readings a thread counts its own rows only. Invariant: with one thread these are the steps of serial.
// A row that does not violate writes nothing, so it takes no cache line from another thread.

import { anyClass, anySlope, classOf, HINGE, LOG, lossSlope, SQUARED, SQUARED_HINGE } from "./losses";
import { addScaledRow, blockAt, dotRow, endOf, indexOf, labelOf, rowAt, startOf, valueOf } from "./rows";
import {
  coefficientAt,
  jobCells,
  jobChunk,
  jobClaim,
  jobCoefficient,
  jobCoefficientTable,
  jobCount,
  jobLambda,
  jobLoss,
  jobRarity,
  jobRows,
  jobScaleTable,
  jobScratch,
  jobT,
  jobT0,
  jobThreshold,
  jobVector,
  jobWorkers,
  scaleAt,
} from "./job";

const BATCH: u32 = 64;
/** Non-zeros of a row that are watched for collisions. */
const WATCHED_MAX: usize = 4096;

/** Rows learned in this job by all threads. */
// @ts-ignore: decorator
@inline
function rowsOfAll(cells: usize, workers: u32): u32 {
  let sum: u32 = 0;
  for (let r: u32 = 0; r < workers; r++) sum += atomic.load<u32>(cells + (<usize>r << 6));
  return sum;
}

/** Keeps what v holds at a row's coordinates. */
function watch(v: usize, index: usize, start: usize, end: usize, scratch: usize): void {
  for (let k = start; k < end; k += 4) {
    store<f32>(scratch + (k - start), load<f32>(v + (<usize>load<u32>(index + k) << 2)));
  }
}

/** Counts the row, and whether another thread wrote one of its coordinates since `watch`. */
function countCollision(v: usize, index: usize, start: usize, end: usize, scratch: usize, cell: usize): void {
  store<u32>(cell, load<u32>(cell, 4) + 1, 4);
  for (let k = start; k < end; k += 4) {
    if (load<f32>(v + (<usize>load<u32>(index + k) << 2)) != load<f32>(scratch + (k - start))) {
      store<u32>(cell, load<u32>(cell, 8) + 1, 8);
      return;
    }
  }
}

// @ts-ignore: decorator
@inline
function hogwildLoop(loss: i32, job: usize, rank: u32): void {
  const rows = jobRows(job);
  const count = jobCount(job);
  const workers = jobWorkers(job);
  const threshold = jobThreshold(job);
  const v = jobVector(job);
  const t0 = jobT0(job);
  const cells = jobCells(job);
  const cell = cells + (<usize>rank << 6);
  const scratch = jobScratch(job) + <usize>rank * (WATCHED_MAX << 2);
  let own: u32 = 0;
  for (;;) {
    const first = atomic.add<u32>(jobClaim(job), jobChunk(job));
    if (first >= count) return;
    const last = min(count, first + jobChunk(job));
    for (let batch = first; batch < last; batch += BATCH) {
      let at = rowsOfAll(cells, workers);
      const end = min(last, batch + BATCH);
      for (let k = batch; k < end; k++, at++) {
        const block = blockAt(rows, k);
        const row = rowAt(rows, k);
        const index = indexOf(block);
        const from = startOf(block, row);
        const to = endOf(block, row);
        const watched = k == batch ? min(to, from + (WATCHED_MAX << 2)) : from;
        if (k == batch) watch(v, index, from, watched, scratch);
        const y = classOf(loss, labelOf(block, row), threshold);
        const scale = scaleAt(t0, jobScaleTable(job), jobT(job) + <f64>at, at);
        const slope = lossSlope(loss, scale * <f64>dotRow(v, block, row), y);
        if (slope == 0.0) continue;
        if (k == batch) countCollision(v, index, from, watched, scratch, cell);
        const step = -slope * coefficientAt(t0, jobCoefficient(job), jobCoefficientTable(job), at);
        addScaledRow(<f32>step, block, row, v);
      }
      own += end - batch;
      atomic.store<u32>(cell, own);
    }
  }
}

export function hogwildRows(job: usize, rank: u32): void {
  const loss = jobLoss(job);
  if (loss == HINGE) hogwildLoop(HINGE, job, rank);
  else if (loss == SQUARED_HINGE) hogwildLoop(SQUARED_HINGE, job, rank);
  else if (loss == LOG) hogwildLoop(LOG, job, rank);
  else hogwildLoop(SQUARED, job, rank);
}

/**
 * Hogwild!'s own regulariser (same paper, section 2, equation 6): a row decays the coordinates it touches, coordinate
 * u by eta*lambda*n/d_u, d_u rows having u, so that an epoch decays each as the whole regulariser would. v is
 * w itself; the coefficient table holds eta. A decay beyond 1 (rare coordinates, large eta) is cut to 1.
 */
export function touchedRows(job: usize, rank: u32): void {
  const rows = jobRows(job);
  const count = jobCount(job);
  const loss = jobLoss(job);
  const w = jobVector(job);
  const rarity = jobRarity(job);
  const cells = jobCells(job);
  const cell = cells + (<usize>rank << 6);
  let own: u32 = 0;
  for (;;) {
    const first = atomic.add<u32>(jobClaim(job), jobChunk(job));
    if (first >= count) return;
    const last = min(count, first + jobChunk(job));
    for (let batch = first; batch < last; batch += BATCH) {
      let at = rowsOfAll(cells, jobWorkers(job));
      const end = min(last, batch + BATCH);
      for (let k = batch; k < end; k++, at++) {
        const block = blockAt(rows, k);
        const row = rowAt(rows, k);
        const index = indexOf(block);
        const value = valueOf(block);
        const from = startOf(block, row);
        const to = endOf(block, row);
        const y = anyClass(loss, labelOf(block, row), jobThreshold(job));
        const slope = anySlope(loss, <f64>dotRow(w, block, row), y);
        const eta = load<f64>(jobCoefficientTable(job) + (<usize>at << 3));
        for (let e = from; e < to; e += 4) {
          const u = <usize>load<u32>(index + e) << 2;
          const decay = max(0.0, 1.0 - eta * jobLambda(job) * <f64>load<f32>(rarity + u));
          const kept = <f64>load<f32>(w + u) * decay;
          store<f32>(w + u, <f32>(kept - eta * slope * <f64>load<f32>(value + e)));
        }
      }
      own += end - batch;
      atomic.store<u32>(cell, own);
    }
  }
}

// A private v for each thread, merged after every round (design: algorithms.md, section 2; after HogWild++, Zhang,
// Hsieh, Akella 2016). A round's rows are cut into one part a thread, in the order of the list, so what is
// learned depends on the rows, the seed and the number of workers only. Invariant: one replica learns as serial does.

import { HINGE, LOG, lossSlope, classOf, SQUARED, SQUARED_HINGE } from "./losses";
import { addCountedRow, addScaledRow, blockAt, dotRow, labelOf, rowAt } from "./rows";
import {
  coefficientAt,
  jobBase,
  jobCoefficient,
  jobCoefficientTable,
  jobCount,
  jobLoss,
  jobReplicaBytes,
  jobReplicas,
  jobRows,
  jobScaleTable,
  jobShares,
  jobSteps,
  jobStride,
  jobT,
  jobT0,
  jobThreshold,
  jobVector,
  jobWidth,
  jobWorkers,
  partStart,
  scaleAt,
} from "./job";

// @ts-ignore: decorator
@inline
function replicaLoop(loss: i32, job: usize, rank: u32): void {
  const rows = jobRows(job);
  const count = jobCount(job);
  const workers = jobWorkers(job);
  const threshold = jobThreshold(job);
  const v = jobVector(job) + <usize>rank * jobReplicaBytes(job);
  const t0 = jobT0(job);
  const t = jobT(job);
  const stride = jobStride(job);
  const constant = jobCoefficient(job);
  const scales = jobScaleTable(job);
  const coefficients = jobCoefficientTable(job);
  const steps = jobSteps(job);
  const first = partStart(count, rank, workers);
  const last = partStart(count, rank + 1, workers);
  for (let k = first; k < last; k++) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    const y = classOf(loss, labelOf(block, row), threshold);
    const at = k - first;
    const scale = scaleAt(t0, scales, t + <f64>at * stride, at);
    const slope = lossSlope(loss, scale * <f64>dotRow(v, block, row), y);
    if (slope == 0.0) continue;
    const step = -slope * coefficientAt(t0, constant, coefficients, at);
    if (steps == 0) addScaledRow(<f32>step, block, row, v);
    else addCountedRow(<f32>step, block, row, steps, v);
  }
}

export function replicaRows(job: usize, rank: u32): void {
  const loss = jobLoss(job);
  if (loss == HINGE) replicaLoop(HINGE, job, rank);
  else if (loss == SQUARED_HINGE) replicaLoop(SQUARED_HINGE, job, rank);
  else if (loss == LOG) replicaLoop(LOG, job, rank);
  else replicaLoop(SQUARED, job, rank);
}

/**
 * Merges the replicas over the thread's range of columns, in rank order and f64, and writes the outcome to all of
 * them. Without a base: sum of share[r] * v_r, the mean. With one: base + sum of (v_r - base), and the base moves
 * along; it starts from v_0 so that one replica alone stays as it is, to the bit. Where own steps counted sigma_j
 * times, base + sum of (v_r - base) / sigma.
 */
export function mergeReplicas(job: usize, rank: u32): void {
  const workers = jobWorkers(job);
  const v = jobVector(job);
  const bytes = jobReplicaBytes(job);
  const shares = jobShares(job);
  const base = jobBase(job);
  const steps = jobSteps(job);
  const first = <usize>partStart(jobWidth(job), rank, workers) << 2;
  const last = <usize>partStart(jobWidth(job), rank + 1, workers) << 2;
  const end = v + <usize>jobReplicas(job) * bytes;
  for (let j = first; j < last; j += 4) {
    let sum: f64;
    if (steps != 0) {
      const before = <f64>load<f32>(base + j);
      const sigma = <f64>load<f32>(steps + j);
      sum = before;
      for (let one = v; one < end; one += bytes) sum += (<f64>load<f32>(one + j) - before) / sigma;
    } else if (base != 0) {
      const before = <f64>load<f32>(base + j);
      sum = <f64>load<f32>(v + j);
      for (let one = v + bytes; one < end; one += bytes) sum += <f64>load<f32>(one + j) - before;
    } else {
      sum = 0.0;
      let share = shares;
      for (let one = v; one < end; one += bytes, share += 8) {
        sum += load<f64>(share) * <f64>load<f32>(one + j);
      }
    }
    const merged = <f32>sum;
    for (let one = v; one < end; one += bytes) store<f32>(one + j, merged);
    if (base != 0) store<f32>(base + j, merged);
  }
}

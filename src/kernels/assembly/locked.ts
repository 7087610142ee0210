// What locks cost beside Hogwild! (Niu et al. 2011, section 6). AIG: a thread locks the coordinates of its row
// (or the whole vector), learns it and unlocks. Round-robin (Langford, Smola, Zinkevich 2009): threads compute
// their slopes at the same time but write in turns, row k by thread k mod workers.
// Locks are taken in ascending order of coordinates, so no cycle of waiting exists. A lock is 0 free, 1 taken,
// 2 taken and perhaps waited for (Drepper, "Futexes are tricky", mutex 2); waiting threads sleep.

import { anyClass, anySlope } from "./losses";
import { addScaledRow, blockAt, dotRow, endOf, indexOf, labelOf, rowAt, startOf } from "./rows";
import {
  coefficientAt,
  jobCells,
  jobChunk,
  jobClaim,
  jobCoefficient,
  jobCoefficientTable,
  jobCount,
  jobLocks,
  jobLocksEach,
  jobLoss,
  jobRows,
  jobScaleTable,
  jobT,
  jobT0,
  jobThreshold,
  jobVector,
  jobWorkers,
  scaleAt,
} from "./job";

/** A turn is about as short as a row: so often it is looked at before a thread sleeps. */
const TURN_LOOKS: i32 = 64;

function acquire(lock: usize): void {
  if (atomic.cmpxchg<i32>(lock, 0, 1) == 0) return;
  while (atomic.xchg<i32>(lock, 2) != 0) atomic.wait<i32>(lock, 2, -1);
}

function release(lock: usize): void {
  if (atomic.xchg<i32>(lock, 0) == 2) atomic.notify(lock, 1);
}

function acquireRow(locks: usize, each: bool, index: usize, from: usize, to: usize): void {
  if (!each) return acquire(locks);
  for (let e = from; e < to; e += 4) acquire(locks + (<usize>load<u32>(index + e) << 2));
}

function releaseRow(locks: usize, each: bool, index: usize, from: usize, to: usize): void {
  if (!each) return release(locks);
  for (let e = from; e < to; e += 4) release(locks + (<usize>load<u32>(index + e) << 2));
}

export function lockedRows(job: usize, rank: u32): void {
  const rows = jobRows(job);
  const count = jobCount(job);
  const loss = jobLoss(job);
  const v = jobVector(job);
  const t0 = jobT0(job);
  const locks = jobLocks(job);
  const each = jobLocksEach(job);
  const cells = jobCells(job);
  let own: u32 = 0;
  for (;;) {
    const first = atomic.add<u32>(jobClaim(job), jobChunk(job));
    if (first >= count) return;
    const last = min(count, first + jobChunk(job));
    for (let k = first; k < last; k++) {
      const block = blockAt(rows, k);
      const row = rowAt(rows, k);
      const index = indexOf(block);
      const from = startOf(block, row);
      const to = endOf(block, row);
      const y = anyClass(loss, labelOf(block, row), jobThreshold(job));
      acquireRow(locks, each, index, from, to);
      let at: u32 = 0;
      for (let r: u32 = 0; r < jobWorkers(job); r++) at += atomic.load<u32>(cells + (<usize>r << 6));
      const scale = scaleAt(t0, jobScaleTable(job), jobT(job) + <f64>at, at);
      const slope = anySlope(loss, scale * <f64>dotRow(v, block, row), y);
      if (slope != 0.0) {
        const step = -slope * coefficientAt(t0, jobCoefficient(job), jobCoefficientTable(job), at);
        addScaledRow(<f32>step, block, row, v);
      }
      atomic.store<u32>(cells + (<usize>rank << 6), ++own);
      releaseRow(locks, each, index, from, to);
    }
  }
}

/** Sleeps until it is row k's turn. locks: the turn (u32), then how many threads sleep (u32). */
function awaitTurn(locks: usize, k: u32): void {
  for (let look: i32 = 0; look < TURN_LOOKS; look++) {
    if (atomic.load<u32>(locks) == k) return;
  }
  atomic.add<u32>(locks + 4, 1);
  for (;;) {
    const turn = atomic.load<u32>(locks);
    if (turn == k) break;
    atomic.wait<i32>(locks, <i32>turn, -1);
  }
  atomic.sub<u32>(locks + 4, 1);
}

export function turnRows(job: usize, rank: u32): void {
  const rows = jobRows(job);
  const count = jobCount(job);
  const loss = jobLoss(job);
  const v = jobVector(job);
  const t0 = jobT0(job);
  const locks = jobLocks(job);
  for (let k = rank; k < count; k += jobWorkers(job)) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    const y = anyClass(loss, labelOf(block, row), jobThreshold(job));
    const scale = scaleAt(t0, jobScaleTable(job), jobT(job) + <f64>k, k);
    const slope = anySlope(loss, scale * <f64>dotRow(v, block, row), y);
    const step = -slope * coefficientAt(t0, jobCoefficient(job), jobCoefficientTable(job), k);
    awaitTurn(locks, k);
    if (slope != 0.0) addScaledRow(<f32>step, block, row, v);
    atomic.store<u32>(locks, k + 1);
    if (atomic.load<u32>(locks + 4) != 0) atomic.notify(locks, -1);
  }
}

/**
 * The job that threads read, as a record in the arena; assembly/job.ts reads the same places. What is not
 * set is 0.
 */
import type { Arena } from "../../kernels/arena.ts";
import type { LearnContext } from "../../learner/context.ts";
import type { Replica } from "../../learner/replica.ts";
import type { RowList } from "../../learner/rows.ts";
import type { Collisions } from "../../learner/solver.ts";
import { fillSchedule, type Schedule } from "../../model/schedule.ts";

/** Byte offsets of the fields that are u32, i32 or f32 (4 bytes) or f64 (8 bytes). */
const place = {
  loss: 0,
  rows: 4,
  count: 8,
  workers: 12,
  threshold: 16,
  vector: 20,
  replicaBytes: 24,
  width: 28,
  t: 32,
  t0: 40,
  coefficient: 48,
  scaleTable: 56,
  coefficientTable: 60,
  stride: 64,
  cells: 72,
  claim: 76,
  chunk: 80,
  locks: 84,
  locksEach: 88,
  rarity: 92,
  scratch: 96,
  shares: 100,
  base: 104,
  positions: 108,
  norms: 112,
  dual: 116,
  lambda: 120,
  replicas: 128,
  sums: 132,
  scale: 136,
  steps: 144,
} as const;

const wide: readonly string[] = ["t", "t0", "coefficient", "stride", "lambda", "scale"];
const jobBytes = 192;
const cellBytes = 64;
/** As WATCHED_MAX in assembly/hogwild.ts. */
const watchedMax = 4096;
/** Threads claim at most this many rows at a time, and each some claims a job. */
const chunkRowsMax = 256;
const claimsPerThread = 8;

export type JobField = keyof typeof place;

/** A job and the room that goes with it; made once a solver, filled in for every list of rows. */
export interface Job {
  readonly address: number;
  readonly workers: number;
  set(field: JobField, value: number): void;
  /** Chunks are claimed from the first on. */
  reclaim(): void;
  /** Rows to learn, and the schedule from T = replica.t on. */
  prepare(list: RowList, schedule: Schedule, replica: Replica, stride: number): void;
  /** Counts over all threads since the job was made; the first of every 64 rows is watched. */
  collisions(): Collisions;
}

export function createJob(context: LearnContext, workers: number): Job {
  const { arena, loss, threshold, l2 } = context;
  const address = arena.allocate(jobBytes);
  const view = new DataView(arena.buffer, address, jobBytes);
  for (let at = 0; at < jobBytes; at++) view.setUint8(at, 0);
  const claim = new Int32Array(arena.buffer, arena.allocate(cellBytes), 1);
  const cells = new Int32Array(arena.buffer, arena.allocate(cellBytes * workers), 16 * workers);
  cells.fill(0);
  const tables = createTables(arena);
  const set = (field: JobField, value: number) => {
    if (wide.includes(field)) view.setFloat64(place[field], value, true);
    else if (field === "threshold") view.setFloat32(place[field], value, true);
    else view.setUint32(place[field], value, true);
  };
  const sumOf = (word: number) => {
    let sum = 0;
    for (let rank = 0; rank < workers; rank++) sum += cells[16 * rank + word]!;
    return sum;
  };
  set("loss", loss.code);
  set("threshold", threshold);
  set("workers", workers);
  set("claim", claim.byteOffset);
  set("cells", cells.byteOffset);
  set("lambda", l2);
  set("scratch", arena.allocate(4 * watchedMax * workers));
  return {
    address,
    workers,
    set,
    reclaim: () => void Atomics.store(claim, 0, 0),
    prepare(list, schedule, { t, base }, stride) {
      Atomics.store(claim, 0, 0);
      for (let rank = 0; rank < workers; rank++) cells[16 * rank] = 0;
      const { count } = list;
      set("rows", list.address);
      set("count", count);
      const share = Math.ceil(count / (workers * claimsPerThread));
      set("chunk", Math.min(chunkRowsMax, Math.max(1, share)));
      set("t", t);
      set("stride", stride);
      if (schedule.t0 !== undefined && base === 0) {
        set("t0", schedule.t0);
        set("coefficient", 1 / (l2 * schedule.t0));
        return;
      }
      const { scale, coefficient } = tables(count);
      fillSchedule(schedule, { t, stride, base, count, frozen: false }, scale, coefficient);
      set("t0", 0);
      set("scaleTable", scale.byteOffset);
      set("coefficientTable", coefficient.byteOffset);
    },
    collisions: () => ({ watched: sumOf(1), collided: sumOf(2) }),
  };
}

/** Room for a scale and a coefficient a row, which grows as it is needed. */
function createTables(arena: Arena) {
  let scale: Float64Array | null = null;
  let coefficient: Float64Array | null = null;
  return (rows: number) => {
    if (!scale || !coefficient || scale.length < rows) {
      if (scale) arena.release(scale.byteOffset, scale.byteLength);
      if (coefficient) arena.release(coefficient.byteOffset, coefficient.byteLength);
      scale = arena.allocateF64(rows);
      coefficient = arena.allocateF64(rows);
    }
    return { scale, coefficient };
  };
}

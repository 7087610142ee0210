/**
 * Threads on one shared v (design: algorithms.md, sections 2 and 12). `hogwild` takes no locks (Niu et al. 2011,
 * arXiv 1106.5730): w = s(T)*v, T the sum of the threads' row counters; threads claim chunks of rows from one counter.
 * With `--lock` each row is learned under a lock on v, or on its coordinates in ascending order (AIG). In
 * `round-robin` threads compute slopes at the same time and write in turns (Langford et al. 2009).
 * `--decay touched` is Hogwild!'s own regulariser: lambda*n/d_u on the coordinates a row touches.
 *
 * Invariant: T counts every row once, whatever the threads do. Invariant: one thread learns what serial learns.
 * v re-bases between lists of rows only, when no thread is at work.
 */
import type { LearnContext } from "../../learner/context.ts";
import { rebase } from "../../learner/replica.ts";
import type { RowStore } from "../../learner/row-store.ts";
import type { BlockRows } from "../../learner/rows.ts";
import { createStepping, type Solver, type SteppingOptions } from "../../learner/solver.ts";
import type { Schedule } from "../../model/schedule.ts";
import { createJob, type Job } from "./job.ts";
import type { KernelTeam, SharedKernelName } from "./pool.ts";

export interface HogwildOptions extends SteppingOptions {
  readonly lock: "none" | "vector" | "coordinates" | "turns";
  readonly decay: "exact" | "touched";
}

export function createHogwildSolver(
  context: LearnContext,
  pool: KernelTeam,
  options: HogwildOptions,
): Solver {
  const { lock, decay, order, width } = options;
  const touched = decay === "touched";
  if (touched && lock !== "none") {
    throw new RangeError("Cannot use --decay touched with locks: leave out --lock");
  }
  const job = createJob(context, pool.workers);
  const kernel = kernelOf(lock, touched);
  const locks = lock === "none" ? null : createLocks(context, job, lock, width);
  if (touched) job.set("rarity", rarityOf(context, order.store, width).byteOffset);
  const { scheduleOf } = options;
  const solver = createStepping(
    context,
    { ...options, scheduleOf: (factor) => (touched ? unscaled : identity)(scheduleOf(factor)) },
    {
      take: (from, left) => from.take(left),
      learn(schedule, replica, list) {
        rebase(replica, schedule, context.kernels);
        job.set("vector", replica.address);
        job.prepare(list, schedule, replica, 1);
        if (lock === "turns") locks!.fill(0);
        pool.run(kernel, job.address);
        replica.t += list.count;
      },
    },
  );
  const watched = kernel === "hogwildRows" && pool.workers > 1;
  return Object.assign(solver, { collisions: () => (watched ? job.collisions() : null) });
}

function kernelOf(lock: HogwildOptions["lock"], touched: boolean): SharedKernelName {
  if (touched) return "touchedRows";
  switch (lock) {
    case "none":
      return "hogwildRows";
    case "vector":
    case "coordinates":
      return "lockedRows";
    case "turns":
      return "turnRows";
    default:
      return lock satisfies never;
  }
}

function createLocks(
  { arena }: LearnContext,
  job: Job,
  lock: HogwildOptions["lock"],
  width: number,
): Uint32Array {
  const locks = arena.allocateU32(lock === "coordinates" ? width : 16);
  locks.fill(0);
  job.set("locks", locks.byteOffset);
  job.set("locksEach", lock === "coordinates" ? 1 : 0);
  return locks;
}

function identity(schedule: Schedule): Schedule {
  return schedule;
}

/** The same rates where v is w itself, as decay is applied to coordinates. */
function unscaled(schedule: Schedule): Schedule {
  return { name: schedule.name, logScale: () => 0, rate: (t) => schedule.rate(t) };
}

/** n/d_u of every coordinate: one pass over the rows. */
function rarityOf({ arena }: LearnContext, store: RowStore, width: number): Float32Array {
  const rarity = arena.allocateF32(width);
  rarity.fill(0);
  for (const window of store.windows()) for (const part of window) countColumns(part, rarity);
  for (let u = 0; u < width; u++) if (rarity[u]! > 0) rarity[u] = store.rows / rarity[u]!;
  return rarity;
}

/** Adds to each column the rows that have it. */
function countColumns(
  { block: { rowStart, index }, rows }: BlockRows,
  columns: Float32Array,
): void {
  for (const row of rows) {
    for (let k = rowStart[row]!; k < rowStart[row + 1]!; k++) columns[index[k]!]!++;
  }
}

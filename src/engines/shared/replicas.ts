/**
 * A private replica for each thread, merged after every round (design: algorithms.md, section 2; after HogWild++,
 * Zhang, Hsieh, Akella 2016). A round is at most `roundRows` rows of the order, cut into one part a thread; all replicas start it
 * at the same (v, T). Merge `mean`: v becomes the replicas' mean and T moves by the rows of one part; `sum`: what
 * they learned is added up, T moves by all rows, and each replica lets T advance by the number of workers a row; `anticipate`:
 * added up too, and a replica's own steps count for the others' until then (math/anticipation.ts).
 *
 * Invariant: the outcome depends on rows, seed and number of workers only. Invariant: one worker learns
 * what serial learns, bit for bit (with a schedule that never re-bases, as `optimal`).
 */
import type { Counted } from "../../learner/anticipation.ts";
import type { LearnContext } from "../../learner/context.ts";
import { type Replica, rebase } from "../../learner/replica.ts";
import { createStepping, type Solver, type SteppingOptions } from "../../learner/solver.ts";
import type { Merge } from "../../math/update.ts";
import { createJob, type Job } from "./job.ts";
import type { KernelTeam } from "./pool.ts";

export interface ReplicasOptions extends SteppingOptions {
  readonly merge: Merge;
  /** `anticipate`: how own steps count; else null. */
  readonly counted?: Counted | null;
  /** Rows of all workers between two merges. */
  readonly roundRows: number;
}

/** A merge of fewer values is done by one thread: it takes less time than to wake the others. */
const sharedMergeValuesMin = 1_000_000;

export function createReplicasSolver(
  context: LearnContext,
  pool: KernelTeam,
  options: ReplicasOptions,
): Solver {
  const { workers } = pool;
  const { width, merge, roundRows, counted = null } = options;
  const steps = counted?.sigma ?? null;
  const replicas = createReplicas(context, { width, workers });
  const job = createJob(context, workers);
  job.set("vector", replicas.first.address);
  job.set("replicaBytes", replicas.bytes);
  job.set("steps", steps?.byteOffset ?? 0);
  const merging = createMerge(context, { width, workers, merge, replicas, steps });
  const stride = counted?.stride ?? (merge === "sum" ? workers : 1);
  return createStepping(
    context,
    { ...options, replica: replicas.first },
    {
      take: (order, left) => order.take(Math.min(left, roundRows)),
      learn(schedule, replica, list) {
        if (rebase(replica, schedule, context.kernels)) merging.spread();
        job.prepare(list, schedule, replica, stride);
        pool.run("replicaRows", job.address);
        replica.t += merge === "mean" ? Math.ceil(list.count / workers) : list.count;
        if (workers > 1) merging.run(pool, list.count);
      },
      replaced: () => merging.spread(),
    },
  );
}

/** Vectors one after the other, so that a thread finds its own by its rank; the first is the model. */
export interface Replicas {
  readonly first: Replica;
  readonly others: readonly Float32Array[];
  readonly bytes: number;
}

export function createReplicas(
  { arena }: LearnContext,
  { width, workers }: { width: number; workers: number },
): Replicas {
  const bytes = Math.ceil((4 * width) / 64) * 64;
  const address = arena.allocate(bytes * workers);
  const vectors = Array.from({ length: workers }, (_, r) => arena.f32(address + r * bytes, width));
  for (const v of vectors) v.fill(0);
  const [v, ...others] = vectors;
  return { first: { v: v!, address, width, t: 0, base: 0 }, others, bytes };
}

export interface Merging {
  /** Merges what the threads learned in a round of that many rows; null: all replicas count alike. */
  run(pool: KernelTeam, rows: number | null): void;
  /** Copies the first replica to the others, after it was given other weights. */
  spread(): void;
}

export function createMerge(
  context: LearnContext,
  options: {
    width: number;
    workers: number;
    merge: Merge;
    replicas: Replicas;
    steps?: Float32Array | null;
  },
): Merging {
  const { arena } = context;
  const { width, workers, merge, replicas, steps } = options;
  const wide = width * workers >= sharedMergeValuesMin;
  const jobs = [1, workers].map((threads) => createJob(context, threads)) as [Job, Job];
  const base = merge === "mean" ? null : arena.allocateF32(width);
  const shares = arena.allocateF64(workers);
  base?.fill(0);
  for (const job of jobs) {
    job.set("vector", replicas.first.address);
    job.set("replicaBytes", replicas.bytes);
    job.set("replicas", workers);
    job.set("width", width);
    job.set("shares", shares.byteOffset);
    job.set("base", base?.byteOffset ?? 0);
    job.set("steps", steps?.byteOffset ?? 0);
  }
  return {
    run(pool, rows) {
      for (let rank = 0; rank < workers; rank++) {
        shares[rank] = rows === null ? 1 / workers : shareOf(rows, rank, workers);
      }
      if (wide) pool.run("mergeReplicas", jobs[1].address);
      else pool.runAlone("mergeReplicas", jobs[0].address);
    },
    spread() {
      for (const other of replicas.others) other.set(replicas.first.v);
      base?.set(replicas.first.v);
    },
  };
}

/** Share of a round's rows that a thread learns. */
function shareOf(rows: number, rank: number, workers: number): number {
  return (partEnd(rows, rank, workers) - partEnd(rows, rank - 1, workers)) / rows;
}

/** As partStart in assembly/job.ts. */
function partEnd(rows: number, rank: number, workers: number): number {
  return Math.floor((rows * (rank + 1)) / workers);
}

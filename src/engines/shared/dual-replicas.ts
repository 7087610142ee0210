/**
 * Dual ascent on replicas (design: algorithms.md, section 2; CoCoA+, Ma, Smith, Jaggi, Jordan, Richtarik, Takac 2015,
 * arXiv 1502.03508, with sigma' = workers and updates added): every thread has a private u and the rows of its
 * part of a round; a merge adds what all learned. On its own u a thread counts its steps `workers` times, so
 * that the sum of all threads' steps cannot overshoot: the merged u is the mean of the replicas.
 *
 * Invariant: after each merge u = sum of b_i*y_i*x_i up to rounding. Invariant: the outcome depends on rows, seed
 * and number of workers only. Invariant: one worker learns what serial dual ascent learns, bit for bit.
 */
import type { LearnContext } from "../../learner/context.ts";
import type { DualStepper } from "../../learner/sdca.ts";
import { createJob } from "./job.ts";
import type { KernelTeam } from "./pool.ts";
import { createMerge, createReplicas } from "./replicas.ts";

/** The steps of createSdcaSolver on replicas. */
export function createDualReplicas(
  context: LearnContext,
  pool: KernelTeam,
  { width, roundRows }: { width: number; roundRows: number },
): DualStepper {
  const { workers } = pool;
  const replicas = createReplicas(context, { width, workers });
  const merging = createMerge(context, { width, workers, merge: "mean", replicas });
  const job = createJob(context, workers);
  job.set("vector", replicas.first.address);
  job.set("replicaBytes", replicas.bytes);
  job.set("stride", workers);
  return {
    u: replicas.first.v,
    rowsOf: (left) => Math.min(left, roundRows),
    learn({ norms, dual, lambdaN }, { address, positions, count }) {
      job.set("rows", address);
      job.set("count", count);
      job.set("positions", positions);
      job.set("norms", norms.byteOffset);
      job.set("dual", dual.byteOffset);
      job.set("lambda", lambdaN);
      pool.run("sdcaReplicaRows", job.address);
      if (workers > 1) merging.run(pool, null);
    },
    replaced: () => merging.spread(),
  };
}

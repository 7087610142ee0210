/** Solvers of the strategies that share memory, from the settings of a run. */
import { createDualReplicas } from "../engines/shared/dual-replicas.ts";
import { createHogwildSolver } from "../engines/shared/hogwild.ts";
import type { KernelTeam } from "../engines/shared/pool.ts";
import { createReplicasSolver } from "../engines/shared/replicas.ts";
import { createStepsCounted, featureShares } from "../learner/anticipation.ts";
import type { LearnContext } from "../learner/context.ts";
import type { RowStore } from "../learner/row-store.ts";
import type { DualStepper } from "../learner/sdca.ts";
import type { Solver, SteppingOptions } from "../learner/solver.ts";
import type { Merge } from "../math/update.ts";
import type { RunPort } from "./learn-task.ts";
import type { TrainSettings } from "./settings.ts";

/** Merges an epoch where none are asked for: with 2 and 4 replicas of the twin as good as serial, see docs/decisions.md. */
const mergesPerEpoch = 16;

/** What these solvers need beside the settings. */
type SharedOptions = SteppingOptions & {
  readonly port: RunPort;
  readonly store: RowStore;
  /** One or two passes over each replica's rows alone would do. */
  readonly meanDoes: boolean;
};

/** @throws RangeError for settings that these strategies cannot follow. */
export function createSharedSolver(
  context: LearnContext,
  pool: KernelTeam,
  settings: TrainSettings,
  options: SharedOptions,
): Solver {
  const { strategy, lock, decay } = settings;
  checkShared(settings);
  if (strategy === "replicas") return createReplicas(context, pool, settings, options);
  return createHogwildSolver(context, pool, {
    ...options,
    lock: strategy === "round-robin" ? "turns" : lock,
    decay,
  });
}

/** Dual ascent on replicas. */
export function createAscentSteps(
  context: LearnContext,
  pool: KernelTeam,
  { rowsPerUpdate }: TrainSettings,
  { width, epochRows }: { width: number; epochRows: number },
): DualStepper {
  const roundRows = roundRowsOf(rowsPerUpdate, epochRows, pool.workers);
  return createDualReplicas(context, pool, { width, roundRows });
}

function roundRowsOf(rowsPerUpdate: number | "auto", epochRows: number, workers: number): number {
  return rowsPerUpdate === "auto" ? Math.ceil(epochRows / mergesPerEpoch) : rowsPerUpdate * workers;
}

function createReplicas(
  context: LearnContext,
  pool: KernelTeam,
  settings: TrainSettings,
  options: SharedOptions,
): Solver {
  const { rowsPerUpdate } = settings;
  const { order, width, store } = options;
  const { workers } = pool;
  const merge = mergeOf(settings, workers, options);
  const roundRows = roundRowsOf(rowsPerUpdate, order.epochRows, workers);
  const each = { workers, rowsPerUpdate: Math.ceil(roundRows / workers) };
  const counted =
    merge === "anticipate" && workers > 1
      ? createStepsCounted(context.arena, () => featureShares(store.windows(), width))(each)
      : null;
  return createReplicasSolver(context, pool, { ...options, merge, counted, roundRows });
}

function mergeOf(
  { merge }: TrainSettings,
  workers: number,
  { meanDoes, port }: SharedOptions,
): Merge {
  if (merge !== "auto") return merge;
  const auto = meanDoes ? "mean" : "anticipate";
  if (workers > 1) {
    const reason = meanDoes
      ? "so many rows that what the mean wastes does not matter, and it is cheaper"
      : "sums are steps of all replicas, the mean those of one";
    port.emit({ kind: "calibrated", setting: "merge", value: auto, reason, seconds: 0 });
  }
  return auto;
}

function checkShared({ strategy, step, learn }: TrainSettings): void {
  if (step.name === "adagrad") {
    throw new RangeError(
      `Cannot use --step adagrad with strategy ${strategy} as it keeps a rate for every coordinate: use --strategy serial`,
    );
  }
  if (learn === "gradient") {
    throw new RangeError(
      `Cannot use --learn gradient with strategy ${strategy} as its threads step after every row: use bsp or serial`,
    );
  }
}

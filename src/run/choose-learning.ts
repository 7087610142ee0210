/** How a strategy's workers learn: rows per update, merging and steps, chosen in this order and through each other. */
import { createStepsCounted, featureShares } from "../learner/anticipation.ts";
import type { LearnSample } from "../learner/calibrate.ts";
import type { LearnContext } from "../learner/context.ts";
import { learnByRounds } from "../learner/merged-sample.ts";
import type { Replica } from "../learner/replica.ts";
import { createUpdateRoom } from "../learner/update.ts";
import { type AnyStrategy, type StrategyOptions, strategyOptions } from "../strategies/strategy.ts";
import type { TopologyName } from "../topology/topology.ts";
import { decideStep } from "./choose-solver.ts";
import { criticalBatch, largestEigenvalue } from "./critical-batch.ts";
import type { RunPort } from "./learn-task.ts";
import { type MergeChoice, mergesOf, ruleFor } from "./merge-rule.ts";
import type { StepChoice } from "./schedules.ts";
import type { TrainSettings } from "./settings.ts";
import type { Task } from "./task.ts";

/** Everything chosen. */
export interface LearningChoice {
  readonly options: StrategyOptions;
  readonly step: StepChoice;
  /** Where updates anticipate: share of the training rows that have each feature, in the arena. */
  readonly shares: Float32Array | null;
}

interface LearningQuestion {
  readonly strategy: AnyStrategy;
  readonly workers: number;
  /** Workers there may be later, where more may join. */
  readonly workersMax?: number;
  readonly start: Float32Array | null;
  /** Rates are tried on it; what it held is lost. */
  readonly replica: Replica;
}

/** Chooses, saying what and why. */
export function chooseLearning(
  task: Task,
  context: LearnContext,
  given: LearningQuestion,
  port: RunPort,
): LearningChoice {
  // Owners of columns learn the same rows together, as one worker would.
  const question =
    given.strategy.owns === "columns" ? { ...given, workers: 1, workersMax: 1 } : given;
  const { merge, serialStep } = decideMerge(task, context, question, port);
  const shares = merge.merge === "anticipate" ? sharesOf(task, context) : null;
  const step =
    serialStep ??
    decideStep(task, context, {
      ...question,
      port,
      ...throughMerge(task, context, question, { merge, shares }),
    });
  const topology = decideTopology(task, given, port);
  return { options: optionsOf(task, { ...question, topology }, merge), step, shares };
}

/** Who talks to whom, where the strategy has more than one way. */
function decideTopology(
  { settings }: Task,
  { strategy, workers }: LearningQuestion,
  port: RunPort,
): TopologyName {
  if (settings.topology !== "auto") return settings.topology;
  const usual = strategy.usualTopology?.(workers);
  if (!usual || workers === 1) return strategyOptions().topology;
  const { topology: value, reason } = usual;
  port.emit({ kind: "calibrated", setting: "topology", value, reason, seconds: 0 });
  return value;
}

/** The step is decided first where the rule asks for it: summing as it is depends on how large steps are. */
function decideMerge(
  task: Task,
  context: LearnContext,
  question: LearningQuestion,
  port: RunPort,
): { merge: MergeChoice; serialStep: StepChoice | null } {
  const { settings, trainRows, sample, width } = task;
  const begin = performance.now();
  let serialStep: StepChoice | null = null;
  const merge = ruleFor({
    given: settings,
    learn: learnOf(task, question),
    ...{
      workers: question.workers,
      workersMax: question.workersMax ?? question.workers,
      trainRows,
      merges: mergesOf(question.strategy),
    },
    critical() {
      serialStep = decideStep(task, context, { ...question, port });
      const rate = serialStep.scheduleOf(1).rate(trainRows);
      return criticalBatch({ eigenvalue: largestEigenvalue(context.arena, sample(), width), rate });
    },
  });
  port.emit({
    kind: "calibrated",
    setting: "merge",
    value: `${merge.merge} of ${merge.rowsPerUpdate} rows`,
    reason: merge.reason,
    seconds: (performance.now() - begin) / 1000,
  });
  return { merge, serialStep };
}

/** Columns are learned by gradients of whole batches: margins must be whole before a step is taken. */
function learnOf({ settings }: Task, { strategy }: LearningQuestion): "local" | "gradient" {
  return strategy.owns === "columns" ? "gradient" : settings.learn;
}

function sharesOf({ train, width }: Task, { arena }: LearnContext): Float32Array {
  const shares = arena.allocateF32(width);
  shares.set(featureShares([train], width));
  return shares;
}

/** A rate is tried the way it will be used: by that many workers, merged so. */
function throughMerge(
  task: Task,
  context: LearnContext,
  question: LearningQuestion,
  { merge: choice, shares }: { merge: MergeChoice; shares: Float32Array | null },
): { learn?: LearnSample; merged?: string; rowsPerUpdate: number } {
  const { rowsPerUpdate, merge } = choice;
  if (question.workers === 1) return { rowsPerUpdate };
  const overlap = merge === "anticipate" ? (question.strategy.overlap ?? 1) : 1;
  const workers = overlap * question.workers;
  const room = createUpdateRoom(context, task.width);
  const counted = shares
    ? createStepsCounted(context.arena, () => shares)({ workers, rowsPerUpdate })
    : null;
  const rounds = { workers, rowsPerUpdate, merge, mode: task.settings.learn, counted };
  return {
    rowsPerUpdate,
    merged: `${question.workers} workers merged by ${merge}`,
    learn: (schedule, replica, rows) =>
      learnByRounds(context, schedule, room, replica, rows, rounds),
  };
}

/** What a strategy is told, once rows per update and merging are chosen. */
function optionsOf(
  task: Task,
  question: LearningQuestion & { readonly topology: TopologyName },
  { rowsPerUpdate, merge }: MergeChoice,
): StrategyOptions {
  return strategyOptions({
    ...memberOptions(task.settings),
    ...{ rowsPerUpdate, merge, learn: learnOf(task, question) },
    topology: question.topology,
  });
}

/** What a strategy is told that settings say by themselves. */
export function memberOptions({
  staleness,
  ...settings
}: Pick<
  TrainSettings,
  "staleness" | "servers" | "standby" | "uncapped" | "values" | "topK" | "tolerance"
>) {
  const { servers, standby, uncapped, values, topK, tolerance } = settings;
  const bounds =
    staleness === null ? {} : { staleness: staleness.low, stalenessMax: staleness.high };
  return { servers, standby, uncapped, values, topK, tolerance, ...bounds };
}

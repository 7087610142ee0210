/**
 * Strategies side by side: same data, split, kernels and rules; one row for every strategy, number of workers and
 * seed. On threads the times are this machine's; in the simulator they are virtual, from a model of costs. A run that
 * fails is a row that says so, and nothing is left out.
 */
import type { EngineResult } from "../engines/engine.ts";
import { type Costs, costs, drawSlow } from "../engines/simulator/costs.ts";
import { type FaultsAsked, underFaults } from "../engines/simulator/fault-plan.ts";
import { type Moment, runSimulation } from "../engines/simulator/simulator.ts";
import { loadStrategy, type StrategySource, strategySource } from "../engines/strategy-source.ts";
import { communicatedSeconds, meanStaleness, type Telemetry } from "../engines/telemetry.ts";
import { runThreads } from "../engines/threads/threads.ts";
import {
  createKernelTask,
  describeKernelTask,
  type KernelTaskSpec,
} from "../learner/kernel-task.ts";
import type { Task as EngineTask } from "../learner/learner.ts";
import { createReplica, type Replica as LearnerReplica } from "../learner/replica.ts";
import type { Model } from "../math/replica.ts";
import type { Merge } from "../math/update.ts";
import type { AnyStrategy, StrategyOptions } from "../strategies/strategy.ts";
import { chooseLearning } from "./choose-learning.ts";
import { decideL2 } from "./choose-solver.ts";
import { epochsOf } from "./learn-by-strategy.ts";
import type { RunPort } from "./learn-task.ts";
import type { LoadedDataset } from "./load.ts";
import { parseTrainSettings, type TrainOptions } from "./settings.ts";
import { prepareTask, type Task } from "./task.ts";

/** What to compare. */
export interface ComparisonQuestion {
  /** Built-in names, or paths of a user's own. */
  readonly strategies: readonly string[];
  readonly workers: readonly number[];
  /** Runs of each, with seeds one after the other; 1 without it. */
  readonly repeat?: number;
  /** The validation loss whose time is taken; runs end there. Without it they run all epochs. */
  readonly targetLoss?: number;
  /** Settings of every run, as `train` takes them; strategy and workers are the question's. */
  readonly settings?: TrainOptions;
  readonly engine: "threads" | "simulator";
  /** The simulator's costs; what is not given is a small cluster. */
  readonly costs?: Partial<Costs>;
  /** `{ count: 1, factor: 10 }`: that many members learn that much more slowly, drawn from the seed. */
  readonly slow?: { readonly count: number; readonly factor: number };
  /** The same for links. */
  readonly slowLinks?: { readonly count: number; readonly factor: number };
  /** The simulator: what happens to members and links; or the seed that faults are drawn from. */
  readonly faults?: NonNullable<FaultsAsked["faults"]>;
  readonly faultSeed?: number;
  /** How often the loss is looked at; in lockstep runs a snapshot is judged that often. */
  readonly evaluateEpochs?: number;
}

/** One run. */
export interface ComparisonRow {
  readonly strategy: string;
  readonly engine: "threads" | "simulator";
  readonly workers: number;
  readonly seed: number;
  readonly status: "done" | "failed";
  readonly error: string | null;
  readonly rowsPerUpdate: number | null;
  readonly merge: Merge | null;
  /** When the target loss was first seen; null when it was not, or none was asked for. */
  readonly secondsToTarget: number | null;
  readonly seconds: number;
  readonly epochs: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly objective: number;
  readonly rowsPerSecond: number;
  readonly updates: number;
  readonly messages: number;
  readonly bytes: number;
  /** Mean over applied updates, in updates that came between. */
  readonly staleness: number;
  /** Updates by staleness, without the empty bars behind the last. */
  readonly stalenessHistogram: readonly number[];
  /** Shares of the workers' time. */
  readonly learned: number;
  readonly waited: number;
  readonly communicated: number;
  /** Per worker: seconds learned, waited, communicated, and waited for whom. */
  readonly members: readonly MemberTimes[];
}

/** Where one worker's time went. */
export interface MemberTimes {
  readonly rank: number;
  readonly rows: number;
  readonly learnedSeconds: number;
  readonly waitedSeconds: number;
  readonly communicatedSeconds: number;
  readonly waitedFor: Readonly<Record<number, number>>;
}

/** Runs them one after the other and hands out each row as it is there. */
export async function* compareStrategies(
  dataset: LoadedDataset,
  question: ComparisonQuestion,
): AsyncGenerator<ComparisonRow> {
  const settings = parseTrainSettings(question.settings ?? {});
  const task = prepareTask(dataset, settings, { validation: null, test: null });
  const replica = createReplica(dataset.arena, task.width);
  const l2 = await decideL2(task, replica, quiet);
  for (const count of question.workers) {
    for (const name of question.strategies) {
      const workers = name === "serial" ? 1 : count;
      const run = { task, question, source: strategySource(name), name, workers, replica, l2 };
      let chosen: Chosen | null = null;
      for (let k = 0; k < (question.repeat ?? 1); k++) {
        const seeded = { ...run, seed: settings.seed + k };
        try {
          chosen ??= await choose(run);
          yield await runOne({ ...seeded, ...chosen });
        } catch (error) {
          yield failedRow(seeded, error instanceof Error ? error.message : String(error));
        }
      }
    }
  }
}

const quiet: RunPort = {
  emit: () => {},
  stopping: { requested: false },
  seconds: () => 0,
};

/** A strategy and a number of workers, to be run once for each seed. */
interface Contender {
  readonly task: Task;
  readonly question: ComparisonQuestion;
  readonly source: StrategySource;
  readonly name: string;
  readonly workers: number;
  readonly replica: LearnerReplica;
  readonly l2: number;
}

/** What was chosen for a contender: it does not depend on the seed. */
interface Chosen {
  readonly strategy: AnyStrategy;
  readonly options: StrategyOptions;
  readonly spec: KernelTaskSpec;
}

interface SeededRun extends Contender {
  readonly seed: number;
}

type OneRun = SeededRun & Chosen;

async function choose(run: Contender): Promise<Chosen> {
  const { task, source, workers, replica, l2 } = run;
  const strategy = await loadStrategy(source);
  const context = task.contextOf(l2);
  const asked = { strategy, workers, replica, start: null };
  const { options, step, shares } = chooseLearning(task, context, asked, quiet);
  const spec = describeKernelTask(task.dataset.arena, {
    ...{ width: task.width, loss: task.settings.loss, l2, schedule: step.spec },
    threshold: context.threshold,
    train: task.train,
    judged: task.judged,
    ...(shares ? { shares } : {}),
  });
  return { strategy, options, spec };
}

async function runOne(run: OneRun): Promise<ComparisonRow> {
  const { question, options, strategy } = run;
  const judge = createKernelTask(run.spec);
  const target = createTarget(judge, question.targetLoss);
  const result =
    question.engine === "threads"
      ? await onThreads(run, options, target)
      : await inSimulator(run, { options, strategy, judge }, target);
  return doneRow(run, { options, result, judge, target });
}

/** Remembers when the target was first seen; true then, and the run ends. */
interface Target {
  seconds: number | null;
  reached(model: Model, seconds: number): boolean;
}

function createTarget(judge: EngineTask, loss = Number.NEGATIVE_INFINITY): Target {
  return {
    seconds: null,
    reached(model, seconds) {
      if (loss === Number.NEGATIVE_INFINITY || judge.evaluate(model).loss > loss) return false;
      this.seconds ??= seconds;
      return true;
    },
  };
}

function onThreads(run: OneRun, options: StrategyOptions, target: Target): Promise<EngineResult> {
  const { task, spec, source, workers, seed, question } = run;
  return runThreads({
    ...{ strategy: source, options, workers, seed, task: { kind: "rows", spec } },
    epochs: epochsOf(task.settings),
    observe: {
      everyEpochs: question.evaluateEpochs ?? 0.5,
      at: ({ model, seconds }) => target.reached(model, seconds),
    },
  });
}

async function inSimulator(
  run: OneRun,
  {
    options,
    strategy,
    judge,
  }: { options: StrategyOptions; strategy: AnyStrategy; judge: EngineTask },
  target: Target,
): Promise<EngineResult> {
  const { task, workers, seed, question } = run;
  const members = { workers, seed };
  const priced = costs({
    ...(question.slow ? { slowMembers: drawSlow(question.slow, members) } : {}),
    ...(question.slowLinks ? { slowLinks: drawSlow(question.slowLinks, members) } : {}),
    ...question.costs,
  });
  const epochs = epochsOf(task.settings);
  const result = runSimulation({
    ...{ strategy, options, task: judge, workers, seed, epochs, costs: priced },
    ...underFaults(question, { strategy, options, task: judge, workers, epochs, costs: priced }),
    observe: {
      everyRows: Math.max(1, Math.round((question.evaluateEpochs ?? 0.5) * task.trainRows)),
      at: (moment: Moment) =>
        question.targetLoss !== undefined && target.reached(moment.model(), moment.seconds),
    },
  });
  if (result.deadlock) throw new Error(result.deadlock);
  return result;
}

function doneRow(
  run: OneRun,
  done: { options: StrategyOptions; result: EngineResult; judge: EngineTask; target: Target },
): ComparisonRow {
  const { options, result, judge, target } = done;
  const { telemetry, seconds, model } = result;
  const { loss, accuracy, objective } = judge.evaluate(model);
  if (!Number.isFinite(objective)) throw new RangeError(`diverged: the objective is ${objective}`);
  const rows = sumOf(telemetry, ({ rows: own }) => own);
  return {
    ...{ strategy: run.name, engine: run.question.engine, workers: run.workers, seed: run.seed },
    ...{ status: "done", error: null },
    rowsPerUpdate: options.rowsPerUpdate,
    merge: options.merge,
    secondsToTarget: target.seconds,
    seconds,
    epochs: rows / run.task.trainRows,
    ...{ loss, accuracy, objective },
    rowsPerSecond: rows / seconds,
    updates: sumOf(telemetry, (member) => member.updates),
    messages: sumOf(telemetry, (member) => member.messagesSent),
    bytes: sumOf(telemetry, (member) => member.bytesSent),
    staleness: meanStaleness(telemetry),
    stalenessHistogram: histogramOf(telemetry),
    ...sharesOf(telemetry),
    members: timesOf(telemetry),
  };
}

function failedRow(run: SeededRun, error: string): ComparisonRow {
  return {
    ...{ strategy: run.name, engine: run.question.engine, workers: run.workers, seed: run.seed },
    ...{ status: "failed", error, rowsPerUpdate: null, merge: null, secondsToTarget: null },
    ...{ seconds: NaN, epochs: 0, loss: NaN, accuracy: NaN, objective: NaN, rowsPerSecond: 0 },
    ...{ updates: 0, messages: 0, bytes: 0, staleness: 0, stalenessHistogram: [] },
    ...{ learned: 0, waited: 0, communicated: 0, members: [] },
  };
}

function sumOf({ members }: Telemetry, of: (member: Telemetry["members"][number]) => number) {
  return members.reduce((sum, member) => sum + of(member), 0);
}

function histogramOf({ staleness }: Telemetry): number[] {
  const last = staleness.findLastIndex((count) => count > 0);
  return [...staleness.subarray(0, last + 1)];
}

function timesOf({ members }: Telemetry): MemberTimes[] {
  return members
    .filter(({ role }) => role === "worker")
    .map((member) => ({
      rank: member.rank,
      rows: member.rows,
      learnedSeconds: member.learnedSeconds,
      waitedSeconds: member.waitedSeconds,
      communicatedSeconds: communicatedSeconds(member),
      waitedFor: Object.fromEntries(member.waitedFor),
    }));
}

function sharesOf(telemetry: Telemetry) {
  const times = timesOf(telemetry);
  const sum = (of: (time: MemberTimes) => number) => times.reduce((all, one) => all + of(one), 0);
  const [learned, waited, communicated] = [
    sum((time) => time.learnedSeconds),
    sum((time) => time.waitedSeconds),
    sum((time) => time.communicatedSeconds),
  ];
  const total = Math.max(Number.MIN_VALUE, learned + waited + communicated);
  return {
    learned: learned / total,
    waited: waited / total,
    communicated: communicated / total,
  };
}

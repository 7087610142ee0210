/**
 * Strategies side by side in the simulator: same data, split, kernels and rules; one row for every strategy, number of
 * workers and seed. Times are virtual, from a model of costs; contest.ts does the same on threads. A run that fails is
 * a row that says so, and nothing is left out.
 */
import { type Costs, costs, drawSlow } from "../engines/simulator/costs.ts";
import { type FaultsAsked, underFaults } from "../engines/simulator/fault-plan.ts";
import { faultWords } from "../engines/simulator/fault-schedules.ts";
import type { Fault } from "../engines/simulator/faults.ts";
import {
  type Moment,
  runSimulation,
  type SimulationResult,
} from "../engines/simulator/simulator.ts";
import { loadStrategy, type StrategySource, strategySource } from "../engines/strategy-source.ts";
import { communicatedSeconds, meanStaleness, type Telemetry } from "../engines/telemetry.ts";
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
  /** Costs of learning and of the network; what is not given is a small cluster. */
  readonly costs?: Partial<Costs>;
  /** `{ count: 1, factor: 10 }`: that many members learn that much more slowly, drawn from the seed. */
  readonly slow?: { readonly count: number; readonly factor: number };
  /** The same for links. */
  readonly slowLinks?: { readonly count: number; readonly factor: number };
  /** What happens to members and links; or the seed that faults are drawn from. */
  readonly faults?: NonNullable<FaultsAsked["faults"]>;
  readonly faultSeed?: number;
  /** How often the loss is looked at. */
  readonly evaluateEpochs?: number;
}

/** One run. */
export interface ComparisonRow {
  readonly strategy: string;
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
  /** Why it ended before its epochs were learned, in words; null where it did not. */
  readonly cutShort: string | null;
  /** What happened to members and links, in words. */
  readonly faults: readonly string[];
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
          yield runOne({ ...seeded, ...chosen });
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

function runOne(run: OneRun): ComparisonRow {
  const judge = createKernelTask(run.spec);
  const target = createTarget(judge, run.question.targetLoss);
  const { result, faults } = simulateOne(run, judge, target);
  return doneRow(run, { result, faults, judge, target });
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

function simulateOne(
  { task, workers, seed, question, options, strategy }: OneRun,
  judge: EngineTask,
  target: Target,
): { result: SimulationResult; faults: readonly Fault[] } {
  const members = { workers, seed };
  const priced = costs({
    ...(question.slow ? { slowMembers: drawSlow(question.slow, members) } : {}),
    ...(question.slowLinks ? { slowLinks: drawSlow(question.slowLinks, members) } : {}),
    ...question.costs,
  });
  const epochs = epochsOf(task.settings);
  const plan = { strategy, options, task: judge, workers, epochs, costs: priced };
  const under = underFaults(question, plan);
  const result = runSimulation({
    ...{ ...plan, seed, ...under },
    observe: {
      everyRows: Math.max(1, Math.round((question.evaluateEpochs ?? 0.5) * task.trainRows)),
      at: (moment: Moment) =>
        question.targetLoss !== undefined && target.reached(moment.model(), moment.seconds),
    },
  });
  if (result.deadlock) throw new Error(result.deadlock);
  return { result, faults: under.faults ?? [] };
}

function doneRow(
  run: OneRun,
  done: {
    readonly result: SimulationResult;
    readonly faults: readonly Fault[];
    readonly judge: EngineTask;
    readonly target: Target;
  },
): ComparisonRow {
  const { result, judge, target, faults } = done;
  const { options } = run;
  const { telemetry, seconds, model } = result;
  const { loss, accuracy, objective } = judge.evaluate(model);
  if (!Number.isFinite(objective)) throw new RangeError(`diverged: the objective is ${objective}`);
  const rows = sumOf(telemetry, ({ rows: own }) => own);
  return {
    ...{ strategy: run.name, workers: run.workers, seed: run.seed },
    ...{ status: "done", error: null },
    rowsPerUpdate: options.rowsPerUpdate,
    merge: options.merge,
    secondsToTarget: target.seconds,
    seconds,
    epochs: rows / run.task.trainRows,
    cutShort: target.seconds === null ? whyCutShort(run, result, rows) : null,
    faults: faults.map((fault) => faultWords(fault, result.seats)),
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

/** A run learns less than it was asked to where those that are left can't go on. */
function whyCutShort(
  { task }: OneRun,
  { alive, seats }: SimulationResult,
  rows: number,
): string | null {
  const asked = epochsOf(task.settings);
  const epochs = rows / task.trainRows;
  if (epochs > 0.99 * asked) return null;
  const gone = alive.flatMap((lives, rank) => (lives ? [] : [`${seats[rank]!.role} ${rank}`]));
  const why =
    gone.length === 0
      ? "those that were left had nothing to go on with"
      : `${gone.join(", ")} gone`;
  return `ended after ${epochs.toFixed(2)} of ${asked} epochs: ${why}`;
}

function failedRow(run: SeededRun, error: string): ComparisonRow {
  return {
    ...{ strategy: run.name, workers: run.workers, seed: run.seed },
    ...{ status: "failed", error, rowsPerUpdate: null, merge: null, secondsToTarget: null },
    ...{
      seconds: NaN,
      epochs: 0,
      cutShort: null,
      faults: [],
      loss: NaN,
      accuracy: NaN,
      objective: NaN,
      rowsPerSecond: 0,
    },
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

/** The run loop: choose what is "auto", learn, judge, keep the best, stop, report. */
import { setImmediate } from "node:timers/promises";
import type { LearnContext } from "../learner/context.ts";
import { createReplica } from "../learner/replica.ts";
import {
  createAdagradSolver,
  createOrder,
  createSgdSolver,
  type Solver,
} from "../learner/solver.ts";
import { vectorFromModel } from "../model/model.ts";
import { type BestWeights, createBest } from "./best.ts";
import { chooseL2 } from "./choose-l2.ts";
import type { RunEventBody, StopReason } from "./events.ts";
import type { LoadedDataset } from "./load.ts";
import { outcomeOf } from "./outcome.ts";
import { chooseStep } from "./schedules.ts";
import type { TrainSettings } from "./settings.ts";
import { createHistory, judgeStop, type Verdict } from "./stopping.ts";
import { prepareTask, type Task } from "./task.ts";
import type { TrainExtras, TrainOutcome } from "./train.ts";

/** What the loop needs of its run. */
export interface RunPort {
  readonly emit: (body: RunEventBody) => void;
  readonly stopping: { readonly requested: boolean };
  readonly seconds: () => number;
}

/** Where the time went, in seconds. */
export interface Timing {
  train: number;
  evaluate: number;
}

/** Snapshots an epoch that the average takes in. */
const snapshotsPerEpoch = 16;
/** The loop looks at signals and gives way to other work at least this often. */
const sliceRowsMax = 262_144;
const breathSeconds = 0.02;

/** Times the step may be cut after trouble before the run gives up. */
const restartsMax = 12;
const restartFactor = 1 / 4;
/** A cost this many times the first one, or one that is no number, is divergence. */
const divergenceFactor = 100;

export async function learnTask(
  dataset: LoadedDataset,
  settings: TrainSettings,
  extras: TrainExtras,
  port: RunPort,
): Promise<TrainOutcome> {
  await setImmediate(); // the caller gets its run before any work is done
  const { strategy, engine } = settings;
  port.emit({
    kind: "run-started",
    run: extras.run ?? null,
    strategy,
    engine,
    workers: 1,
    workersReason: extras.workersReason ?? "serial",
  });
  const task = prepareTask(dataset, settings, {
    validation: extras.validation ?? null,
    test: extras.test ?? null,
  });
  const timing: Timing = { train: 0, evaluate: 0 };
  const start = extras.init ? vectorFromModel(extras.init, task.width) : null;
  const { context, solver } = timed(timing, "train", () => chooseSolver(task, start, port));
  const best = createBest(task, context, solver);
  const stopped = await learnUntilStopped(task, context, solver, best, timing, port);
  port.emit({ kind: "stopped", rule: stopped.rule, detail: stopped.detail });
  return outcomeOf(task, context, solver, { best, stopped: stopped.rule, timing, port });
}

function timed<Result>(timing: Timing, what: keyof Timing, work: () => Result): Result {
  const begin = performance.now();
  try {
    return work();
  } finally {
    timing[what] += (performance.now() - begin) / 1000;
  }
}

/** Chooses l2 and the step, saying what and why, and makes the solver. */
function chooseSolver(task: Task, start: Float32Array | null, port: RunPort) {
  const replica = createReplica(task.dataset.arena, task.width);
  const l2 = decideL2(task, replica, port);
  const context = task.contextOf(l2);
  const begin = performance.now();
  const step = chooseStep(context, task.settings.step, {
    rows: task.sample,
    replica,
    start,
    meanSquaredNorm: task.meanSquaredNorm,
    epochRows: task.trainRows,
    workers: 1,
    rowsPerUpdate: task.settings.rowsPerUpdate === "auto" ? 1 : task.settings.rowsPerUpdate,
  });
  if (step.calibrated) {
    const { tries, rows } = step.calibrated;
    port.emit({
      kind: "calibrated",
      setting: "step",
      value: step.text,
      reason: `lowest objective after one pass over ${rows} rows, of ${tries} rates`,
      seconds: (performance.now() - begin) / 1000,
    });
  }
  const order = createOrder(context, task.train, task.settings.seed);
  const common = { order, width: task.width, start };
  const solver =
    task.settings.step.name === "adagrad"
      ? createAdagradSolver(context, { ...common, rate: step.rate })
      : createSgdSolver(context, { ...common, scheduleOf: step.scheduleOf });
  return { context, solver };
}

function decideL2(task: Task, replica: ReturnType<typeof createReplica>, port: RunPort): number {
  const { l2, C } = task.settings;
  const begin = performance.now();
  const say = (value: number, reason: string) =>
    port.emit({
      kind: "calibrated",
      setting: "l2",
      value,
      reason,
      seconds: (performance.now() - begin) / 1000,
    });
  if (C !== null) {
    const value = 1 / (C * task.trainRows);
    say(value, `1/(C * rows) for C ${C} and ${task.trainRows} training rows`);
    return value;
  }
  if (l2 !== "auto") return l2;
  const choice = chooseL2(task, replica);
  say(choice.l2, choice.reason);
  return choice.l2;
}

async function learnUntilStopped(
  task: Task,
  context: LearnContext,
  solver: Solver,
  best: BestWeights,
  timing: Timing,
  port: RunPort,
): Promise<Verdict> {
  const history = createHistory();
  const first = timed(timing, "evaluate", () => best.first());
  const pace = createPace(task, solver);
  let restarts = 0;
  let breath = performance.now();
  for (;;) {
    const due = timed(timing, "train", () => {
      solver.learn(pace.nextSlice());
      best.average(solver.weights());
      return pace.evaluationDue(timing.train);
    });
    const interrupted = port.stopping.requested;
    const late = timeIsUp(task, port);
    if (due || interrupted || late) {
      const judged = timed(timing, "evaluate", () => best.judge(solver.weights()));
      const epoch = solver.rows / solver.epochRows;
      if (!(judged.cost <= divergenceFactor * first.cost)) {
        if (++restarts > restartsMax) throw new Error(hopeless(restarts));
        solver.restart(best.restore(), restartFactor);
        port.emit(divergence(solver, judged.cost));
        continue;
      }
      port.emit({
        kind: "evaluated",
        rows: solver.rows,
        epoch,
        trainSeconds: timing.train,
        loss: task.validation ? judged.loss : null,
        accuracy: task.validation && context.loss.classifies ? judged.accuracy : null,
        objective: task.validation ? null : judged.objective,
        bytes: 0,
        best: judged.best,
      });
      const seconds = port.seconds();
      const verdict = judgeStop(task.settings.stop, history, {
        ...judged,
        epoch,
        seconds,
        gap: null,
      });
      if (verdict) return verdict;
    }
    if (interrupted) return { rule: "interrupted" satisfies StopReason, detail: "asked to stop" };
    if (performance.now() - breath > 1000 * breathSeconds) {
      await setImmediate();
      breath = performance.now();
    }
  }
}

function timeIsUp({ settings }: Task, port: RunPort): boolean {
  if (settings.stop === "auto") return false;
  return settings.stop.some((rule) => rule.rule === "time" && port.seconds() >= rule.seconds);
}

function divergence(solver: Solver, cost: number): RunEventBody {
  return {
    kind: "fault",
    fault: "divergence",
    rank: 0,
    message: `after ${solver.rows} rows the cost is ${cost}: the steps are too large`,
    action: `went back to the last good weights; steps are now ${restartFactor} of what they were`,
  };
}

function hopeless(restarts: number): string {
  return `Training diverged ${restarts} times although its steps were cut to a ${4 ** restarts}th: check the values for outliers (glissade inspect FILE), or scale the rows to unit norm`;
}

/** How many rows to learn before the next snapshot, and when to judge. */
function createPace(task: Task, solver: Solver) {
  const { epochRows } = solver;
  const { evaluateEvery, stop } = task.settings;
  const slice = Math.min(sliceRowsMax, Math.max(1, Math.ceil(epochRows / snapshotsPerEpoch)));
  const rowsMax = rowsOfEpochsRule(stop, epochRows);
  const every =
    evaluateEvery.unit === "seconds"
      ? Number.POSITIVE_INFINITY
      : Math.max(
          1,
          Math.round(evaluateEvery.every * (evaluateEvery.unit === "epochs" ? epochRows : 1)),
        );
  let judgedSeconds = 0;
  return {
    nextSlice(): number {
      const toEvaluation =
        every === Number.POSITIVE_INFINITY ? slice : every - (solver.rows % every);
      return Math.max(1, Math.min(slice, toEvaluation, rowsMax - solver.rows));
    },
    evaluationDue(trainSeconds: number): boolean {
      if (solver.rows >= rowsMax || solver.rows % every === 0) return true;
      if (evaluateEvery.unit !== "seconds") return false;
      if (trainSeconds - judgedSeconds < evaluateEvery.every) return false;
      judgedSeconds = trainSeconds;
      return true;
    },
  };
}

function rowsOfEpochsRule(stop: TrainSettings["stop"], epochRows: number): number {
  if (stop === "auto") return Number.POSITIVE_INFINITY;
  const rule = stop.find((one) => one.rule === "epochs");
  return rule ? Math.max(1, Math.ceil(rule.epochs * epochRows)) : Number.POSITIVE_INFINITY;
}

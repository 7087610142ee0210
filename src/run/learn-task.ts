/** The run loop: choose what is "auto", learn, judge, keep the best, stop, report. */
import { setImmediate } from "node:timers/promises";
import type { ThreadPool } from "../engines/shared/pool.ts";
import type { LearnContext, SumTogether } from "../learner/context.ts";
import type { Certificate } from "../learner/sdca.ts";
import type { Solver } from "../learner/solver.ts";
import { vectorFromModel } from "../model/model.ts";
import { type BestWeights, createBest, type JudgedPair } from "./best.ts";
import { createBreathe } from "./breath.ts";
import { certificationDue, gapDefault, isDualAscent } from "./certify.ts";
import { type AnySolver, announceRun, chooseSolver, fewPassesDo } from "./choose-solver.ts";
import { collisionsOf } from "./collisions.ts";
import { diverged } from "./divergence.ts";
import type { RunEventBody } from "./events.ts";
import { createKeeper, type Keeper } from "./keeper.ts";
import type { LoadedDataset } from "./load.ts";
import { outcomeOf, totalsOfOne } from "./outcome.ts";
import { type RunChoice, type RunState, refusesState } from "./run-state.ts";
import type { TrainSettings } from "./settings.ts";
import {
  autoStopOfAscent,
  autoStopOfSteps,
  createHistory,
  judgeStop,
  type StopHistory,
  type StopRules,
  type Verdict,
} from "./stopping.ts";
import { prepareTask, type Task } from "./task.ts";
import { exchangesMessages, type RunThreads, startThreads } from "./threads.ts";
import type { TrainExtras, TrainOutcome } from "./train.ts";

/** What the loop needs of its run. */
export interface RunPort {
  readonly emit: (body: RunEventBody) => void;
  readonly stopping: { readonly requested: boolean };
  readonly seconds: () => number;
}

/** What the end of a run is made from. */
export interface JudgedRun {
  readonly task: Task;
  readonly context: LearnContext;
  readonly solver: Pick<Solver, "name" | "epochRows" | "rows">;
  readonly best: BestWeights;
  readonly timing: Timing;
  readonly port: RunPort;
}

/** A run's parts, once everything is chosen. */
interface RunParts extends JudgedRun {
  readonly solver: AnySolver;
  readonly choice: RunChoice;
  readonly workers: number;
}

/** Where the time went, in seconds. */
export interface Timing {
  train: number;
  evaluate: number;
}

/** Snapshots an epoch that the average takes in. */
const snapshotsPerEpoch = 16;
/** The loop looks at signals at least this often. */
const sliceRowsMax = 262_144;

/** Times the step may be cut after trouble before the run gives up. */
const restartsMax = 12;
const restartFactor = 1 / 4;
/** A loss this many times that of no weights at all, or one that is no number, is divergence. */
const divergenceFactor = 2;

export async function learnTask(
  dataset: LoadedDataset,
  settings: TrainSettings,
  extras: TrainExtras,
  outer: RunPort,
): Promise<TrainOutcome> {
  // Seconds count from the first start of a run, however often it was taken up again.
  const before = extras.checkpointing?.resume?.seconds.run ?? 0;
  const port: RunPort = { ...outer, seconds: () => before + outer.seconds() };
  await setImmediate(); // the caller gets its run before any work is done
  const threads = await startThreads(settings, dataset, {
    reason: extras.workersReason,
    team: extras.checkpointing?.resume?.choice.team ?? null,
  });
  try {
    return await learnWith(threads, dataset, settings, extras, port);
  } finally {
    await threads.pool?.[Symbol.asyncDispose]();
  }
}

async function learnWith(
  threads: RunThreads,
  dataset: LoadedDataset,
  settings: TrainSettings,
  extras: TrainExtras,
  port: RunPort,
): Promise<TrainOutcome> {
  const { pool } = threads;
  const task = prepareTask(dataset, settings, {
    validation: extras.validation ?? null,
    test: extras.test ?? null,
    run: extras.run ?? null,
    sumTogether: pool && (await judgingBy(pool)),
  });
  if (threads.workers) {
    const { count, reason } = threads.workers;
    announceRun(task, { strategy: settings.strategy, workers: count, reason }, port);
  }
  const timing: Timing = { train: 0, evaluate: 0 };
  const start = extras.init ? vectorFromModel(extras.init, dataset.width) : null;
  if (exchangesMessages(settings)) {
    // Engines and strategies are thirty files, which serial learning does not wait for.
    const { learnByStrategy } = await import("./learn-by-strategy.ts");
    const workers = threads.workers!.count;
    const { checkpointing = null, cluster = null } = extras;
    if (checkpointing?.resume)
      checkState(checkpointing.resume, { data: dataset.fingerprint, workers });
    return learnByStrategy(task, start, { workers, place: cluster, checkpointing }, port);
  }
  const { checkpointing = null } = extras;
  const state = checkpointing?.resume ?? null;
  if (state) {
    const workers = threads.workers?.count ?? state.workers;
    checkState(state, { data: dataset.fingerprint, workers });
  }
  const begin = performance.now();
  const chosen = await chooseSolver(task, { start, port, threads, chosen: state?.choice ?? null });
  timing.train += (performance.now() - begin) / 1000;
  const { context, solver, workers } = chosen;
  if (workers > 1) await pool?.ready();
  const best = createBest(chosen.task, context, solver);
  const parts: RunParts = { ...chosen, best, timing, port };
  const keeper = createKeeper(checkpointing, port);
  const ending = await learnUntilStopped(parts, keeper, state);
  await keeper.settled();
  port.emit({ kind: "stopped", rule: ending.rule, detail: ending.detail });
  const collisions = collisionsOf(task, solver.collisions?.() ?? null);
  return outcomeOf(parts, ending, { ...totalsOfOne, workers, collisions });
}

async function judgingBy(pool: ThreadPool): Promise<SumTogether> {
  const { createSumTogether } = await import("../engines/shared/judging.ts");
  return createSumTogether(pool);
}

function timed<Result>(timing: Timing, what: keyof Timing, work: () => Result): Result {
  const begin = performance.now();
  try {
    return work();
  } finally {
    timing[what] += (performance.now() - begin) / 1000;
  }
}

/** Why a run ended, and the best dual value proved on the way, which no objective can be below. */
export interface Ending extends Verdict {
  readonly dual: number | null;
}

function stopRulesOf({ task, context, solver }: RunParts): StopRules {
  const { stop } = task.settings;
  if (stop !== "auto") return { rules: stop, gain: null };
  if (isDualAscent(solver)) return autoStopOfAscent(gapDefault);
  return autoStopOfSteps({ fewPasses: fewPassesDo(task, context.l2) });
}

/** What the loop carries from one evaluation to the next. */
interface Course {
  readonly history: StopHistory;
  readonly rules: StopRules;
  /** A loss above this is divergence. */
  readonly lossMax: number;
  dual: number | null;
  restarts: number;
}

async function learnUntilStopped(
  parts: RunParts,
  keeper: Keeper,
  state: RunState | null,
): Promise<Ending> {
  const { task, solver, best, timing, port } = parts;
  const course = state ? resumeCourse(parts, state) : beginCourse(parts);
  const pace = createPace(task, solver);
  const breathe = createBreathe();
  for (;;) {
    const due = timed(timing, "train", () => {
      solver.learn(pace.nextSlice());
      best.average(solver.weights());
      return pace.evaluationDue(timing.train);
    });
    const interrupted = port.stopping.requested;
    // Taken before a judgement that an uninterrupted run would not have made.
    if (interrupted && !due) await keeper.keepNow(stateOf(parts, course));
    if (due || interrupted || timeIsUp(task, port)) {
      const verdict = evaluate(parts, course, pace.isOver());
      if (verdict) return { ...verdict, dual: course.dual };
    }
    if (interrupted) {
      if (due) await keeper.keepNow(stateOf(parts, course));
      return { rule: "interrupted", detail: "asked to stop", dual: course.dual };
    }
    keeper.keep(() => stateOf(parts, course), { evaluated: due });
    await breathe();
  }
}

function beginCourse(parts: RunParts): Course {
  const { best, timing } = parts;
  const firstLoss = timed(timing, "evaluate", () => best.firstLoss());
  return {
    history: createHistory(),
    rules: stopRulesOf(parts),
    lossMax: divergenceFactor * firstLoss,
    dual: null,
    restarts: 0,
  };
}

function resumeCourse(parts: RunParts, state: RunState): Course {
  const { solver, best, timing } = parts;
  const { lossMax, dual, restarts } = state.course;
  solver.resume(state.solver);
  best.resume(state.best);
  timing.train += state.seconds.train;
  timing.evaluate += state.seconds.evaluate;
  const history = structuredClone(state.course.history);
  return { history, rules: stopRulesOf(parts), lossMax, dual, restarts };
}

function stateOf(parts: RunParts, course: Course): RunState {
  const { task, solver, best, timing, port, choice, workers } = parts;
  const { history, lossMax, dual, restarts } = course;
  return {
    data: task.dataset.fingerprint,
    workers,
    choice,
    solver: solver.state(),
    best: best.state(),
    course: { history: structuredClone(history), lossMax, dual, restarts },
    seconds: { train: timing.train, evaluate: timing.evaluate, run: port.seconds() },
  };
}

function checkState(state: RunState, run: { data: string; workers: number }): void {
  const why = refusesState(state, run);
  if (why !== null) throw new RangeError(`Cannot resume the run as ${why}`);
}

/** Judges the present weights; says whether a rule ends the run, or takes trouble back. */
function evaluate(parts: RunParts, course: Course, isLast: boolean): Verdict | null {
  const { task, context, solver, best, timing, port } = parts;
  const proof = timed(timing, "evaluate", () => certifyPass(solver, isLast));
  if (proof) course.dual = Math.max(course.dual ?? Number.NEGATIVE_INFINITY, proof.dual);
  const judged = timed(timing, "evaluate", () =>
    proof && !task.validation ? judgedByProof(proof) : best.judge(solver.weights()),
  );
  const epoch = solver.rows / solver.epochRows;
  if (!(judged.loss <= course.lossMax && Number.isFinite(judged.cost))) {
    if (++course.restarts > restartsMax) return diverged(best, hopeless(course.restarts));
    solver.restart(best.restore(), restartFactor);
    port.emit(divergence(solver, judged.loss));
    return null;
  }
  const isBest = best.keep(solver.weights(), judged);
  port.emit({
    kind: "evaluated",
    rows: solver.rows,
    epoch,
    trainSeconds: timing.train,
    loss: task.validation ? judged.loss : null,
    accuracy: task.validation && context.loss.classifies ? judged.accuracy : null,
    objective: task.validation ? null : judged.objective,
    bytes: 0,
    best: isBest,
  });
  const standing = { ...judged, epoch, seconds: port.seconds(), gap: proof?.relative ?? null };
  return judgeStop(course.rules, course.history, standing);
}

/** A proof over all training rows is a judgement too, where no validation rows ask for another. */
function judgedByProof({ objective, loss, accuracy }: Certificate): JudgedPair {
  return { objective, loss, accuracy, cost: objective, ofAverage: false };
}

/** Dual ascent proves its weights every few passes, and at the end; null where there is nothing new to prove. */
function certifyPass(solver: AnySolver, isLast: boolean): Certificate | null {
  if (!isDualAscent(solver)) return null;
  const epochs = solver.rows / solver.epochRows;
  // Weights that are proved are judged over all rows, others over a sample: the last must compare with the proved.
  const isDue = isLast || (Number.isInteger(epochs) && certificationDue(epochs));
  return isDue ? solver.certify() : null;
}

function timeIsUp({ settings }: Task, port: RunPort): boolean {
  if (settings.stop === "auto") return false;
  return settings.stop.some((rule) => rule.rule === "time" && port.seconds() >= rule.seconds);
}

function divergence(solver: Solver, loss: number): RunEventBody {
  return {
    kind: "fault",
    fault: "divergence",
    rank: 0,
    message: `after ${solver.rows} rows the loss is ${loss}: the steps are too large`,
    action: `went back to the last good weights; steps are now ${restartFactor} of what they were`,
  };
}

function hopeless(restarts: number): string {
  return `training diverged ${restarts} times although its steps were cut to a ${4 ** restarts}th: check the values for outliers (glissade inspect FILE), or scale the rows to unit norm`;
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
  // Dual ascent without validation rows is judged where it is proved: no other judgement is asked for.
  const onlyProofs = solver.name === "sdca" && !task.validation && stop === "auto";
  let judgedSeconds = 0;
  return {
    nextSlice(): number {
      const toEvaluation =
        every === Number.POSITIVE_INFINITY ? slice : every - (solver.rows % every);
      return Math.max(1, Math.min(slice, toEvaluation, rowsMax - solver.rows));
    },
    /** Whether the rule on epochs ends the run here. */
    isOver: () => solver.rows >= rowsMax,
    evaluationDue(trainSeconds: number): boolean {
      if (solver.rows >= rowsMax) return true;
      if (solver.rows % every === 0)
        return !onlyProofs || certificationDue(solver.rows / epochRows);
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

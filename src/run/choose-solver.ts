/** Which solver learns, by a stated rule, and the solver itself. */
import type { KernelTeam, ThreadPool } from "../engines/shared/pool.ts";
import { createAdagradSolver } from "../learner/adagrad.ts";
import type { LearnSample } from "../learner/calibrate.ts";
import type { LearnContext } from "../learner/context.ts";
import { createOrder } from "../learner/order.ts";
import { createReplica, type Replica } from "../learner/replica.ts";
import { createSdcaSolver, type SdcaSolver } from "../learner/sdca.ts";
import { learnInPlace } from "../learner/sgd.ts";
import { createSgdSolver, createUpdateSolver, type Solver } from "../learner/solver.ts";
import { createUpdateRoom, learnByUpdates } from "../learner/update.ts";
import { chooseL2 } from "./choose-l2.ts";
import { chooseTeam, type Team } from "./choose-team.ts";
import type { RunPort } from "./learn-task.ts";
import { usableCores } from "./machine.ts";
import type { RunChoice } from "./run-state.ts";
import { chooseStep, type StepChoice } from "./schedules.ts";
import { autoStrategy } from "./strategy-names.ts";
import type { Task } from "./task.ts";
import { isSharedStrategy, type RunThreads } from "./threads.ts";

export type AnySolver = Solver | SdcaSolver;

/**
 * One pass of SGD with `optimal` steps ends about 1/(2 * lambda * n) * E||slope*x||^2 above the optimum, so where
 * rows * l2 / mean ||x||^2 is at least this, one or two passes come within 0.1 to 0.2 % (measured on the twin, where
 * it is 78: 0.15 and 0.05 %); below it, dual ascent gets there in fewer passes (2.3 on the RCV1 subset: 8 passes
 * against more than 20).
 */
const sgdRowsTimesL2Min = 30;

/** A run's problem, with all that was chosen. */
export interface Chosen {
  /** With the strategy that was chosen among its settings. */
  readonly task: Task;
  readonly context: LearnContext;
  readonly solver: AnySolver;
  readonly choice: RunChoice;
  readonly workers: number;
}

export interface ChooseOptions {
  readonly start: Float32Array | null;
  readonly port: RunPort;
  readonly threads: RunThreads;
  /** What was chosen before, where a run goes on. */
  readonly chosen?: RunChoice | null;
}

/** Chooses l2, solver, who learns, and step, saying what and why. */
export async function chooseSolver(
  given: Task,
  { start, port, threads, chosen = null }: ChooseOptions,
): Promise<Chosen> {
  const replica = createReplica(given.dataset.arena, given.width);
  const l2 = chosen?.l2 ?? (await decideL2(given, replica, port));
  const kind = chosen?.solver ?? decideSolver(given, l2, port);
  const { task, workers, team } = decideTeam(given, { l2, kind, port, threads, chosen });
  const context = task.contextOf(l2);
  const learners = learnersOf(task, workers, threads.pool);
  if (kind === "sdca") {
    const solver = await createAscent(task, context, learners);
    return { task, context, solver, workers, choice: { l2, solver: kind, rate: null, team } };
  }
  const question = { start, replica, port, workers };
  const step = decideStep(task, context, { ...question, chosen: chosen?.rate ?? null });
  const solver = await createSteppingSolver(task, context, { ...question, step }, learners);
  return { task, context, solver, workers, choice: { l2, solver: kind, rate: step.rate, team } };
}

/** Who learns: as given, as before, or by the rule. */
function decideTeam(
  task: Task,
  question: Pick<ChooseOptions, "port" | "threads" | "chosen"> & {
    l2: number;
    kind: "sgd" | "sdca";
  },
): { task: Task; workers: number; team: Team | null } {
  const { l2, kind, port, threads, chosen } = question;
  const { settings } = task;
  if (threads.workers) return { task, workers: threads.workers.count, team: null };
  const bytes = task.store.parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const size = sizeOf(task, l2);
  const team =
    chosen?.team ?? chooseTeam({ settings, solver: kind, bytes, size, cores: usableCores() });
  const { strategy, workers, reason } = team;
  announceRun(task, { strategy, workers, reason }, port);
  return { task: { ...task, settings: { ...settings, strategy } }, workers, team };
}

/** The first event of a run, once it is known who learns. */
export function announceRun(
  { settings, run }: Pick<Task, "settings" | "run">,
  { strategy, workers, reason }: { strategy: string; workers: number; reason: string },
  port: RunPort,
): void {
  const { engine } = settings;
  port.emit({ kind: "run-started", run, strategy, engine, workers, workersReason: reason });
}

/** The threads that learn, where more than a plain loop does. */
function learnersOf(
  { settings }: Task,
  workers: number,
  pool: ThreadPool | null,
): KernelTeam | null {
  const shares = isSharedStrategy(settings.strategy) || settings.decay === "touched";
  return shares && pool ? pool.team(workers) : null;
}

/** Why dual ascent can't do what is asked, in words; null when it can. */
export function refusesSdca({ settings }: Task, l2: number): string | null {
  if (!(l2 > 0)) return "it needs --l2 above 0";
  if (settings.init !== null) return "it starts from its own dual variables, not from --init";
  if (settings.step.name !== "auto") return "it takes no --step";
  if (settings.learn !== "local") return "it takes no --learn gradient";
  if (![autoStrategy, "serial", "replicas"].includes(settings.strategy)) {
    return `strategy ${settings.strategy} exchanges steps, which it does not take`;
  }
  return null;
}

function decideSolver(task: Task, l2: number, port: RunPort): "sgd" | "sdca" {
  const { solver, stop, rowsPerUpdate } = task.settings;
  const why = refusesSdca(task, l2);
  const gapAsked = stop !== "auto" && stop.some(({ rule }) => rule === "gap");
  if (solver === "sdca" || gapAsked) {
    if (why === null && (solver !== "sgd" || !gapAsked)) return "sdca";
    const asked = gapAsked ? "--stop gap" : "--solver sdca";
    throw new RangeError(`Cannot use ${asked} as ${why ?? "only --solver sdca proves a gap"}`);
  }
  if (solver === "sgd" || why !== null || rowsPerUpdate !== "auto") return "sgd";
  const { value, reason } = ruleForSolver(task, l2);
  port.emit({ kind: "calibrated", setting: "solver", value, reason, seconds: 0 });
  return value;
}

/** rows * l2 / mean ||x||^2: how far one pass of SGD comes. */
function sizeOf(task: Task, l2: number): number {
  return (task.trainRows * l2) / task.meanSquaredNorm;
}

/** Whether one or two passes of SGD come close enough to the optimum. */
export function fewPassesDo(task: Task, l2: number): boolean {
  return sizeOf(task, l2) >= sgdRowsTimesL2Min;
}

function ruleForSolver(task: Task, l2: number): { value: "sgd" | "sdca"; reason: string } {
  if (task.settings.l2 === "auto" && task.validation) {
    return { value: "sgd", reason: "l2 was chosen by what a few passes of sgd reach" };
  }
  const size = sizeOf(task, l2);
  const measure = `rows * l2 / mean ||x||^2 is ${Number(size.toPrecision(2))}`;
  if (fewPassesDo(task, l2)) {
    return { value: "sgd", reason: `${measure}, at least ${sgdRowsTimesL2Min}: a few passes do` };
  }
  return {
    value: "sdca",
    reason: `${measure}, below ${sgdRowsTimesL2Min}: steps need many passes`,
  };
}

/** Chooses the step, saying what and why. */
export function decideStep(
  task: Task,
  context: LearnContext,
  { start, replica, port, workers, chosen = null, ...how }: StepQuestion,
): StepChoice {
  const { settings } = task;
  const begin = performance.now();
  const step = chooseStep(context, settings.step, {
    rows: task.sample,
    replica,
    start,
    learn: how.learn ?? learnSampleOf(task, context),
    merged: how.merged !== undefined,
    meanSquaredNorm: task.meanSquaredNorm,
    epochRows: task.trainRows,
    workers,
    rowsPerUpdate: how.rowsPerUpdate ?? rowsPerUpdateOf(task),
    chosen,
  });
  if (step.calibrated) {
    const { tries, rows } = step.calibrated;
    port.emit({
      kind: "calibrated",
      setting: "step",
      value: step.text,
      reason: how.merged
        ? `smallest near the lowest objective after one pass of ${how.merged} over ${rows} rows, of ${tries} rates`
        : `lowest objective after one pass over ${rows} rows, of ${tries} rates`,
      seconds: (performance.now() - begin) / 1000,
    });
  }
  return step;
}

async function createAscent(
  task: Task,
  context: LearnContext,
  pool: KernelTeam | null,
): Promise<SdcaSolver> {
  const { store, width, settings } = task;
  const { seed } = settings;
  if (!pool) return createSdcaSolver(context, { store, width, seed });
  const { createAscentSteps } = await import("./choose-shared.ts");
  const stepper = createAscentSteps(context, pool, settings, { width, epochRows: store.rows });
  return createSdcaSolver(context, { store, width, seed, stepper });
}

interface StepQuestion {
  readonly start: Float32Array | null;
  /** Rates are tried on it; what it held is lost. */
  readonly replica: Replica;
  readonly port: RunPort;
  readonly workers: number;
  /** A rate that was chosen before. */
  readonly chosen?: number | null;
  /** How the sample is learned where not by one worker alone, who that is, and rows of an update. */
  readonly learn?: LearnSample;
  readonly merged?: string;
  readonly rowsPerUpdate?: number;
}

async function createSteppingSolver(
  task: Task,
  context: LearnContext,
  { start, port, step }: StepQuestion & { step: StepChoice },
  pool: KernelTeam | null,
): Promise<Solver> {
  const { settings, width } = task;
  const order = createOrder(context.arena, task.store, {
    seed: settings.seed,
    kernels: context.kernels,
  });
  if (pool) {
    const { store } = task;
    const meanDoes = sizeOf(task, context.l2) >= sgdRowsTimesL2Min * pool.workers;
    const options = { order, width, start, scheduleOf: step.scheduleOf, port, store, meanDoes };
    const { createSharedSolver } = await import("./choose-shared.ts");
    return createSharedSolver(context, pool, settings, options);
  }
  if (settings.step.name === "adagrad") {
    return createAdagradSolver(context, { order, width, start, rate: step.rate });
  }
  const { scheduleOf } = step;
  if (learnsInPlace(task)) {
    return createSgdSolver(context, { order, width, start, scheduleOf });
  }
  const rowsPerUpdate = rowsPerUpdateOf(task);
  const { learn } = settings;
  return createUpdateSolver(context, { order, width, start, scheduleOf, rowsPerUpdate, learn });
}

/** Nothing was said of updates: rows change the weights themselves, which is the fast path. */
function learnsInPlace({ settings }: Task): boolean {
  if (isSharedStrategy(settings.strategy)) return true;
  return settings.rowsPerUpdate === "auto" && settings.learn === "local";
}

function rowsPerUpdateOf(task: Task): number {
  const { rowsPerUpdate } = task.settings;
  if (rowsPerUpdate !== "auto") return rowsPerUpdate;
  return learnsInPlace(task) ? 1 : batchRows;
}

function learnSampleOf(task: Task, context: LearnContext): LearnSample {
  if (learnsInPlace(task)) {
    return (schedule, replica, rows) => learnInPlace(context, schedule, replica, rows);
  }
  const room = createUpdateRoom(context, task.width);
  const how = { mode: task.settings.learn, rowsPerUpdate: rowsPerUpdateOf(task) };
  return (schedule, replica, rows) => learnByUpdates(context, schedule, room, replica, rows, how);
}

/** Rows of a mini-batch of `--learn gradient` where none are given: 1.4 % above the optimum on the RCV1 subset. */
const batchRows = 100;

/** Chooses l2 where it is not given, saying what and why. */
export async function decideL2(task: Task, replica: Replica, port: RunPort): Promise<number> {
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
  const choice = await chooseL2(task, replica, port.stopping);
  say(choice.l2, choice.reason);
  return choice.l2;
}

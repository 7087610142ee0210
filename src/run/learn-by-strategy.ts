/**
 * Learning by a strategy that exchanges messages: the engine runs the members, this judges the snapshots it
 * hands over, off the members' path, keeps the best, and says when to stop.
 */
import { resolve } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { ClusterError } from "../engines/cluster/cluster-error.ts";
import type { JudgedSoFar } from "../engines/cluster/judge.ts";
import type { SharedRows } from "../engines/cluster/shared-rows.ts";
import { spareWorkersMax } from "../engines/cluster/spare-seats.ts";
import type { EngineResult, Resumption } from "../engines/engine.ts";
import { loadStrategy, strategySource } from "../engines/strategy-source.ts";
import { createTelemetry, type Telemetry } from "../engines/telemetry.ts";
import type { Snapshot } from "../engines/threads/threads.ts";
import type { LearnContext } from "../learner/context.ts";
import { describeKernelTask } from "../learner/kernel-task.ts";
import { createReplica } from "../learner/replica.ts";
import type { Weights } from "../learner/solver.ts";
import type { Model } from "../math/replica.ts";
import type { Schedule } from "../model/schedule.ts";
import type { AnyStrategy, StrategyOptions } from "../strategies/strategy.ts";
import { type BestWeights, createBest, type JudgedPair } from "./best.ts";
import { chooseLearning } from "./choose-learning.ts";
import { decideL2, fewPassesDo } from "./choose-solver.ts";
import { diverged } from "./divergence.ts";
import type { Evaluated, MembersSummary } from "./events.ts";
import { createKeeper, type Keeper } from "./keeper.ts";
import type { Ending, RunPort, Timing } from "./learn-task.ts";
import { modelFacts, outcomeOf } from "./outcome.ts";
import { type ClusterPlace, runOnEngine } from "./run-on-engine.ts";
import type { Checkpointing, RunState } from "./run-state.ts";
import { refuseDecay, refuseDecayed } from "./scale-limit.ts";
import type { TrainSettings } from "./settings.ts";
import {
  autoStopOfSteps,
  createHistory,
  judgeStop,
  type StopHistory,
  type Verdict,
} from "./stopping.ts";
import type { Task } from "./task.ts";
import type { TrainOutcome } from "./train.ts";

const epochsMax = 1e6;
const epochsAuto = 30;

export async function learnByStrategy(
  task: Task,
  start: Float32Array | null,
  {
    workers,
    place,
    checkpointing,
  }: { workers: number; place: ClusterPlace | null; checkpointing: Checkpointing | null },
  port: RunPort,
): Promise<TrainOutcome> {
  const { settings } = task;
  refuseStreamed(task);
  const timing: Timing = { train: 0, evaluate: 0 };
  const source = strategySource(settings.strategy);
  const strategy = await loadStrategy(source);
  const replica = createReplica(task.dataset.arena, task.width);
  const state = checkpointing?.resume ?? null;
  const context = task.contextOf(state?.choice.l2 ?? (await decideL2(task, replica, port)));
  const team = { workers, workersMax: workersMaxOf(workers, place) };
  const question = { ...team, strategy, start, replica };
  const { options, step, shares } = chooseLearning(task, context, question, port);
  refuseLongRun(task, { schedule: step.scheduleOf(1), strategy, options, workers });
  const keeper = createKeeper(checkpointing, port);
  const [began, schedule] = [port.seconds(), step.scheduleOf(1)];
  const watched = { task, context, schedule, timing, port, workers, keeper, began };
  const watcher = createWatcher(watched, state);
  const abort = new AbortController();
  const asked = setInterval(() => port.stopping.requested && abort.abort(), 50);
  const plan = {
    strategy: source,
    options,
    workers,
    seed: settings.seed,
    epochs: epochsOf(settings),
    task: {
      kind: "rows" as const,
      spec: describeKernelTask(task.dataset.arena, {
        ...{ width: task.width, loss: settings.loss, l2: context.l2, schedule: step.spec },
        threshold: context.threshold,
        train: task.train,
        judged: task.judged,
        ...(shares ? { shares } : {}),
      }),
    },
    model: modelFacts(task, context),
    ...sharedOf(task),
    ...timeLeft(settings, began),
    ...(start ? { initial: { rows: 0, values: start } } : {}),
    ...(state ? { resume: resumptionOf(state) } : {}),
    observe: observerOf(task, watcher),
    signal: abort.signal,
  };
  const result = await runOnEngine(plan, { engine: settings.engine, place }, port)
    .catch((error) => withoutMembers(error, watcher, port))
    .finally(() => clearInterval(asked));
  await keeper.settled();
  const ending = watcher.end(result);
  timing.train += result.seconds;
  port.emit({ kind: "stopped", rule: ending.rule, detail: ending.detail });
  const solver = {
    name: "sgd" as const,
    epochRows: task.trainRows,
    rows: watcher.rowsOf(result),
  };
  const parts = { task, context, solver, best: watcher.best, timing, port };
  return outcomeOf(parts, ending, { workers, collisions: null, ...totalsOf(result) });
}

/**
 * What a run came to whose members were told to go with it, as when a whole group of processes is terminated: nobody
 * has the model of its end, the one that was judged last is there.
 * @throws the error of any other run, once what was judged is in a checkpoint to go on from
 */
async function withoutMembers(
  error: unknown,
  watcher: Pick<ReturnType<typeof createWatcher>, "lastJudged" | "keepLast">,
  port: RunPort,
): Promise<EngineResult> {
  // The signal came to all of them, and their going may be heard of before it.
  await nextTurn();
  const judged = watcher.lastJudged();
  if (judged === null || !isTheirGoing(error, port.stopping)) {
    if (!(error instanceof RangeError)) await watcher.keepLast();
    throw error;
  }
  const message = `the members went before they had sent the model of the end (${error.message})`;
  const action = "the best of those that were judged is kept";
  port.emit({ kind: "fault", fault: "member-lost", rank: null, message, action });
  return judged;
}

/** Whether members that were asked to end are why there is no model; a fault of ours is no less one after a signal. */
function isTheirGoing(error: unknown, { requested }: RunPort["stopping"]): error is Error {
  if (error instanceof ClusterError) return requested || error.isAsked;
  // By its name, as its module brings gRPC with it.
  return requested && error instanceof Error && error.name === "CallError";
}

/** Who sees the run's models. */
function observerOf(task: Task, watcher: Pick<Watcher, "judge" | "standing">) {
  const at = (snapshot: Snapshot) => watcher.judge(snapshot);
  return { everyEpochs: everyEpochs(task), at, standing: () => watcher.standing() };
}

/** What the run judges models by, of the last one and the best so far. */
function judgedSoFar(
  { validation }: Task,
  judged: JudgedPair,
  before: JudgedSoFar | null,
): JudgedSoFar {
  const loss = validation ? judged.loss : judged.objective;
  const bestLoss = Math.min(loss, before?.bestLoss ?? Number.POSITIVE_INFINITY);
  return { loss, bestLoss, lossOf: validation ? "validation loss" : "objective" };
}

/** Workers there may be while the run goes: who is started by the run itself is joined by nobody else. */
function workersMaxOf(workers: number, place: ClusterPlace | null): number {
  return place?.launch === null ? workers + spareWorkersMax(workers) : workers;
}

/** Where members that run elsewhere may find the rows by themselves. */
function sharedOf({ dataset, settings, split, store }: Task): { shared?: SharedRows } {
  const { file, width } = dataset;
  if (file === null) return {};
  const trainRows = store.parts.map(({ rows }) => rows);
  const constantColumn = settings.bias ? width : null;
  const path = resolve(file.path);
  return { shared: { ...file, path, split, trainRows, constantColumn } };
}

/** Refuses what is known to decay too far; rules other than epochs end a run where nobody knows yet. */
function refuseLongRun(
  { settings, trainRows }: Task,
  run: { schedule: Schedule; strategy: AnyStrategy; options: StrategyOptions; workers: number },
): void {
  const { schedule, strategy, options, workers } = run;
  const epochs = epochsOf(settings);
  if (epochs === epochsMax) return;
  // Where means are taken T counts the rows of one worker.
  const share = strategy.conserves(options) === "mean" ? workers : 1;
  refuseDecay(schedule, (epochs * trainRows) / share, settings.strategy);
}

/** @throws RangeError where the rows are not all in memory. */
function refuseStreamed({ settings, train }: Task): void {
  if (train.length > 0) return;
  throw new RangeError(
    `Cannot use --strategy ${settings.strategy} as the rows must fit in memory: give more --memory, or --strategy serial`,
  );
}

interface Watched {
  readonly task: Task;
  readonly context: LearnContext;
  readonly schedule: Schedule;
  readonly timing: Timing;
  readonly port: RunPort;
  readonly workers: number;
  readonly keeper: Keeper;
  /** Seconds of the run when it came to the engine: what that waits for members is no time of the run. */
  readonly began: number;
}

type Watcher = ReturnType<typeof createWatcher>;

/** Judges snapshots as they come, keeps the best, and leaves checkpoints; goes on from a state. */
function createWatcher(watched: Watched, state: RunState | null) {
  const { task, context, schedule, timing, port, keeper, began } = watched;
  const room = context.arena.allocateF32(task.width).fill(0);
  let scale = 1;
  const weights = (): Weights => ({ address: room.byteOffset, scale, width: task.width });
  const best: BestWeights = createBest(task, context, { name: "sgd", weights });
  const firstLoss = state?.course.lossMax ?? best.firstLoss();
  const history = state ? structuredClone(state.course.history) : createHistory();
  let verdict = state?.verdict ?? null;
  let lastRows = state?.solver.numbers.rows ?? 0;
  let last: Snapshot | null = null;
  let standing: JudgedSoFar | null = null;
  if (state) best.resume(state.best);
  timing.train += state?.seconds.train ?? 0;
  timing.evaluate += state?.seconds.evaluate ?? 0;
  const take = ({ model, rows, seconds, bytes }: Omit<Snapshot, "number">): Verdict | null => {
    refuseDecayed(schedule, model.rows, task.settings.strategy);
    room.set(model.values);
    scale = Math.exp(schedule.logScale(model.rows));
    best.average(weights());
    const judged = best.judge(weights());
    if (!(judged.loss <= 2 * firstLoss && Number.isFinite(judged.cost))) {
      return diverged(best, tooLarge(task, rows, judged.loss));
    }
    lastRows = rows;
    standing = judgedSoFar(task, judged, standing);
    const epoch = rows / task.trainRows;
    const at = { rows, epoch, trainSeconds: timing.train + seconds, bytes };
    port.emit(evaluated(watched, judged, { ...at, best: best.keep(weights(), judged) }));
    const moment = { epoch, seconds: began + seconds, gap: null };
    return judgeStop(rulesOf(task, context), history, { ...judged, ...moment });
  };
  const stateAt = (snapshot: Snapshot): RunState =>
    stateOf(watched, snapshot, { best, history, firstLoss, verdict });
  const rowsIn = ({ telemetry, rowsBefore = 0 }: EngineResult) => rowsBefore + rowsOf(telemetry);
  return {
    best,
    rowsOf: rowsIn,
    /** True when a rule ends the run. */
    judge(snapshot: Snapshot): boolean {
      const begin = performance.now();
      verdict ??= take(snapshot);
      timing.evaluate += (performance.now() - begin) / 1000;
      // No run goes on from weights that ran away: the checkpoint before stays the newest.
      if (verdict?.rule === "diverged") return true;
      last = snapshot;
      keeper.keep(() => stateAt(snapshot), { evaluated: true });
      return verdict !== null;
    },
    standing: () => standing,
    /** Of a cluster that failed: what was judged last is not lost with it. */
    async keepLast(): Promise<void> {
      if (task.settings.engine === "cluster" && last) await keeper.keepNow(stateAt(last));
    },
    lastJudged: () => (task.settings.engine === "cluster" && last ? resultAt(last) : null),
    end(result: EngineResult): Ending {
      const { model, seconds } = result;
      const rows = rowsIn(result);
      const bytes = totalsOf(result).bytes.sent;
      const isNew = rows > lastRows && verdict?.rule !== "diverged";
      const last = isNew ? take({ model, rows, seconds, bytes }) : null;
      return port.stopping.requested
        ? { rule: "interrupted", detail: "asked to stop", dual: null }
        : endingOf(result, { verdict, last });
    },
  };
}

/** A judgement as an event: of validation rows loss and accuracy, of training rows the objective. */
function evaluated(
  { task: { validation }, context }: Watched,
  { loss, accuracy, objective }: JudgedPair,
  at: Pick<Evaluated, "rows" | "epoch" | "trainSeconds" | "bytes" | "best">,
): Evaluated {
  return {
    ...{ kind: "evaluated", ...at },
    loss: validation ? loss : null,
    accuracy: validation && context.loss.classifies ? accuracy : null,
    objective: validation ? null : objective,
  };
}

/** Why a run is over that no signal ended: `last` is the verdict on its last model. */
function endingOf(
  { isStopped, endedEarly = null }: EngineResult,
  { verdict, last }: { readonly verdict: Verdict | null; readonly last: Verdict | null },
): Ending {
  if (verdict === null) {
    if (isStopped) return { rule: "interrupted", detail: "asked to stop", dual: null };
    if (endedEarly !== null) return { rule: "interrupted", detail: endedEarly, dual: null };
  }
  const all = { rule: "epochs", detail: "all epochs learned" } as const;
  return { ...(verdict ?? last ?? all), dual: null };
}

function rulesOf(task: Task, { l2 }: LearnContext) {
  const { stop } = task.settings;
  const isAuto = stop === "auto";
  return isAuto
    ? autoStopOfSteps({ fewPasses: fewPassesDo(task, l2) })
    : { rules: stop, gain: null };
}

/** As if a run on a cluster had ended with that snapshot. */
function resultAt({ model, models = [model], seconds, rows }: Snapshot): EngineResult {
  const none = { seats: [], apart: 0, telemetry: createTelemetry([]) };
  return { model, replicas: models, ...none, seconds, rowsBefore: rows, isStopped: true };
}

interface Course {
  readonly best: BestWeights;
  readonly history: StopHistory;
  readonly firstLoss: number;
  readonly verdict: Verdict | null;
}

/** Everything that learning on after a judged snapshot depends on. */
function stateOf(watched: Watched, snapshot: Snapshot, course: Course): RunState {
  const { task, context, timing, workers, began } = watched;
  const { number, round = 0, rows, seconds, model, models = [model] } = snapshot;
  const { best, history, firstLoss, verdict } = course;
  const exact = Number(snapshot.isWhole ?? round > 0);
  const numbers: Record<string, number> = { number, round, rows, models: models.length, exact };
  const vectors: Record<string, Float32Array> = {};
  models.forEach((one, rank) => {
    numbers[`rows.${rank}`] = one.rows;
    vectors[`model.${rank}`] = one.values;
  });
  return {
    data: task.dataset.fingerprint,
    workers,
    choice: { l2: context.l2, solver: "sgd", rate: null, team: null },
    solver: { numbers, vectors },
    best: best.state(),
    course: { history: structuredClone(history), lossMax: firstLoss, dual: null, restarts: 0 },
    verdict,
    seconds: {
      train: timing.train + seconds,
      evaluate: timing.evaluate,
      run: began + seconds,
    },
  };
}

/** The snapshot of a state, for the engine. */
function resumptionOf({ solver, verdict }: RunState): Resumption {
  const { numbers, vectors } = solver;
  const models = Array.from({ length: numbers.models! }, (_, rank): Model => {
    return { rows: numbers[`rows.${rank}`]!, values: vectors[`model.${rank}`]! };
  });
  const { number, round, rows } = numbers as { number: number; round: number; rows: number };
  return { number, round, rows, models, ends: (verdict ?? null) !== null };
}

function tooLarge({ settings }: Task, rows: number, loss: number): string {
  return `training by ${settings.strategy} diverged: after ${rows} rows the loss is ${loss}. Fewer --rows-per-update, --merge anticipate, or a smaller --step help; --strategy serial finds its way back by itself`;
}

export function epochsOf({ stop }: TrainSettings): number {
  if (stop === "auto") return epochsAuto;
  const rule = stop.find((one) => one.rule === "epochs");
  return rule?.rule === "epochs" ? rule.epochs : epochsMax;
}

/** Seconds of learning after which a rule of time ends the run, of which so many are over. */
function timeLeft({ stop }: TrainSettings, over: number): { secondsMax?: number } {
  const rule = stop === "auto" ? undefined : stop.find((one) => one.rule === "time");
  if (rule?.rule !== "time") return {};
  return { secondsMax: rule.seconds - over };
}

function everyEpochs({ settings, trainRows }: Task): number {
  const { every, unit } = settings.evaluateEvery;
  if (unit === "epochs") return every;
  return unit === "rows" ? every / trainRows : 1;
}

function rowsOf({ members }: Telemetry): number {
  return members.reduce((sum, { rows }) => sum + rows, 0);
}

function totalsOf({ telemetry, apart, workers }: EngineResult) {
  const sum = (of: (member: Telemetry["members"][number]) => number) =>
    telemetry.members.reduce((total, member) => total + of(member), 0);
  const [sent, bytes] = [sum(({ updates }) => updates), sum(({ bytesSent }) => bytesSent)];
  const members: MembersSummary = {
    messages: sum(({ messagesSent }) => messagesSent),
    learnedSeconds: sum(({ learnedSeconds }) => learnedSeconds),
    waitedSeconds: sum(({ waitedSeconds }) => waitedSeconds),
    staleness: stalenessOf(telemetry),
    apart,
  };
  const updates = { sent, applied: sent, lost: 0 };
  const perUpdate = bytes > 0 && sent > 0 ? bytes / sent : null;
  const came = workers === undefined ? {} : { workers };
  return { ...came, updates, members, bytes: { sent: bytes, received: bytes, perUpdate } };
}

/** Bar i of the histogram counts updates that were i updates stale. */
function stalenessOf({ staleness }: Telemetry): MembersSummary["staleness"] {
  let [updates, sum, max] = [0, 0, 0];
  staleness.forEach((count, stale) => {
    updates += count;
    sum += count * stale;
    if (count > 0) max = stale;
  });
  return { mean: updates > 0 ? sum / updates : 0, max };
}

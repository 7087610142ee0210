/**
 * The engine `threads`: each member in its own worker thread (servers of rounds live with a worker, see `threadsOf`),
 * its replica in WebAssembly memory where the task says so, messages through bounded mailboxes in shared memory. This thread only starts the members, judges
 * their snapshots (so evaluation is never on a member's path) and puts the result together.
 */
import { Worker } from "node:worker_threads";
import { type Model, type Replica, replicaOver } from "../../math/replica.ts";
import { builtUrl } from "../built-url.ts";
import {
  type EngineResult,
  type Resumption,
  type RunPlan,
  refusalOf,
  seatsOf,
  type Unsupported,
} from "../engine.ts";
import { snapshotUpdates } from "../member-host.ts";
import { distanceApart, type HeldReplica, resultModel } from "../result.ts";
import { loadStrategy, type StrategySource } from "../strategy-source.ts";
import { createTask, type TaskSpec } from "../task-spec.ts";
import { createTelemetry, mergeTelemetry } from "../telemetry.ts";
import {
  bytesOf,
  type Control,
  closeGate,
  controlBytes,
  countVerdict,
  limitUpdates,
  resumeControl,
  sleepingOf,
  start,
  updatesAgreed,
  viewControl,
} from "./control.ts";
import type { MemberMessage, ThreadJob } from "./job.ts";
import { type Mailbox, mailboxBytes, signalOf, viewMailbox, wake } from "./mailbox.ts";

/** What the engine takes: the plan of any engine, with task and strategy as data. */
export interface ThreadsPlan extends Omit<RunPlan, "strategy" | "task"> {
  readonly strategy: StrategySource;
  readonly task: TaskSpec;
  /** Called with a model every so many epochs, off the members' path; true stops the run. */
  readonly observe?: {
    readonly everyEpochs: number;
    readonly at: (snapshot: Snapshot) => boolean | Promise<boolean>;
  };
  /** The snapshot to go on from. */
  readonly resume?: Resumption;
  /** Aborting it ends the run: in lockstep after the round that is open. */
  readonly signal?: AbortSignal;
}

/** The model as it was after an epoch. */
export interface Snapshot {
  readonly number: number;
  readonly rows: number;
  readonly seconds: number;
  /** Sent by all members until then. */
  readonly bytes: number;
  readonly model: Model;
  /** What a checkpoint needs beside: rounds done, in lockstep, and the models of members that differ, by rank. */
  readonly round?: number;
  readonly models?: readonly Model[];
  /** Whether those are all that going on exactly as before takes; where it is not said: in lockstep. */
  readonly isWhole?: boolean;
}

/** Seconds without any sign of life, while every member sleeps, after which a run counts as stuck. */
const stuckSecondsMax = 5;

/** Why this engine can't run a strategy, as data; null when it can. */
export async function threadsSupports(plan: ThreadsPlan): Promise<Unsupported | null> {
  const strategy = await loadStrategy(plan.strategy);
  return refusalOf({ ...plan, strategy, task: createTask(plan.task) });
}

/**
 * Runs a plan on threads.
 * @throws RangeError when the strategy refuses the plan.
 */
export async function runThreads(plan: ThreadsPlan): Promise<EngineResult> {
  const strategy = await loadStrategy(plan.strategy);
  const full = { ...plan, strategy, task: createTask(plan.task) };
  const refused = refusalOf(full);
  if (refused) throw new RangeError(`Cannot run ${strategy.name} on threads: ${refused.reason}`);
  const crew = startCrew(plan, full);
  try {
    return await conduct(crew, plan);
  } finally {
    await Promise.all(crew.threads.map((thread) => thread.terminate()));
  }
}

interface Crew {
  /** Snapshots being judged: members may all wait for a verdict meanwhile. */
  judging: number;
  readonly full: RunPlan;
  readonly seats: readonly HeldSeat[];
  readonly control: Control;
  readonly boxes: readonly Mailbox[];
  readonly threads: readonly Worker[];
  readonly origin: number;
}

type HeldSeat = HeldReplica["seat"];

function startCrew(plan: ThreadsPlan, full: RunPlan): Crew {
  const seats = seatsOf(full);
  const members = seats.length;
  // Room for a whole model from each of a few members at once; more wait for their turn.
  const bytesMax = Math.max(1 << 16, (4 * full.task.width + 1024) * Math.min(members, 8));
  const shape = { members, bytesMax };
  const control = new SharedArrayBuffer(controlBytes);
  const mailboxes = new SharedArrayBuffer(mailboxBytes(shape) * members);
  const origin = performance.timeOrigin + performance.now();
  const { options, workers, seed, epochs } = plan;
  const entry = builtUrl("member", import.meta.url);
  const threads = threadsOf(seats, full.strategy.pace);
  const workersOf = [...new Set(threads)].map((thread) => {
    const job: ThreadJob = {
      ...{
        thread,
        threads,
        seats,
        options,
        workers,
        seed,
        epochs,
        shape,
        control,
        mailboxes,
        origin,
      },
      strategy: plan.strategy,
      task: plan.task,
      initial: plan.initial ?? null,
      resume: plan.resume ?? null,
      snapshotEpochs: plan.observe?.everyEpochs ?? 0,
    };
    return new Worker(entry, { workerData: job });
  });
  const boxes = threads.map((bell, rank) => viewMailbox(mailboxes, shape, { rank, bell }));
  return {
    ...{ judging: 0, full, seats, control: viewControl(control), boxes, origin },
    threads: workersOf,
  };
}

/**
 * Of each rank the thread that hosts it. Servers of a strategy in lockstep live with a worker: they have nothing to do
 * before the round's last update is in, and a thread of their own would take a core from a worker just when a
 * round begins (docs/decisions.md). Others must answer while workers learn.
 */
function threadsOf(seats: readonly HeldSeat[], pace: "lockstep" | "free"): number[] {
  const workers = seats.filter(({ role }) => role === "worker").length;
  const together = pace === "lockstep" && workers > 0;
  return seats.map(({ role }, rank) => (together && role === "server" ? rank % workers : rank));
}

interface Progress {
  ready: number;
  done: number;
  beganSeconds: number;
  readonly models: (Model | null)[];
  /** Snapshots of one number, by rank, until all that are due are here. */
  readonly snapshots: Map<number, Map<number, Model>>;
  readonly result: EngineResult["telemetry"];
}

function conduct(crew: Crew, plan: ThreadsPlan): Promise<EngineResult> {
  const progress: Progress = {
    ready: 0,
    done: 0,
    beganSeconds: 0,
    models: crew.seats.map(() => null),
    snapshots: new Map(),
    result: createTelemetry(crew.seats.map(({ role }) => role)),
  };
  return new Promise((resolve, reject) => {
    const watch = watchForLife(crew, reject);
    const abort = () => stopAtOnce(crew);
    plan.signal?.addEventListener("abort", abort);
    const settle = () => {
      clearInterval(watch);
      plan.signal?.removeEventListener("abort", abort);
    };
    for (const thread of crew.threads) {
      thread.on("error", (error) => {
        settle();
        reject(error);
      });
      thread.on("message", (message: MemberMessage) => {
        absorb(crew, plan, progress, message).then((result) => {
          if (result === null) return;
          settle();
          resolve(result);
        }, reject);
      });
    }
  });
}

function stopAtOnce({ control, boxes }: Crew): void {
  closeGate(control);
  for (const box of boxes) wake(box);
}

async function absorb(
  crew: Crew,
  plan: ThreadsPlan,
  progress: Progress,
  message: MemberMessage,
): Promise<EngineResult | null> {
  switch (message.kind) {
    case "ready":
      if (++progress.ready < crew.threads.length) return null;
      if (plan.signal?.aborted) stopAtOnce(crew);
      if (plan.resume) goOn(crew, plan, plan.resume);
      progress.beganSeconds = secondsOf(crew);
      start(crew.control);
      return null;
    case "snapshot":
      crew.judging++;
      await judge(crew, plan, progress, message);
      crew.judging--;
      return null;
    case "done":
      progress.models[message.rank] = message.model;
      mergeTelemetry(progress.result, message.telemetry);
      return ++progress.done === crew.seats.length
        ? { ...resultOf(crew, progress), rowsBefore: plan.resume?.rows ?? 0 }
        : null;
    default:
      return message satisfies never;
  }
}

/** The snapshot to go on from was judged; a verdict to stop takes effect where it would have. */
function goOn({ control }: Crew, plan: ThreadsPlan, resume: Resumption): void {
  resumeControl(control, resume);
  if (!resume.ends) return;
  const every = snapshotUpdates(plan.observe!.everyEpochs, updatesAgreed(control));
  limitUpdates(control, (resume.number + 1) * every);
}

function secondsOf({ origin }: Crew): number {
  return (performance.timeOrigin + performance.now() - origin) / 1000;
}

/** Judges a snapshot once every worker that hands one out has done so. */
async function judge(
  crew: Crew,
  plan: ThreadsPlan,
  progress: Progress,
  { rank, number, rows, round, model }: MemberMessage & { kind: "snapshot" },
): Promise<void> {
  const { strategy, options, workers, task } = crew.full;
  const onlyWorkers = crew.seats.every(({ role }) => role === "worker");
  const means = strategy.conserves(options) === "mean" || strategy.owns === "columns";
  const differ = strategy.pace === "lockstep" && means;
  const due = differ && onlyWorkers ? workers : 1;
  const models = progress.snapshots.get(number) ?? new Map<number, Model>();
  progress.snapshots.set(number, models.set(rank, model));
  if (models.size < due) return;
  progress.snapshots.delete(number);
  const seconds = secondsOf(crew) - progress.beganSeconds;
  const mean = due === 1 ? model : resultModel(heldBy(crew, models), task.width);
  const bytes = bytesOf(crew.control);
  const parts = due === 1 ? [model] : crew.seats.map((_, of) => models.get(of)!);
  if (await plan.observe!.at({ number, rows, round, seconds, bytes, model: mean, models: parts })) {
    // The verdict takes effect after the epoch that is being learned; only then may it be counted.
    const every = snapshotUpdates(plan.observe!.everyEpochs, updatesAgreed(crew.control));
    limitUpdates(crew.control, (number + 1) * every);
  }
  countVerdict(crew.control);
  for (const box of crew.boxes) wake(box);
}

function heldBy({ seats, full }: Crew, models: ReadonlyMap<number, Model>): HeldReplica[] {
  const { scale } = full.task.createReplica(0);
  return seats.flatMap((seat, rank) => {
    const model = models.get(rank);
    if (!model) return [];
    const replica: Replica = replicaOver(model.values, scale);
    replica.rows = model.rows;
    return [{ seat, replica }];
  });
}

function resultOf(crew: Crew, progress: Progress): EngineResult {
  const models = progress.models.map((model) => model!);
  const held = heldBy(crew, new Map(models.map((model, rank) => [rank, model])));
  const model = resultModel(held, crew.full.task.width);
  const telemetry = progress.result;
  for (const member of telemetry.members) {
    member.finishedSeconds = Math.max(0, member.finishedSeconds - progress.beganSeconds);
  }
  const seconds = Math.max(...telemetry.members.map((member) => member.finishedSeconds));
  const apart = distanceApart(held, model);
  return { model, replicas: models, seats: crew.seats, apart, seconds, telemetry };
}

/** Rejects when all members sleep and no mailbox has moved for a while: they wait for each other. */
function watchForLife(crew: Crew, reject: (error: Error) => void) {
  const { control, boxes, seats, threads } = crew;
  let lastSignals = -1;
  let quiet = 0;
  const watch = setInterval(() => {
    const signals = boxes.reduce((sum, box) => sum + signalOf(box), 0);
    const asleep = sleepingOf(control) === threads.length && crew.judging === 0;
    quiet = asleep && signals === lastSignals ? quiet + 1 : 0;
    lastSignals = signals;
    if (quiet < stuckSecondsMax) return;
    clearInterval(watch);
    reject(new Error(`Deadlock: all ${seats.length} members wait for each other's messages`));
  }, 1000);
  watch.unref();
  return watch;
}

/**
 * A member in its thread: delivers what is in its mailbox, learns when asked to, sleeps when there is nothing
 * to do. Messages go first, then what could not be sent before, then learning; so an answer to `learn` is
 * held back until all messages have left (back-pressure), while messages are still delivered.
 */
import {
  type Cursor,
  createCursor,
  nextSpan,
  type RowSpan,
  updatesPerEpoch,
} from "../../learner/cursor.ts";
import type { ColumnLearner, Learner, Task } from "../../learner/learner.ts";
import type { Model, Replica } from "../../math/replica.ts";
import type { Update } from "../../math/update.ts";
import type { AnyStrategy, Effect, NodeEvent } from "../../strategies/strategy.ts";
import { frameBytes, readFrame } from "../../wire/frame.ts";
import {
  countDrop,
  countWait,
  createTelemetry,
  foldReport,
  type MemberTelemetry,
  type Telemetry,
} from "../telemetry.ts";
import {
  type Control,
  claimRows,
  countFinished,
  countSleeping,
  finishedOf,
  mayLearn,
  offerUpdates,
  updatesAgreed,
  verdictsOf,
  viewControl,
} from "./control.ts";
import type { MemberJob, MemberMessage } from "./job.ts";
import {
  type Mailbox,
  mailboxBytes,
  post,
  receive,
  release,
  signalOf,
  sleep,
  viewMailbox,
  wake,
} from "./mailbox.ts";

/** A member's thread. */
export interface ThreadMember {
  readonly job: MemberJob;
  readonly strategy: AnyStrategy;
  readonly task: Task;
  readonly control: Control;
  readonly boxes: readonly Mailbox[];
  readonly replica: Replica;
  readonly learner: Learner | null;
  /** Instead of a learner, where strategies own columns; and the rows predicted last. */
  readonly columns: ColumnLearner | null;
  span: RowSpan | null;
  readonly state: unknown;
  readonly effects: Effect<unknown>[];
  /** Messages that found no room, by receiver, in order. */
  readonly unsent: Map<number, object[]>;
  readonly telemetry: Telemetry;
  readonly counts: MemberTelemetry;
  readonly tell: (message: MemberMessage) => void;
  cursor: Cursor | null;
  learn: (Effect<unknown> & { kind: "learn" | "predict" | "adjust" }) | null;
  wakeAt: number;
  finished: boolean;
  /** Finished, and nothing left to send. */
  gone: boolean;
  snapshots: number;
  /** Since when the member has had nothing to do; for whom it waited is known when it learns again. */
  idleSince: number;
  lastFrom: number;
}

/** Makes the member; others must be ready too before it runs. */
export function createMember(
  job: MemberJob,
  strategy: AnyStrategy,
  task: Task,
  tell: (message: MemberMessage) => void,
): ThreadMember {
  const { rank, seats, options, workers, seed, initial } = job;
  const { role, range } = seats[rank]!;
  const control = viewControl(job.control);
  const replica = task.createReplica(range.to - range.from);
  if (initial) {
    replica.load({ rows: initial.rows, values: initial.values.slice(range.from, range.to) });
  }
  const byColumns = strategy.owns === "columns";
  const seat = { rank, workers, seed };
  const learner = role === "worker" && !byColumns ? task.createLearner(seat) : null;
  const columns = byColumns ? task.createColumnLearner!({ ...seat, range }) : null;
  const owner = learner ?? columns;
  if (owner) offerUpdates(control, updatesPerEpoch(owner.rows, options.rowsPerUpdate));
  const members = seats.length;
  const place = { rank, incarnation: 1, role, workers, members, width: task.width, range, seed };
  const telemetry = createTelemetry(seats.map((seat) => seat.role));
  const length = mailboxBytes(job.shape);
  return {
    job,
    strategy,
    task,
    control,
    boxes: seats.map((_, k) => viewMailbox(job.mailboxes, k * length, job.shape)),
    replica,
    learner,
    columns,
    span: null,
    state: strategy.init(place, options),
    effects: [],
    unsent: new Map(),
    telemetry,
    counts: telemetry.members[rank]!,
    tell,
    cursor: null,
    learn: null,
    wakeAt: Number.POSITIVE_INFINITY,
    finished: false,
    gone: false,
    snapshots: 0,
    idleSince: 0,
    lastFrom: -1,
  };
}

/** Runs the member until everybody's part is over. */
export function runMember(member: ThreadMember): { model: Model; telemetry: Telemetry } {
  const { job, strategy, control, boxes } = member;
  const { rowsPerUpdate } = job.options;
  const learner = member.learner ?? member.columns;
  const lockstep = strategy.pace === "lockstep" ? { updates: updatesAgreed(control) } : {};
  if (learner) member.cursor = createCursor({ rows: learner.rows, rowsPerUpdate, ...lockstep });
  const own = boxes[job.rank]!;
  deliver(member, { kind: "start", now: nowOf(member) });
  while (!(member.finished && finishedOf(control) === boxes.length)) {
    const seen = signalOf(own);
    sendUnsent(member);
    if (deliverMessage(member, own) || deliverWake(member) || learnNext(member)) continue;
    if (finishedOf(control) < boxes.length) rest(member, own, seen);
  }
  return { model: member.replica.snapshot(), telemetry: member.telemetry };
}

/** Sleeps until woken, or until the time the strategy asked for; only the former can be for ever. */
function rest({ control, wakeAt, finished, ...member }: ThreadMember, own: Mailbox, seen: number) {
  if (wakeAt < Number.POSITIVE_INFINITY && !finished) {
    return sleep(own, seen, Math.max(0, 1000 * (wakeAt - nowOf(member))));
  }
  countSleeping(control, 1);
  sleep(own, seen);
  countSleeping(control, -1);
}

function nowOf({ job }: Pick<ThreadMember, "job">): number {
  return (performance.timeOrigin + performance.now() - job.origin) / 1000;
}

function deliver(member: ThreadMember, event: NodeEvent<unknown>): void {
  const { strategy, state, replica, effects } = member;
  strategy.step(state, replica, event, effects);
  for (let i = 0; i < effects.length; i++) carryOut(member, effects[i]!);
  effects.length = 0;
}

function deliverMessage(member: ThreadMember, own: Mailbox): boolean {
  const received = receive(own);
  if (received === null) return false;
  const { from } = received;
  const read = readFrame(received.bytes);
  for (const rank of release(own)) wake(member.boxes[rank]!);
  if ("fault" in read) countDrop(member.telemetry, read.fault);
  else if (member.finished) countDrop(member.telemetry, "member has finished");
  else {
    member.lastFrom = from;
    deliver(member, { kind: "message", now: nowOf(member), from, body: read.body });
  }
  return true;
}

function deliverWake(member: ThreadMember): boolean {
  const now = nowOf(member);
  if (member.finished || now < member.wakeAt) return false;
  member.wakeAt = Number.POSITIVE_INFINITY;
  deliver(member, { kind: "wake", now });
  return true;
}

function carryOut(member: ThreadMember, effect: Effect<unknown>): void {
  switch (effect.kind) {
    case "learn":
    case "predict":
    case "adjust":
      if (member.learn) throw new Error(`Member ${member.job.rank} asked to learn twice at once`);
      member.learn = effect;
      return;
    case "send":
      return send(member, effect.to, effect.body as object);
    case "wake":
      member.wakeAt = nowOf(member) + effect.after;
      return;
    case "report":
      return foldReport(member.telemetry, effect.report);
    case "drop":
      return countDrop(member.telemetry, effect.reason);
    case "finish":
      return finish(member);
    default:
      effect satisfies never;
  }
}

function finish(member: ThreadMember): void {
  member.finished = true;
  member.counts.finishedSeconds = nowOf(member);
}

function send(member: ThreadMember, to: number, body: object): void {
  member.counts.messagesSent++;
  member.counts.bytesSent += frameBytes(body);
  const waiting = member.unsent.get(to);
  if (waiting) waiting.push(body);
  else if (!post(member.boxes[to]!, member.job.rank, body)) member.unsent.set(to, [body]);
}

/** Tries again what found no room; counts the member as finished once all has left. */
function sendUnsent(member: ThreadMember): void {
  const { unsent, boxes, job, control } = member;
  for (const [to, bodies] of unsent) {
    while (bodies.length > 0 && post(boxes[to]!, job.rank, bodies[0]!)) bodies.shift();
    if (bodies.length === 0) unsent.delete(to);
  }
  if (!member.finished || unsent.size > 0 || member.gone) return;
  member.gone = true;
  if (countFinished(control) === boxes.length) for (const box of boxes) wake(box);
}

/** Learns the open request's rows, unless messages wait to be sent or a verdict is missing. */
function learnNext(member: ThreadMember): boolean {
  const { learn, cursor, unsent } = member;
  if (!learn || unsent.size > 0) return false;
  if (!cursor) throw new Error(`Member ${member.job.rank} is no worker`);
  const began = nowOf(member);
  // The slopes are those of rows claimed when they were predicted.
  const claim = learn.kind === "adjust" ? "learn" : claimNext(member, cursor);
  if (claim === "later") return false;
  member.learn = null;
  if (claim === "exhausted") {
    deliver(member, { kind: "exhausted", now: began });
    return true;
  }
  countIdle(member, began);
  if (learn.kind !== "adjust") member.span = nextSpan(cursor);
  const answer = answerOf(member, learn);
  const now = nowOf(member);
  member.counts.learnedSeconds += now - began;
  member.idleSince = now;
  if (answer.kind === "learned") countLearned(member, answer.update.rows);
  deliver(member, { ...answer, now });
  return true;
}

type Answer =
  | { readonly kind: "learned"; readonly update: Update }
  | { readonly kind: "predicted"; readonly rows: number; readonly margins: Float32Array };

/** Does the work of a learn, predict or adjust on the claimed rows. */
function answerOf(
  { learner, columns, replica, span }: ThreadMember,
  learn: NonNullable<ThreadMember["learn"]>,
): Answer {
  switch (learn.kind) {
    case "learn":
      return { kind: "learned", update: learner!.learn(replica, span!, learn) };
    case "predict":
      return {
        kind: "predicted",
        rows: span!.to - span!.from,
        margins: columns!.predict(replica, span!),
      };
    default:
      return { kind: "learned", update: columns!.adjust(replica, span!, learn.margins) };
  }
}

/** Owners of columns learn the same rows together: they count once. */
function countLearned({ counts, columns, job }: ThreadMember, rows: number): void {
  counts.updates++;
  if (columns === null || job.rank === 0) counts.rows += rows;
}

/** Idle time between peers is counted for who ended it; servers tell themselves whom they waited for. */
function countIdle(member: ThreadMember, now: number): void {
  const { lastFrom, counts, idleSince, job } = member;
  if (lastFrom >= 0 && job.seats[lastFrom]!.role === "worker") {
    countWait(counts, lastFrom, now - idleSince);
  }
  member.lastFrom = -1;
}

function claimNext(member: ThreadMember, cursor: Cursor): "learn" | "later" | "exhausted" {
  const { strategy, job, control, task } = member;
  if (strategy.pace === "free") {
    const part = cursor.taken % cursor.updates;
    const rows = partRows(cursor, part);
    const before = claimRows(control, rows, job.epochs * task.rows);
    if (before < 0) return "exhausted";
    snapshotFree(member, { before, after: before + rows });
    return "learn";
  }
  const k = cursor.taken + 1;
  const every = snapshotUpdates(job.snapshotEpochs, cursor.updates);
  const due = every > 0 ? Math.floor((k - 1) / every) : 0;
  if (due > member.snapshots && (k - 1) % every === 0) snapshotRound(member, due);
  // The verdict on snapshot e takes effect at e + 1, which waits for it: same seed, same bits.
  if (every > 0 && (k - 1) % every === 0 && verdictsOf(control) < due - 1) return "later";
  return k <= Math.ceil(job.epochs * cursor.updates) && mayLearn(control, k)
    ? "learn"
    : "exhausted";
}

/** Updates between two snapshots in lockstep: whole, at least one; 0 for none. */
export function snapshotUpdates(epochs: number, updates: number): number {
  return epochs === 0 ? 0 : Math.max(1, Math.round(epochs * updates));
}

function partRows({ rows, updates }: Cursor, part: number): number {
  return Math.floor(((part + 1) * rows) / updates) - Math.floor((part * rows) / updates);
}

/** Free pace: whoever claims the first row of an epoch hands out the model it has. */
function snapshotFree(member: ThreadMember, { before, after }: { before: number; after: number }) {
  const every = member.job.snapshotEpochs * member.task.rows;
  if (every === 0) return;
  const number = Math.floor(after / every);
  if (number > Math.floor(before / every)) tellSnapshot(member, number, before);
}

/** Lockstep: after the same round on every worker; one is enough where all hold the same model. */
function snapshotRound(member: ThreadMember, number: number): void {
  const { job, strategy, task } = member;
  member.snapshots = number;
  const means = strategy.conserves(job.options) === "mean" || strategy.owns === "columns";
  const differ = means && job.seats.every(({ role }) => role === "worker");
  if (differ || job.rank === 0)
    tellSnapshot(member, number, number * job.snapshotEpochs * task.rows);
}

function tellSnapshot(member: ThreadMember, number: number, rows: number): void {
  const model = member.replica.snapshot();
  member.tell({ kind: "snapshot", rank: member.job.rank, number, rows, model });
}

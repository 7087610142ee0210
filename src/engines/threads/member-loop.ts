/**
 * A thread and its members, mostly one: delivers what is in their mailboxes, learns when asked to, sleeps when there
 * is nothing to do. Messages go first, then what could not be sent before, then learning; so an answer to `learn` is
 * held back until all messages have left (back-pressure), while messages are still delivered. Members of one thread
 * hand each other their messages as they are: nobody changes a body once it is sent.
 */
import type { Cursor } from "../../learner/cursor.ts";
import type { Task } from "../../learner/learner.ts";
import type { AnyStrategy } from "../../strategies/strategy.ts";
import { frameBytes, readFrame } from "../../wire/frame.ts";
import {
  answerExhausted,
  answerRequest,
  begin,
  createHost,
  deliver,
  deliverMessage,
  type HostPort,
  type MemberHost,
  nextRows,
  ownUpdates,
  snapshotUpdates,
} from "../member-host.ts";
import { countDrop } from "../telemetry.ts";
import {
  type Control,
  claimRows,
  countBytes,
  countFinished,
  countSleeping,
  finishedOf,
  mayLearn,
  offerUpdates,
  updatesAgreed,
  verdictsOf,
  viewControl,
} from "./control.ts";
import type { MemberMessage, ThreadJob } from "./job.ts";
import {
  type Mailbox,
  post,
  receive,
  release,
  signalOf,
  sleep,
  viewMailbox,
  wake,
} from "./mailbox.ts";

/** A thread and the members it hosts. */
export interface MemberThread {
  readonly job: ThreadJob;
  readonly control: Control;
  readonly boxes: readonly Mailbox[];
  readonly members: readonly ThreadMember[];
}

/** A member in its thread. */
interface ThreadMember {
  readonly rank: number;
  readonly job: ThreadJob;
  readonly host: MemberHost;
  readonly task: Task;
  readonly control: Control;
  readonly outgoing: Outgoing;
  /** What members of this thread sent. */
  readonly handed: Handed[];
  readonly tell: (message: MemberMessage) => void;
  wakeAt: number;
  /** Finished, and nothing left to send. */
  gone: boolean;
  snapshots: number;
}

/** A message between members of one thread. */
interface Handed {
  readonly from: number;
  readonly body: object;
}

/** What leaves a member. */
interface Outgoing {
  readonly rank: number;
  readonly boxes: readonly Mailbox[];
  /** By rank, what waits for the members of this thread; undefined for those of others. */
  readonly handed: readonly (Handed[] | undefined)[];
  /** Messages that found no room, by receiver, in order. */
  readonly unsent: Map<number, object[]>;
  /** Readers to be woken: only when all that a step sends is there, as waking one may cost the sender its core. */
  readonly posted: Set<Mailbox>;
}

/** Makes the members of a thread; those of others must be ready too before it runs. */
export function createThread(
  job: ThreadJob,
  strategy: AnyStrategy,
  task: Task,
  tell: (message: MemberMessage) => void,
): MemberThread {
  const { threads, mailboxes, shape, thread } = job;
  const control = viewControl(job.control);
  const boxes = threads.map((bell, rank) => viewMailbox(mailboxes, shape, { rank, bell }));
  const handed = threads.map((at): Handed[] | undefined => (at === thread ? [] : undefined));
  const members = handed.flatMap((own, rank) => {
    if (own === undefined) return [];
    return [createMember({ rank, job, task, control, tell }, strategy, { boxes, handed })];
  });
  return { job, control, boxes, members };
}

function createMember(
  given: Pick<ThreadMember, "rank" | "job" | "task" | "control" | "tell">,
  strategy: AnyStrategy,
  { boxes, handed }: Pick<Outgoing, "boxes" | "handed">,
): ThreadMember {
  const { rank, job } = given;
  const { seats, options, workers, seed, resume } = job;
  const initial = resume ? (resume.models[rank] ?? resume.models[0]!) : job.initial;
  const outgoing: Outgoing = { rank, boxes, handed, unsent: new Map(), posted: new Set() };
  const port: HostPort = {
    now: () => nowOf(job),
    send: (to, body) => {
      countBytes(given.control, frameBytes(body));
      send(outgoing, to, body);
    },
    wake: (after) => {
      member.wakeAt = nowOf(job) + after;
    },
  };
  const round = resume?.round ?? 0;
  const seat = { rank, incarnation: 1, seats, options, workers, seed, initial, round };
  const host = createHost(seat, strategy, given.task, port);
  const updates = ownUpdates(host);
  if (updates !== null) offerUpdates(given.control, updates);
  const rest = { wakeAt: Number.POSITIVE_INFINITY, gone: false, snapshots: resume?.number ?? 0 };
  const member: ThreadMember = { ...given, host, outgoing, handed: handed[rank]!, ...rest };
  return member;
}

/** Runs the members until everybody's part is over. */
export function runThread(thread: MemberThread): void {
  const { job, control, boxes, members } = thread;
  const own = boxes[job.thread]!;
  for (const { host } of members) begin(host, updatesAgreed(control));
  while (!(members.every(({ host }) => host.finished) && finishedOf(control) === boxes.length)) {
    for (const { outgoing } of members) wakeReaders(outgoing);
    const seen = signalOf(own);
    for (const member of members) sendUnsent(member);
    if (members.some(receiveNext) || members.some(deliverWake) || members.some(learnNext)) continue;
    if (finishedOf(control) < boxes.length) rest(thread, own, seen);
  }
  for (const { rank, host, tell } of members) {
    tell({ kind: "done", rank, model: host.replica.snapshot(), telemetry: host.telemetry });
  }
}

/** Sleeps until woken, or until the time a strategy asked for; only the former can be for ever. */
function rest({ control, members, job }: MemberThread, own: Mailbox, seen: number): void {
  const awake = members.filter(({ host }) => !host.finished);
  const wakeAt = Math.min(...awake.map((member) => member.wakeAt));
  if (wakeAt < Number.POSITIVE_INFINITY) {
    return sleep(own, seen, Math.max(0, 1000 * (wakeAt - nowOf(job))));
  }
  countSleeping(control, 1);
  sleep(own, seen);
  countSleeping(control, -1);
}

function nowOf({ origin }: ThreadJob): number {
  return (performance.timeOrigin + performance.now() - origin) / 1000;
}

function receiveNext({ host, rank: own, handed, outgoing: { boxes } }: ThreadMember): boolean {
  const message = handed.shift();
  if (message) {
    deliverMessage(host, message.from, message.body);
    return true;
  }
  const received = receive(boxes[own]!);
  if (received === null) return false;
  const { from } = received;
  const read = readFrame(received.bytes);
  for (const rank of release(boxes[own]!)) wake(boxes[rank]!);
  if ("fault" in read) countDrop(host.telemetry, read.fault);
  else deliverMessage(host, from, read.body);
  return true;
}

function deliverWake(member: ThreadMember): boolean {
  const now = nowOf(member.job);
  if (member.host.finished || now < member.wakeAt) return false;
  member.wakeAt = Number.POSITIVE_INFINITY;
  deliver(member.host, { kind: "wake", now });
  return true;
}

function send(outgoing: Outgoing, to: number, body: object): void {
  const handed = outgoing.handed[to];
  if (handed) return void handed.push({ from: outgoing.rank, body });
  const waiting = outgoing.unsent.get(to);
  if (waiting) waiting.push(body);
  else if (!tryPost(outgoing, to, body)) outgoing.unsent.set(to, [body]);
}

function tryPost({ boxes, rank, posted }: Outgoing, to: number, body: object): boolean {
  const box = boxes[to]!;
  if (!post(box, rank, body)) return false;
  posted.add(box);
  return true;
}

function wakeReaders({ posted }: Outgoing): void {
  for (const box of posted) wake(box);
  posted.clear();
}

/** Tries again what found no room; counts the member as finished once all has left. */
function sendUnsent(member: ThreadMember): void {
  const { outgoing, control, host } = member;
  const { unsent, boxes } = outgoing;
  for (const [to, bodies] of unsent) {
    while (bodies.length > 0 && tryPost(outgoing, to, bodies[0]!)) bodies.shift();
    if (bodies.length === 0) unsent.delete(to);
  }
  wakeReaders(outgoing);
  if (!host.finished || unsent.size > 0 || member.gone) return;
  member.gone = true;
  if (countFinished(control) === boxes.length) for (const box of boxes) wake(box);
}

/** Learns the open request's rows, unless messages wait to be sent or a verdict is missing. */
function learnNext(member: ThreadMember): boolean {
  const { host, outgoing } = member;
  const { request, cursor } = host;
  if (!request || outgoing.unsent.size > 0) return false;
  if (!cursor) throw new Error(`Member ${member.rank} is no worker`);
  // The slopes are those of rows claimed when they were predicted.
  const claim = request.kind === "adjust" ? "learn" : claimNext(member, cursor);
  if (claim === "later") return false;
  if (claim === "exhausted") answerExhausted(host);
  else answerRequest(host);
  return true;
}

function claimNext(member: ThreadMember, cursor: Cursor): "learn" | "later" | "exhausted" {
  const { host, job, control, task } = member;
  if (host.strategy.pace === "free") {
    const rows = nextRows(host);
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

/** Free pace: whoever claims the first row of an epoch hands out the model it has. */
function snapshotFree(member: ThreadMember, { before, after }: { before: number; after: number }) {
  const every = member.job.snapshotEpochs * member.task.rows;
  if (every === 0) return;
  const number = Math.floor(after / every);
  if (number > Math.floor(before / every)) tellSnapshot(member, number, before);
}

/** Lockstep: after the same round on every worker; one is enough where all hold the same model. */
function snapshotRound(member: ThreadMember, number: number): void {
  const { rank, job, task, host } = member;
  const { strategy } = host;
  member.snapshots = number;
  const means = strategy.conserves(job.options) === "mean" || strategy.owns === "columns";
  const differ = means && job.seats.every(({ role }) => role === "worker");
  if (!differ && rank !== 0) return;
  tellSnapshot(member, number, number * job.snapshotEpochs * task.rows);
}

function tellSnapshot(member: ThreadMember, number: number, rows: number): void {
  const model = member.host.replica.snapshot();
  const round = member.host.cursor?.taken ?? 0;
  member.tell({ kind: "snapshot", rank: member.rank, number, rows, round, model });
}

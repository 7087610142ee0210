/**
 * A member as every engine that does real work hosts it: the strategy's state, its replica, its learner and its
 * counts. An engine gives it a port to the world, delivers events, and says when the open request may be
 * worked on; effects are carried out here, in the order they were pushed.
 */
import {
  type Cursor,
  createCursor,
  movedCursor,
  nextSpan,
  type RowSpan,
  updatesPerEpoch,
} from "../learner/cursor.ts";
import type { ColumnLearner, Learner, Task } from "../learner/learner.ts";
import type { Model, Replica } from "../math/replica.ts";
import type { KeyRange, Update } from "../math/update.ts";
import {
  type AnyStrategy,
  type Effect,
  learnEffect,
  type NodeEvent,
  type SeatPlan,
  type StrategyOptions,
  type View,
} from "../strategies/strategy.ts";
import { frameBytes } from "../wire/frame.ts";
import { isMembership } from "./membered.ts";
import {
  countDrop,
  countWait,
  createTelemetry,
  foldReport,
  type MemberTelemetry,
  type Telemetry,
} from "./telemetry.ts";

/** What a member needs of its engine. */
export interface HostPort {
  /** Seconds since the run began. */
  now(): number;
  /** Delivers a message some time later; never waits. */
  send(to: number, body: object): void;
  /** The strategy says that this member does not keep to it. */
  blame?(member: number, reason: string): void;
  /** Has `wake` delivered in that many seconds. */
  wake(after: number): void;
}

/** Who the member is. */
export interface HostSeat {
  readonly rank: number;
  readonly incarnation: number;
  readonly seats: readonly SeatPlan[];
  readonly options: StrategyOptions;
  readonly workers: number;
  readonly seed: number;
  readonly initial: Model | null;
  /** In lockstep, rounds done before this run. */
  readonly round?: number;
  /** The view it joined by, where it is not everybody's first. */
  readonly view?: View;
}

/** An open request for the learner. */
export type LearnRequest = Effect<unknown> & { readonly kind: "learn" | "predict" | "adjust" };

/** A member, hosted. */
export interface MemberHost {
  readonly seat: HostSeat;
  readonly strategy: AnyStrategy;
  readonly port: HostPort;
  readonly replica: Replica;
  /** Length of the whole model. */
  readonly width: number;
  state: unknown;
  readonly effects: Effect<unknown>[];
  readonly telemetry: Telemetry;
  readonly counts: MemberTelemetry;
  /** Instead of a learner, where strategies own columns. */
  readonly columns: ColumnLearner | null;
  learner: Learner | null;
  cursor: Cursor | null;
  /** The rows learned or predicted last. */
  span: RowSpan | null;
  request: LearnRequest | null;
  finished: boolean;
  /** Since when the member has had nothing to do, and who ended it. */
  idleSince: number;
  lastFrom: number;
}

/** Makes the member; it begins with `begin`. */
export function createHost(
  seat: HostSeat,
  strategy: AnyStrategy,
  task: Task,
  port: HostPort,
): MemberHost {
  const { rank, incarnation, seats, options, workers, seed, initial, view, round } = seat;
  const { role, range } = seats[rank]!;
  const replica = task.createReplica(range.to - range.from);
  if (initial) replica.load(partOf(initial, range));
  const byColumns = strategy.owns === "columns";
  const place = { rank, workers, seed };
  const telemetry = createTelemetry(seats.map((one) => one.role));
  const members = seats.length;
  const { width } = task;
  const joined = { ...(view ? { view } : {}), ...(round ? { round } : {}) };
  return {
    seat,
    strategy,
    port,
    replica,
    width,
    state: strategy.init(
      { rank, incarnation, role, workers, members, width, range, seed, ...joined },
      options,
    ),
    effects: [],
    telemetry,
    counts: telemetry.members[rank]!,
    learner: role === "worker" && !byColumns ? task.createLearner(place) : null,
    columns: byColumns ? task.createColumnLearner!({ ...place, range }) : null,
    cursor: null,
    span: null,
    request: null,
    finished: false,
    idleSince: 0,
    lastFrom: -1,
  };
}

/** Seats the member in this view: before it begins, where the first view was not known when it was made. */
export function seatIn(host: MemberHost, view: View): void {
  const { rank, incarnation, seats, options, workers, seed, round } = host.seat;
  const { role, range } = seats[rank]!;
  const members = seats.length;
  const { width } = host;
  const joined = { view, ...(round ? { round } : {}) };
  const seat = { rank, incarnation, role, workers, members, width, range, seed, ...joined };
  host.state = host.strategy.init(seat, options);
}

/** What of a model a member holds; a member's own is as long as its range already. */
function partOf({ rows, values }: Model, { from, to }: KeyRange): Model {
  const isWhole = values.length > to - from;
  return { rows, values: isWhole ? values.slice(from, to) : values };
}

/** Updates that the member's own rows make in an epoch; null for one that learns nothing. */
export function ownUpdates({ learner, columns, seat }: MemberHost): number | null {
  const owner = learner ?? columns;
  return owner && updatesPerEpoch(owner.rows, seat.options.rowsPerUpdate);
}

/** Does what the first learn would have to do first, while nobody waits for it; returns `ownUpdates`. */
export function prepare(host: MemberHost): number | null {
  const { learner, seat } = host;
  learner?.prepare?.(learnEffect(seat.options, { workers: seat.workers }));
  return ownUpdates(host);
}

/** Begins: in lockstep every worker cuts its epoch into `updates`, as many as the one with most rows. */
export function begin(host: MemberHost, updates: number): void {
  const owner = host.learner ?? host.columns;
  const { rowsPerUpdate } = host.seat.options;
  const lockstep = host.strategy.pace === "lockstep" ? { updates } : {};
  if (owner) host.cursor = createCursor({ rows: owner.rows, rowsPerUpdate, ...lockstep });
  host.idleSince = host.port.now();
  deliver(host, { kind: "start", now: host.idleSince });
}

/** Another learner, over other rows: the place in the epoch stays. */
export function giveLearner(host: MemberHost, learner: Learner): void {
  const { cursor, seat, strategy } = host;
  host.learner?.release?.();
  host.learner = learner;
  if (!cursor) return;
  const { rowsPerUpdate } = seat.options;
  const { rows } = learner;
  host.cursor = movedCursor(cursor, {
    rows,
    rowsPerUpdate,
    lockstep: strategy.pace === "lockstep",
  });
}

/** Gives the strategy an event and carries out what it answers with. */
export function deliver(host: MemberHost, event: NodeEvent<unknown>): void {
  if (host.finished) return;
  const { strategy, state, replica, effects } = host;
  strategy.step(state, replica, event, effects);
  for (let i = 0; i < effects.length; i++) carryOut(host, effects[i]!);
  effects.length = 0;
}

/** Gives the strategy a message. */
export function deliverMessage(host: MemberHost, from: number, body: unknown): void {
  if (host.finished) return countDrop(host.telemetry, "member has finished");
  host.lastFrom = from;
  const now = host.port.now();
  const { learner, columns } = host;
  // Who learns nothing itself is idle since it was given work last; beats of the membership are none.
  const isWork = !isMembership(body as { kind: string });
  if (learner === null && columns === null && isWork) host.idleSince = now;
  deliver(host, { kind: "message", now, from, body });
}

function carryOut(host: MemberHost, effect: Effect<unknown>): void {
  switch (effect.kind) {
    case "learn":
    case "predict":
    case "adjust":
      if (host.request) throw new Error(`Member ${host.seat.rank} asked to learn twice at once`);
      host.request = effect;
      // In lockstep a learn takes what is due in its round, so a newcomer takes what the others do.
      if (effect.kind !== "adjust" && effect.round && host.cursor) {
        host.cursor.taken = effect.round - 1;
      }
      return;
    case "send":
      host.counts.messagesSent++;
      host.counts.bytesSent += frameBytes(effect.body as object);
      return host.port.send(effect.to, effect.body as object);
    case "wake":
      return host.port.wake(effect.after);
    case "report":
      return foldReport(host.telemetry, effect.report);
    case "drop":
      countDrop(host.telemetry, effect.reason);
      if (effect.blame) host.port.blame?.(effect.from, effect.reason);
      return;
    case "finish":
      host.finished = true;
      host.counts.finishedSeconds = host.port.now();
      return;
    default:
      effect satisfies never;
  }
}

/** Rows of the next request; those of an `adjust` were claimed when they were predicted. */
export function nextRows({ request, cursor }: MemberHost): number {
  if (request?.kind === "adjust" || !cursor) return 0;
  const { rows, updates, taken } = cursor;
  const part = taken % updates;
  return Math.floor(((part + 1) * rows) / updates) - Math.floor((part * rows) / updates);
}

/** Answers the open request: no more rows. */
export function answerExhausted(host: MemberHost): void {
  host.request = null;
  deliver(host, { kind: "exhausted", now: host.port.now() });
}

/** Does the open request's work, and delivers the answer. */
export function answerRequest(host: MemberHost): void {
  const { request, cursor, counts, port } = host;
  if (!request || !cursor) throw new Error(`Member ${host.seat.rank} has nothing to learn`);
  host.request = null;
  const began = port.now();
  countIdle(host, began);
  if (request.kind !== "adjust") host.span = nextSpan(cursor);
  const answer = answerOf(host, request);
  const now = port.now();
  counts.learnedSeconds += now - began;
  host.idleSince = now;
  if (answer.kind === "learned") countLearned(host, answer.update.rows);
  deliver(host, { ...answer, now });
}

type Answer =
  | { readonly kind: "learned"; readonly update: Update }
  | { readonly kind: "predicted"; readonly rows: number; readonly margins: Float32Array };

function answerOf({ learner, columns, replica, span }: MemberHost, request: LearnRequest): Answer {
  switch (request.kind) {
    case "learn":
      return { kind: "learned", update: learner!.learn(replica, span!, request) };
    case "predict": {
      const margins = columns!.predict(replica, span!);
      return { kind: "predicted", rows: span!.to - span!.from, margins };
    }
    default:
      return { kind: "learned", update: columns!.adjust(replica, span!, request.margins) };
  }
}

/** Owners of columns learn the same rows together: they count once. */
function countLearned({ counts, columns, seat }: MemberHost, rows: number): void {
  counts.updates++;
  if (columns === null || seat.rank === 0) counts.rows += rows;
}

/** Idle time between peers is counted for who ended it; servers tell themselves whom they waited for. */
function countIdle(host: MemberHost, now: number): void {
  const { lastFrom, counts, idleSince, seat } = host;
  if (lastFrom >= 0 && seat.seats[lastFrom]!.role === "worker") {
    countWait(counts, lastFrom, now - idleSince);
  }
  host.lastFrom = -1;
}

/** Updates between two snapshots in lockstep: whole, at least one; 0 for none. */
export function snapshotUpdates(epochs: number, updates: number): number {
  return epochs === 0 ? 0 : Math.max(1, Math.round(epochs * updates));
}

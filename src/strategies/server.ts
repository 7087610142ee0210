/**
 * The server of the parameter-server strategies (parameter-server.ts has the algorithm and its
 * invariants): counts pushes, applies or collects them, answers whom the clock policy lets go.
 */
import type { Replica } from "../math/replica.ts";
import { type Delta, type Merge, mergeWeights, type Update } from "../math/update.ts";
import { type ClockPolicy, type Clocks, countOut, countPush, createClocks } from "./clocks.ts";
import type { NodeEvent, Outbox, Seat } from "./strategy.ts";

/** A worker's slice of update `clock`. */
export interface Push {
  readonly kind: "push";
  readonly clock: number;
  readonly rows: number;
  readonly delta: Delta;
}

/** The worker sends nothing more: count it out. */
export interface Bye {
  readonly kind: "bye";
  readonly clock: number;
}

/** A server's range of the model: the worker may start the iteration after `clock`. */
export interface Answer {
  readonly kind: "model";
  readonly clock: number;
  readonly rows: number;
  readonly values: Float32Array;
}

/** All messages of the parameter-server strategies. */
export type ServerMessage = Push | Bye | Answer;

/** A server's state. */
export interface ServerState {
  readonly role: "server";
  readonly workers: number;
  readonly rounds: boolean;
  readonly merge: Merge;
  readonly clocks: Clocks;
  /** Updates of the open round, by rank. */
  readonly inbox: (Update | null)[];
  /** Updates applied so far, and how many that were when each worker was last answered. */
  version: number;
  readonly answeredAt: Float64Array;
  /** When each worker that waits began to. */
  readonly waitsSince: Float64Array;
}

interface ServerSetting {
  readonly rounds: boolean;
  readonly policy: ClockPolicy;
  readonly merge: Merge;
}

type Out = Outbox<ServerMessage>;

/** A server before the first push. */
export function createServer({ workers }: Seat, setting: ServerSetting): ServerState {
  return {
    role: "server",
    workers,
    rounds: setting.rounds,
    merge: setting.merge,
    clocks: createClocks(workers, setting.policy),
    inbox: setting.rounds ? new Array<Update | null>(workers).fill(null) : [],
    version: 0,
    answeredAt: new Float64Array(workers),
    waitsSince: new Float64Array(workers).fill(Number.NaN),
  };
}

export function stepServer(
  state: ServerState,
  replica: Replica,
  event: NodeEvent<ServerMessage>,
  out: Out,
): void {
  switch (event.kind) {
    case "message":
      return absorb(state, replica, event, out);
    case "lost":
      return absorbLeave(state, replica, { member: event.member, now: event.now }, out);
    case "start":
    case "learned":
    case "exhausted":
    case "wake":
    case "view":
    case "predicted":
      return;
    default:
      event satisfies never;
  }
}

function absorb(
  state: ServerState,
  replica: Replica,
  event: { now: number; from: number; body: ServerMessage },
  out: Out,
): void {
  const { from, body, now } = event;
  if (state.clocks.present[from] !== 1) {
    return out.push({ kind: "drop", from, reason: "has left" });
  }
  switch (body.kind) {
    case "push":
      return absorbPush(state, replica, { from, body, now }, out);
    case "bye":
      if (body.clock !== state.clocks.counts[from]) {
        return out.push({ kind: "drop", from, reason: "stale clock" });
      }
      return absorbLeave(state, replica, { member: from, now }, out);
    default:
      return out.push({ kind: "drop", from, reason: "not for a server" });
  }
}

function absorbPush(
  state: ServerState,
  replica: Replica,
  { from, body, now }: { from: number; body: Push; now: number },
  out: Out,
): void {
  if (body.clock !== state.clocks.counts[from]! + 1) {
    return out.push({ kind: "drop", from, reason: "stale clock" });
  }
  if (state.rounds) state.inbox[from] = body;
  else applyPush(state, replica, { from, body }, out);
  state.waitsSince[from] = now;
  const released = countPush(state.clocks, from, now);
  const credit = state.clocks.granted;
  if (credit > 0) out.push({ kind: "report", report: { kind: "credit", rank: from, credit } });
  answer(state, replica, { released, by: from, now }, out);
}

function applyPush(
  state: ServerState,
  replica: Replica,
  { from, body }: { from: number; body: Push },
  out: Out,
): void {
  const staleness = state.version - state.answeredAt[from]!;
  replica.apply(body);
  state.version++;
  out.push({
    kind: "report",
    report: { kind: "applied", from, clock: body.clock, staleness },
  });
}

function absorbLeave(
  state: ServerState,
  replica: Replica,
  { member, now }: { member: number; now: number },
  out: Out,
): void {
  if (member >= state.workers) return;
  const released = countOut(state.clocks, member);
  answer(state, replica, { released, by: member, now }, out);
  if (state.clocks.members > 0) return;
  if (state.rounds) mergeRound(state, replica, out);
  out.push({ kind: "finish" });
}

/** Sends the model to everyone who may go on; one body for all of them and their clocks. */
function answer(
  state: ServerState,
  replica: Replica,
  { released, by, now }: { released: readonly number[]; by: number; now: number },
  out: Out,
): void {
  if (released.length === 0) return;
  if (state.rounds) mergeRound(state, replica, out);
  const { rows, values } = replica.snapshot();
  for (const to of released) {
    const seconds = now - state.waitsSince[to]!;
    state.waitsSince[to] = Number.NaN;
    if (to !== by) {
      out.push({ kind: "report", report: { kind: "waited", rank: to, waitedFor: by, seconds } });
    }
    state.answeredAt[to] = state.version;
    const body: Answer = { kind: "model", clock: state.clocks.counts[to]!, rows, values };
    out.push({ kind: "send", to, body });
  }
}

/** Merges the updates of the round, in rank order whatever the order they came in. */
function mergeRound(state: ServerState, replica: Replica, out: Out): void {
  const ranks: number[] = [];
  for (let rank = 0; rank < state.workers; rank++) if (state.inbox[rank]) ranks.push(rank);
  const weights = mergeWeights(
    ranks.map((rank) => state.inbox[rank]!.rows),
    state.merge,
  );
  for (let k = 0; k < ranks.length; k++) {
    const from = ranks[k]!;
    replica.apply(state.inbox[from]!, weights[k]);
    state.inbox[from] = null;
    state.version++;
    const clock = state.clocks.counts[from]!;
    out.push({ kind: "report", report: { kind: "applied", from, clock, staleness: 0 } });
  }
}

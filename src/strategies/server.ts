/**
 * A server of the parameter-server strategies: counts pushes by its clock policy, applies updates at arrival or
 * merges them by rounds, and answers who may go on. Messages and state: server-state.ts. Changes of view:
 * server-view.ts; the standby: standby.ts.
 */
import type { Replica } from "../math/replica.ts";
import { mergeWeights } from "../math/update.ts";
import { lifeName } from "../topology/view.ts";
import { countOut, countPush, isWaiting } from "./clocks.ts";
import {
  type Answer,
  type Bye,
  type Push,
  type Received,
  releaseDeferred,
  type ServerMessage,
  type ServerOut,
  type ServerState,
  sendWhenStored,
} from "./server-state.ts";
import { absorbFlush, absorbFlushed, allFlushed, becomeServerView } from "./server-view.ts";
import { absorbDuplicate, absorbForward, forward } from "./standby.ts";
import type { NodeEvent } from "./strategy.ts";

export function stepServer(
  state: ServerState,
  replica: Replica,
  event: NodeEvent<ServerMessage>,
  out: ServerOut,
): void {
  switch (event.kind) {
    case "message":
      absorb(state, replica, event, out);
      break;
    case "view":
      becomeServerView(state, replica, event, out);
      break;
    case "leave":
      // Without a standby nobody else has the range: the server stays.
      state.leaving = state.partner !== null || state.standing !== "holder";
      break;
    case "start":
    case "learned":
    case "exhausted":
    case "wake":
    case "predicted":
      return;
    default:
      event satisfies never;
  }
  resumeHeld(state, replica, out);
  concludeServer(state, out);
}

function absorb(
  state: ServerState,
  replica: Replica,
  received: Omit<Received, "body"> & { body: ServerMessage },
  out: ServerOut,
): void {
  const { from, body } = received;
  switch (body.kind) {
    case "push":
    case "bye":
    case "enter":
      if (state.standing !== "holder" || state.flush !== null || state.leaving) {
        return void state.held.push({ ...received, life: senderOf(state, from) });
      }
      return absorbWorker(state, replica, received, out);
    case "flush":
      return absorbFlush(state, replica, { from, body, now: received.now }, out);
    case "flushed":
      return absorbFlushed(state, from, body.view);
    case "forward":
      return absorbForward(state, replica, { from, body }, out);
    case "duplicate":
      return absorbDuplicate(state, replica, { from, body }, out);
    case "stored":
      return releaseDeferred(state, body.number, out);
    case "over":
      if (state.standing === "holder") {
        return out.push({ kind: "drop", from, reason: "not for a holder" });
      }
      state.clocks.members = 0;
      state.standing = "holder";
      state.partner = null;
      // Its holder, which ends, has heard them.
      for (let part = 0; part < state.ranks.servers; part++) state.flushed.set(part, state.view);
      return;
    default:
      return out.push({ kind: "drop", from, reason: "not for a server" });
  }
}

/** The name of the life that sends from that rank: of the view, which may not be settled yet, or one that has left. */
function senderOf({ holders, lives }: ServerState, from: number): string {
  const inView = holders.before.find(({ rank }) => rank === from);
  return lifeName(from, inView?.incarnation ?? lives.get(from) ?? 0);
}

/** What waited for the flush to end, or for the range, in the order it came. */
function resumeHeld(state: ServerState, replica: Replica, out: ServerOut): void {
  if (state.standing !== "holder" || state.flush !== null || state.leaving) return;
  for (const received of state.held.splice(0)) absorbWorker(state, replica, received, out);
}

function absorbWorker(state: ServerState, replica: Replica, received: Received, out: ServerOut) {
  const { from, body, now } = received;
  if (state.clocks.present[from] !== 1) {
    // A goodbye that comes again is answered again.
    if (body.kind === "bye") return tellGone(state, { to: from, body }, out);
    return out.push({ kind: "drop", from, reason: "has left" });
  }
  switch (body.kind) {
    case "push":
      return absorbPush(state, replica, { from, body, now }, out);
    case "bye":
      return absorbBye(state, replica, { from, body, now }, out);
    default:
      return answerAgain(state, replica, from, out);
  }
}

/** Of how many updates of earlier lives of a worker it is known what became of them. */
function earlierOf({ departed }: ServerState, of: number): Int32Array {
  const own = [...departed.values()].filter(([rank]) => rank === of);
  return Int32Array.from(own.flatMap(([, incarnation, , told]) => [incarnation, told]));
}

function absorbBye(
  state: ServerState,
  replica: Replica,
  { from, body, now }: { from: number; body: Bye; now: number },
  out: ServerOut,
): void {
  if (body.clock !== state.clocks.counts[from]) {
    return out.push({ kind: "drop", from, reason: "stale clock" });
  }
  forward(state, { from, at: now, body }, out);
  countOutWorker(state, replica, { member: from, now }, out);
  tellGone(state, { to: from, body }, out);
}

function tellGone(state: ServerState, { to, body }: { to: number; body: Bye }, out: ServerOut) {
  if (body.asks) sendWhenStored(state, to, { kind: "gone" }, out);
}

/** Takes an update once; one that was taken before is answered again, unless its worker has to wait. */
export function absorbPush(
  state: ServerState,
  replica: Replica,
  { from, body, now }: { from: number; body: Push; now: number },
  out: ServerOut,
): void {
  const { clocks } = state;
  const count = clocks.counts[from]!;
  if (body.clock === count) return answerAgain(state, replica, from, out);
  if (body.clock !== count + 1) return out.push({ kind: "drop", from, reason: "stale clock" });
  forward(state, { from, at: now, body }, out);
  if (state.rounds) state.inbox[from] = body;
  else applyPush(state, replica, { from, body }, out);
  state.waitsSince[from] = now;
  const released = countPush(clocks, from, now);
  const credit = clocks.granted;
  if (credit > 0) out.push({ kind: "report", report: { kind: "credit", rank: from, credit } });
  answer(state, replica, { released, by: from, now }, out);
}

function applyPush(
  state: ServerState,
  replica: Replica,
  { from, body }: { from: number; body: Push },
  out: ServerOut,
): void {
  const staleness = state.version - state.answeredAt[from]!;
  replica.apply(body);
  state.version++;
  if (state.ranks.servers > 1) state.latest[from] = body;
  out.push({
    kind: "report",
    report: { kind: "applied", from, clock: body.clock, staleness },
  });
}

/** Takes a worker out; who waited for it may go on. */
export function countOutWorker(
  state: ServerState,
  replica: Replica,
  { member, now }: { member: number; now: number },
  out: ServerOut,
): void {
  const released = countOut(state.clocks, member);
  answer(state, replica, { released, by: member, now }, out);
  if (state.clocks.members === 0 && state.rounds) mergeRound(state, replica, out);
}

/** Ends once all workers are counted out, the standby knows it and all servers agree on it; or when it was asked to leave. */
function concludeServer(state: ServerState, out: ServerOut): void {
  const { clocks, flush, deferred, partner, stored, forwarded, leaving } = state;
  if (flush !== null || state.standing !== "holder") {
    if (leaving && state.standing !== "holder") out.push({ kind: "finish" });
    return;
  }
  const isStored = deferred.length === 0 && (partner === null || stored >= forwarded);
  if (!isStored || !(clocks.members === 0 ? allFlushed(state) : leaving)) return;
  if (partner && clocks.members === 0) {
    out.push({ kind: "send", to: partner.rank, body: { kind: "over" } });
  }
  out.push({ kind: "finish" });
}

/** Sends the model to everyone who may go on; one body for all of them and their clocks. */
export function answer(
  state: ServerState,
  replica: Replica,
  { released, by, now }: { released: readonly number[]; by: number; now: number },
  out: ServerOut,
): void {
  if (released.length === 0) return;
  if (state.rounds) mergeRound(state, replica, out);
  const { rows, values } = replica.snapshot();
  if (state.rounds && state.ranks.servers > 1) state.answered = { rows, values };
  for (const to of released) {
    const seconds = now - state.waitsSince[to]!;
    state.waitsSince[to] = Number.NaN;
    if (to !== by && !Number.isNaN(seconds)) {
      out.push({ kind: "report", report: { kind: "waited", rank: to, waitedFor: by, seconds } });
    }
    sendModel(state, { to, rows, values }, out);
  }
}

/**
 * Until a newcomer has pushed, every answer tells it of its earlier lives: what lets it go may come before its question,
 * or while that waits, and it takes the first.
 */
function sendModel(
  state: ServerState,
  { to, ...model }: { to: number; rows: number; values: Float32Array },
  out: ServerOut,
): void {
  const { view, clocks, entered } = state;
  state.answeredAt[to] = state.version;
  const earlier = clocks.counts[to] === entered[to] ? earlierOf(state, to) : null;
  const body: Answer = { kind: "model", view, clock: clocks.counts[to]!, ...model, earlier };
  sendWhenStored(state, to, body, out);
}

function answerAgain(state: ServerState, replica: Replica, to: number, out: ServerOut): void {
  if (isWaiting(state.clocks, to)) {
    return out.push({ kind: "drop", from: to, reason: "waits already" });
  }
  // In rounds the open round's updates are in the inbox: the model is that of the round before.
  sendModel(state, { to, ...replica.snapshot() }, out);
}

/** Merges the updates of the round, in rank order whatever the order they came in. */
export function mergeRound(state: ServerState, replica: Replica, out: ServerOut): void {
  const updates = state.inbox.slice();
  if (!updates.some((update) => update !== null)) return;
  if (state.ranks.servers > 1) {
    state.merged = { before: state.answered ?? replica.snapshot(), updates };
  }
  state.inbox.fill(null);
  for (const from of applyRound(state, replica, updates)) {
    const clock = state.clocks.counts[from]!;
    out.push({ kind: "report", report: { kind: "applied", from, clock, staleness: 0 } });
  }
}

/** Applies the updates of a round; returns whose they were. */
export function applyRound(
  state: ServerState,
  replica: Replica,
  updates: ServerState["inbox"],
): number[] {
  const ranks = [...updates.keys()].filter((rank) => updates[rank] !== null);
  const weights = mergeWeights(
    ranks.map((rank) => updates[rank]!.rows),
    state.merge,
  );
  for (let k = 0; k < ranks.length; k++) {
    replica.apply(updates[ranks[k]!]!, weights[k]);
    state.version++;
  }
  return ranks;
}

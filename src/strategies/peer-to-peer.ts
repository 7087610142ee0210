/**
 * Asynchronous peer to peer (Hogwild over the network): each worker applies its own update, sends it to all
 * others and goes on at once; received updates are applied between its own. No coordinator is on the path;
 * n(n-1) messages for n updates. Updates commute, so merging is by sum and their order is free.
 *
 * A worker that has no more rows says how many updates it made. Once it has all of everybody's it says that it
 * is quiet, and ends when all are.
 * Newcomers: peer-join.ts. Departures: peer-flush.ts. Who does not hear all that others hear: peer-lack.ts.
 *
 * Source: algorithms.md, section 5; Niu et al. 2011, arXiv 1106.5730, for the idea.
 * Invariant: once quiet, every live member has applied every update of every live member exactly once.
 * Thinning: with `values`, `topK` or `tolerance` a worker sends the largest part of what it has learned and
 * carries the rest (wire/carry.ts); its last update brings what is still carried, so that all agree once quiet.
 *
 * Invariant: once quiet, all replicas agree up to rounding.
 * Invariant: no update of a departed member is applied by some members of the view and not by others.
 * Invariant: a newcomer misses no update and applies none twice.
 * Invariant: no worker begins an update while it knows that it lacks more than `lackBound` updates of a member of lower
 * rank that another has; nobody waits for one that is slow or stopped.
 */

import type { Replica } from "../math/replica.ts";
import { type Delta, emptyUpdate, type Update } from "../math/update.ts";
import { lifeName } from "../topology/view.ts";
import { createCarry, draw, produce } from "../wire/carry.ts";
import { unpackOnce } from "../wire/packed.ts";
import {
  absorbFlushed,
  absorbOf,
  absorbPassedOn,
  absorbSeen,
  absorbSettled,
  becomeView,
  isFalse,
} from "./peer-flush.ts";
import {
  absorbSubscribe,
  absorbWelcome,
  answerAsked,
  becomeJoined,
  becomeJoining,
  sayBye,
} from "./peer-join.ts";
import { isLacking } from "./peer-lack.ts";
import {
  createFlush,
  createPeer,
  type Early,
  isHeard,
  type Peer,
  type PeerBye,
  type PeerMessage,
  type PeerOut,
  type PeerState,
  type PeerUpdate,
  peerShapes,
  presentCount,
  presentPeers,
  seenOf,
} from "./peer-state.ts";
import {
  addingMerge,
  learnEffect,
  type NodeEvent,
  type Seat,
  type Strategy,
  type StrategyOptions,
  viewOf,
} from "./strategy.ts";
import { isThin, wholeUpdates } from "./thinning.ts";

/** Every so many updates one tells what its sender has, so that others may forget it. */
const updatesPerSeen = 16;
/** Nobody waits for an answer: while one update travels its sender learns the next, and more where the way is long. */
const overlap = 2;
const overlapMax = 8;
/** Staleness is the mean of about so many updates of others. */
const stalenessOver = 32;

/** Every worker sends every update to every other. */
export const peerToPeer: Strategy<PeerState, PeerMessage> = {
  name: "peer-to-peer",
  sharing: "messages",
  pace: "free",
  // Updates that are on their way are more than one a worker: anticipating one of each is too little on dense data.
  merges: ["anticipate", "sum"],
  overlap,
  conserves: () => "sum",
  shapes: peerShapes,
  clockOf: ({ clock }) => clock,
  init,
  step,
};

function init(seat: Seat, options: StrategyOptions): PeerState {
  const { rank, incarnation } = seat;
  const view = viewOf(seat);
  const others = view.members.filter((member) => member.rank !== rank);
  const made = others.map((member) => createPeer(member, view.id === 1));
  return {
    options,
    rank,
    incarnation,
    earlier: seat.earlier ?? [],
    carry: isThin(options) ? createCarry(seat.width) : null,
    clock: 0,
    version: 0,
    learnVersion: 0,
    staleness: 0,
    lives: new Map(made.map((peer) => [lifeName(peer.rank, peer.incarnation), peer])),
    peers: new Map(made.map((peer) => [peer.rank, peer])),
    flush: createFlush(view, rank),
    joining: null,
    asked: new Map(),
    exhausted: false,
    leaving: false,
    waiting: false,
    quietIn: 0,
    quiet: new Map(),
  };
}

function step(
  state: PeerState,
  replica: Replica,
  event: NodeEvent<PeerMessage>,
  out: PeerOut,
): void {
  switch (event.kind) {
    case "start":
      return begin(state, out);
    case "learned":
      becomeLearned(state, replica, event.update, out);
      break;
    case "message":
      absorb(state, replica, event, out);
      break;
    case "view":
      becomeView(state, event.view, out);
      break;
    case "exhausted":
      if (state.leaving) return becomeLeft(state, out);
      becomeExhausted(state, out);
      break;
    case "leave":
      state.leaving = true;
      if (state.joining || state.exhausted || state.waiting) becomeLeft(state, out);
      return;
    case "wake":
    case "predicted":
      return;
    default:
      event satisfies never;
  }
  if (state.waiting) becomeLearning(state, out);
  answerAsked(state, replica, out);
  if (isQuiet(state) && !state.leaving) becomeQuiet(state, out);
}

/** Tells all others; ends once all are quiet in this view, so that nobody misses what only we have. */
function becomeQuiet(state: PeerState, out: PeerOut): void {
  const { view } = state.flush;
  const others = presentPeers(state);
  if (state.quietIn !== view) {
    state.quietIn = view;
    for (const { rank: to } of others)
      out.push({ kind: "send", to, body: { kind: "quiet", view } });
  }
  if (others.every(({ rank }) => state.quiet.get(rank) === view)) out.push({ kind: "finish" });
}

/** A member of the first view learns at once; a later one joins, and ends if it finds itself alone. */
function begin(state: PeerState, out: PeerOut): void {
  if (state.flush.view === 1) return becomeLearning(state, out);
  if (state.peers.size === 0) return out.push({ kind: "finish" });
  const body: PeerMessage = { kind: "settled", view: state.flush.view, count: 0 };
  for (const { rank: to } of presentPeers(state)) out.push({ kind: "send", to, body });
  becomeJoining(state, out);
}

/** Learns on, or waits for what it lacks; a leaver sends its last update and says how many it made instead. */
function becomeLearning(state: PeerState, out: PeerOut): void {
  if (state.leaving) return becomeLeft(state, out);
  state.waiting = isLacking(state);
  if (state.waiting) return;
  state.learnVersion = state.version;
  const { options } = state;
  const workers = presentCount(state);
  const merge = addingMerge(options);
  out.push(learnEffect(options, { workers, merge, overlap: overlapOf(state, workers) }));
}

/** How many updates of every other worker an update misses, as seen on those that came. */
function overlapOf({ staleness }: PeerState, workers: number): number {
  if (workers === 1) return 1;
  return Math.min(overlapMax, Math.max(overlap, Math.round(staleness / (workers - 1))));
}

/** Applies the own update, sends it to all others, goes on at once. */
function becomeLearned(state: PeerState, replica: Replica, update: Update, out: PeerOut): void {
  replica.apply(update);
  sendUpdate(state, update, out);
  becomeLearning(state, out);
}

/** Counts an own update and sends it, or the part of it that the options choose. */
function sendUpdate(state: PeerState, { rows, delta }: Update, out: PeerOut): void {
  const { rank, learnVersion: version, carry, options, exhausted } = state;
  const staleness = state.version++ - version;
  const clock = ++state.clock;
  out.push({ kind: "report", report: { kind: "applied", from: rank, clock, staleness } });
  const seen = clock % updatesPerSeen === 0 ? seenOf(state) : null;
  if (carry) produce(carry, delta);
  const part = carry ? draw(carry, exhausted ? wholeUpdates : options) : delta;
  const body: PeerUpdate = { kind: "update", clock, rows, delta: part, version, seen };
  for (const peer of presentPeers(state)) {
    if (peer.subscribed) out.push({ kind: "send", to: peer.rank, body });
  }
}

function absorb(
  state: PeerState,
  replica: Replica,
  { from, body }: { from: number; body: PeerMessage },
  out: PeerOut,
): void {
  const peer = state.peers.get(from);
  if (peer === undefined || peer.standing === "gone") {
    return out.push({ kind: "drop", from, reason: "is gone" });
  }
  switch (body.kind) {
    case "update":
    case "passed-on":
      if (state.joining) {
        const life = lifeName(peer.rank, peer.incarnation);
        return void state.joining.early.push({ life, body });
      }
      return absorbUpdate(state, replica, { peer, body }, out);
    case "settled":
      return absorbSettled(state, from, body, out);
    case "flushed":
      return absorbFlushed(state, from, body);
    case "subscribe":
      return absorbSubscribe(state, from, out);
    case "welcome":
      return absorbWelcome(state, from, body, out);
    case "ask":
      return void state.asked.set(from, body);
    case "copy":
      if (!state.joining) return out.push({ kind: "drop", from, reason: "has joined" });
      for (const early of becomeJoined(state, replica, body, out)) {
        absorbEarly(state, replica, early, out);
      }
      return becomeLearning(state, out);
    case "bye":
      return absorbBye(peer, body);
    case "quiet":
      return void state.quiet.set(from, Math.max(body.view, state.quiet.get(from) ?? 0));
    default:
      body satisfies never;
  }
}

/** What a sender that is gone by now passed on still counts; what it sent of its own comes by others. */
function absorbEarly(
  state: PeerState,
  replica: Replica,
  { life, body }: Early,
  out: PeerOut,
): void {
  const peer = state.lives.get(life)!;
  if (body.kind === "update" && peer.standing === "gone") {
    return out.push({ kind: "drop", from: peer.rank, reason: "is gone" });
  }
  absorbUpdate(state, replica, { peer, body }, out);
}

function absorbUpdate(
  state: PeerState,
  replica: Replica,
  { peer, body }: { peer: Peer; body: Extract<PeerMessage, { clock: number; rows: number }> },
  out: PeerOut,
): void {
  if (body.kind === "passed-on") {
    return absorbPassedOn(state, replica, { from: peer, body }, out);
  }
  const { clock, rows, delta: sent, version } = body;
  const { seen } = body;
  if (seen && isFalse(seen, state)) {
    const reason = "says to have updates of ours that we never made";
    return out.push({ kind: "drop", from: peer.rank, reason, blame: true });
  }
  const read = sent instanceof Uint8Array ? unpackOnce(sent, replica.values.length) : null;
  if (read && "fault" in read) {
    return out.push({ kind: "drop", from: peer.rank, reason: read.fault });
  }
  const delta = read?.delta ?? (sent as Delta);
  const stale = Math.max(0, state.version - version);
  state.staleness += (stale - state.staleness) / stalenessOver;
  absorbOf(state, replica, { peer, body: { clock, rows, delta }, version }, out);
  if (seen) absorbSeen(state, peer, seen);
}

function absorbBye(peer: Peer, { clock, given }: PeerBye): void {
  peer.last = clock;
  peer.owed = Math.max(peer.owed, given);
}

/** Says how many updates it made in all, which others wait for, and goes. */
function becomeLeft(state: PeerState, out: PeerOut): void {
  if (!state.exhausted && !state.joining) becomeExhausted(state, out);
  else {
    for (const peer of presentPeers(state)) sayBye(state, peer, out);
  }
  out.push({ kind: "finish" });
}

function becomeExhausted(state: PeerState, out: PeerOut): void {
  state.exhausted = true;
  if (state.carry?.some((x) => x !== 0)) sendUpdate(state, emptyUpdate, out);
  for (const peer of presentPeers(state)) if (peer.subscribed) sayBye(state, peer, out);
}

/** All have made their last update, and every one of them was applied here. */
function isQuiet({ exhausted, joining, flush, asked, lives }: PeerState): boolean {
  if (!exhausted || joining || flush.waiting.size > 0 || asked.size > 0) return false;
  for (const peer of lives.values()) if (peer.standing !== "gone" && !isHeard(peer)) return false;
  return true;
}

/**
 * Joining peer-to-peer while the others run.
 *
 * The newcomer subscribes to all members first; each answers with its first clock for the newcomer. Then it
 * asks one of them for a snapshot that holds everything before those clocks, with the clocks the snapshot
 * includes, and applies what is newer. What arrives before the snapshot waits.
 *
 * Source: algorithms.md, section 5.
 * Invariant: a newcomer misses no update and applies none twice.
 */

import type { Replica } from "../math/replica.ts";
import { lifeName } from "../topology/view.ts";
import { withoutCarry } from "../wire/carry.ts";
import { tellLost } from "./earlier.ts";
import { takeClock } from "./intake.ts";
import {
  type Ask,
  aheadOf,
  type Copy,
  createPeer,
  type Early,
  isHeard,
  type Peer,
  type PeerOut,
  type PeerState,
  presentPeers,
  seenOf,
  triplesOf,
  type Welcome,
} from "./peer-state.ts";

/** Begins: asks every member for its updates from now on. */
export function becomeJoining(state: PeerState, out: PeerOut): void {
  state.joining = { first: new Map(), ready: new Set(), asked: null, early: [] };
  for (const { rank: to } of presentPeers(state)) {
    state.joining.first.set(to, Number.POSITIVE_INFINITY);
    out.push({ kind: "send", to, body: { kind: "subscribe" } });
  }
}

/** The members have changed: forgets who is gone, subscribes to who is new, asks again if need be. */
export function reconsider(state: PeerState, ended: readonly number[], out: PeerOut): void {
  const { joining } = state;
  if (!joining) return;
  for (const rank of ended) {
    joining.first.delete(rank);
    joining.ready.delete(rank);
    joining.asked = null;
  }
  for (const { rank } of presentPeers(state)) {
    if (joining.first.has(rank)) continue;
    joining.first.set(rank, Number.POSITIVE_INFINITY);
    out.push({ kind: "send", to: rank, body: { kind: "subscribe" } });
  }
  // All others have ended: there is no model to be had, and nothing left to do.
  if (joining.first.size === 0) return out.push({ kind: "finish" });
  ask(state, out);
}

/** From now on the newcomer gets every update of ours. */
export function absorbSubscribe(state: PeerState, from: number, out: PeerOut): void {
  const peer = state.peers.get(from)!;
  peer.subscribed = true;
  const ready = state.joining === null;
  const body: Welcome = { kind: "welcome", first: state.clock + 1, ready };
  out.push({ kind: "send", to: from, body });
  if (!state.exhausted) return;
  sayBye(state, peer, out);
}

/** Says how many updates we made in all, and passed on to that member. */
export function sayBye({ clock }: PeerState, { rank: to, given }: Peer, out: PeerOut): void {
  out.push({ kind: "send", to, body: { kind: "bye", clock, given } });
}

export function absorbWelcome(
  state: PeerState,
  from: number,
  { first, ready }: Welcome,
  out: PeerOut,
): void {
  const { joining, peers } = state;
  if (!joining?.first.has(from)) {
    return out.push({ kind: "drop", from, reason: "has joined" });
  }
  joining.first.set(from, first);
  if (ready) joining.ready.add(from);
  peers.get(from)!.subscribed = true;
  ask(state, out);
}

/** Once all have answered, asks the lowest of those that have a model. */
function ask({ joining, peers }: PeerState, out: PeerOut): void {
  if (joining!.asked !== null || joining!.ready.size === 0) return;
  const need: number[] = [];
  for (const [rank, first] of joining!.first) {
    if (first === Number.POSITIVE_INFINITY) return;
    need.push(rank, peers.get(rank)!.incarnation, first - 1);
  }
  joining!.asked = Math.min(...joining!.ready);
  const body: Ask = { kind: "ask", need: Uint32Array.from(need) };
  out.push({ kind: "send", to: joining!.asked, body });
}

/**
 * Hands out snapshots that hold what was asked for, and all of those that left. No flush may be open, for its
 * updates are in none.
 */
export function answerAsked(state: PeerState, replica: Replica, out: PeerOut): void {
  if (state.asked.size === 0 || state.joining || state.flush.waiting.size > 0) return;
  for (const [to, { need }] of state.asked) {
    if (!holds(state, need)) continue;
    state.asked.delete(to);
    const { rows, values: own } = replica.snapshot();
    // What we carry reaches the newcomer when it is sent.
    const values = state.carry ? withoutCarry(own, state.carry) : own;
    const seen = seenOf(state);
    const body: Copy = { kind: "copy", rows, values, seen, ahead: aheadOf(state) };
    out.push({ kind: "send", to, body });
  }
}

function holds(state: PeerState, need: Uint32Array): boolean {
  for (const peer of state.lives.values()) {
    if (peer.standing === "left" && !isHeard(peer)) return false;
  }
  for (const [life, clock] of triplesOf(need)) {
    const own = life === lifeName(state.rank, state.incarnation);
    if ((own ? state.clock : (state.lives.get(life)?.intake.below ?? 0)) < clock) return false;
  }
  return true;
}

/** Takes the snapshot over; returns what came before it and is now to be taken in its turn. */
export function becomeJoined(
  state: PeerState,
  replica: Replica,
  copy: Copy,
  out: PeerOut,
): readonly Early[] {
  replica.load({ rows: copy.rows, values: copy.values });
  state.version = copy.ahead.length / 3;
  for (const [, clock] of triplesOf(copy.seen)) state.version += clock;
  for (const [life, clock, member] of triplesOf(copy.seen)) {
    if (life === lifeName(state.rank, state.incarnation)) continue;
    const peer = state.lives.get(life) ?? { ...createPeer(member, false), standing: "gone" };
    peer.intake.below = clock;
    state.lives.set(life, peer);
  }
  for (const [life, clock] of triplesOf(copy.ahead)) {
    const peer = state.lives.get(life);
    if (peer) takeClock(peer.intake, clock);
  }
  const countedOf = (incarnation: number) => {
    const life = state.lives.get(lifeName(state.rank, incarnation));
    return life && life.intake.below + life.intake.ahead.size;
  };
  tellLost(state.earlier, state.rank, countedOf, out);
  const { early } = state.joining!;
  state.joining = null;
  return early;
}

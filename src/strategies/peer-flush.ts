/**
 * A change of view in peer-to-peer: members come and go, and those that stay agree on what was applied.
 *
 * Flush: when a view begins without some member, every member of it passes on to all others every update of
 * the departed that somebody may lack, and then says how many. From then on nothing is taken from the
 * departed itself. So the departed's updates that count are those that at least one member of the view had.
 * A member that has heard all others has them all. Until then it goes on learning - updates commute - but
 * neither finishes nor hands out snapshots. If the view changes again, the flush begins again; what was passed on in
 * the view before is waited for too, as its giver may have forgotten it by then: counts go through all views, and who
 * leaves says how many it passed on (`bye`). It is forgotten once all of the view have said that they have all (`flushed`):
 * who has it all may be the only one to have some of it, if who passed it on goes next.
 *
 * What everybody has need not be kept: now and then an update tells what its sender has (`seen`).
 *
 * Invariant: no update of a departed member is applied by some members of the view and not by others.
 */

import type { Replica } from "../math/replica.ts";
import { lifeName } from "../topology/view.ts";
import { takeClock } from "./intake.ts";
import { reconsider } from "./peer-join.ts";
import {
  createFlush,
  createPeer,
  type Flushed,
  type PassedOn,
  type Peer,
  type PeerOut,
  type PeerState,
  presentPeers,
  type Settled,
  triplesOf,
} from "./peer-state.ts";
import type { View, ViewMember } from "./strategy.ts";

/** Takes over a view: who is new, who left, who is gone; and passes on what the departed leave behind. */
export function becomeView(state: PeerState, view: View, out: PeerOut): void {
  const stays = new Set(view.members.map(nameOf));
  const left = new Set(view.left.map(nameOf));
  const ended = endedRanks(state, stays);
  for (const member of view.members) admit(state, member);
  for (const [life, peer] of state.lives) {
    if (stays.has(life)) continue;
    // One that left before we subscribed to it sends us nothing: snapshots hold all it did.
    if (left.has(life)) peer.standing = peer.subscribed ? "left" : "gone";
    else if (peer.standing === "present") peer.standing = "gone";
  }
  retell(state);
  state.flush = createFlush(view, state.rank);
  passOn(state, out);
  for (const rank of ended) state.asked.delete(rank);
  reconsider(state, ended, out);
}

/** What others say to have, by those who are there: the word of a member goes with it. */
function retell(state: PeerState): void {
  const present = presentPeers(state);
  for (const [life, origin] of state.lives) {
    origin.told = Math.max(0, ...present.map(({ has }) => has.get(life) ?? 0));
  }
}

/** Ranks whose life of the last view is not in this one, even if a next one is. */
function endedRanks({ peers }: PeerState, stays: ReadonlySet<string>): number[] {
  return [...peers.values()]
    .filter(({ rank, incarnation }) => !stays.has(lifeName(rank, incarnation)))
    .map(({ rank }) => rank);
}

function nameOf({ rank, incarnation }: ViewMember): string {
  return lifeName(rank, incarnation);
}

/** A life we have not heard of gets our updates once it subscribes. */
function admit(state: PeerState, member: ViewMember): void {
  const life = nameOf(member);
  if (member.rank === state.rank || state.lives.has(life)) return;
  const peer = createPeer(member, false);
  state.lives.set(life, peer);
  state.peers.set(member.rank, peer);
}

function passOn(state: PeerState, out: PeerOut): void {
  const others = presentPeers(state);
  const { view } = state.flush;
  for (const { rank, incarnation, standing, log } of state.lives.values()) {
    if (standing !== "gone") continue;
    for (const [clock, { rows, delta }] of log) {
      const origin = { rank, incarnation, clock, rows, delta };
      for (const other of others) {
        const body: PassedOn = { kind: "passed-on", view, ...origin, number: ++other.given };
        out.push({ kind: "send", to: other.rank, body });
      }
    }
  }
  for (const { rank: to, given: count } of others) {
    out.push({ kind: "send", to, body: { kind: "settled", view, count } });
  }
}

/** Takes an update of a departed member from one that has it. */
export function absorbPassedOn(
  state: PeerState,
  replica: Replica,
  { from, body }: { from: Peer; body: PassedOn },
  out: PeerOut,
): void {
  takeClock(from.received, body.number);
  absorbOf(state, replica, { peer: originOf(state, body), version: state.version, body }, out);
  concludeFlush(state, out);
}

/** The departed may be one that was gone before we came. */
function originOf(state: PeerState, { rank, incarnation }: PassedOn): Peer {
  const life = lifeName(rank, incarnation);
  const known = state.lives.get(life);
  if (known) return known;
  const peer = createPeer({ rank, incarnation, role: "worker" }, false);
  peer.standing = "gone";
  state.lives.set(life, peer);
  return peer;
}

/** Applies an update unless it was applied before, and keeps it while somebody may lack it. */
export function absorbOf(
  state: PeerState,
  replica: Replica,
  { peer, body, version }: { peer: Peer; body: Logged; version: number },
  out: PeerOut,
): void {
  const { clock, rows, delta } = body;
  if (!takeClock(peer.intake, clock)) {
    return out.push({ kind: "drop", from: peer.rank, reason: "applied before" });
  }
  peer.log.set(clock, { rows, delta });
  const staleness = Math.max(0, state.version - version);
  replica.apply({ rows, delta });
  state.version++;
  out.push({ kind: "report", report: { kind: "applied", from: peer.rank, clock, staleness } });
}

type Logged = Pick<PassedOn, "clock" | "rows" | "delta">;

/** A member has passed on all it had. */
export function absorbSettled(
  state: PeerState,
  from: number,
  { view, count }: Settled,
  out: PeerOut,
): void {
  if (view !== state.flush.view) return;
  state.flush.count.set(from, count);
  concludeFlush(state, out);
}

/** Once all have said what they passed on and all of it came, the departed are settled here; all are told so. */
function concludeFlush(state: PeerState, out: PeerOut): void {
  const { flush, peers } = state;
  const { view, waiting, count, flushed } = flush;
  for (const rank of waiting) {
    const given = count.get(rank);
    const { below } = peers.get(rank)!.received;
    if (given !== undefined && below >= given) waiting.delete(rank);
  }
  if (waiting.size > 0 || flushed.has(state.rank)) return;
  flushed.add(state.rank);
  for (const { rank: to } of presentPeers(state)) {
    out.push({ kind: "send", to, body: { kind: "flushed", view } });
  }
  forgetDeparted(state);
}

/** A member has what anybody had of the departed. */
export function absorbFlushed(state: PeerState, from: number, { view }: Flushed): void {
  if (view !== state.flush.view) return;
  state.flush.flushed.add(from);
  forgetDeparted(state);
}

function forgetDeparted(state: PeerState): void {
  if (state.flush.flushed.size <= presentPeers(state).length) return;
  for (const peer of state.lives.values()) if (peer.standing === "gone") peer.log.clear();
}

/** Whether somebody says to have updates of ours that we never made: nobody who keeps to the strategy does. */
export function isFalse(seen: Uint32Array, { rank, incarnation, clock }: PeerState): boolean {
  const own = lifeName(rank, incarnation);
  return [...triplesOf(seen)].some(([life, count]) => life === own && count > clock);
}

/** Remembers what a member has, of which we may lack some, and forgets what all have. */
export function absorbSeen(state: PeerState, peer: Peer, seen: Uint32Array): void {
  for (const [life, clock] of triplesOf(seen)) {
    if (clock > (peer.has.get(life) ?? 0)) peer.has.set(life, clock);
    const origin = state.lives.get(life);
    if (origin && peer.standing === "present" && clock > origin.told) origin.told = clock;
  }
  const others = presentPeers(state);
  for (const [life, origin] of state.lives) {
    if (origin.log.size === 0) continue;
    let least = Number.POSITIVE_INFINITY;
    for (const other of others) {
      if (other !== origin) least = Math.min(least, other.has.get(life) ?? 0);
    }
    for (const clock of origin.log.keys()) if (clock <= least) origin.log.delete(clock);
  }
}

/**
 * A change of view at a server. The servers of a view tell each other how many updates they have of each worker
 * that is gone, and their slowest count (flush). Of a departed worker the last update that all of them have
 * counts; one that only some have is taken back there - it can be no more than one, as a worker pushes again
 * only when all have answered. Then the departed are counted out, and newcomers in, at the slowest count of all
 * servers. What workers send meanwhile waits. No server ends before all of its view have settled the departed: one that
 * ended could not be asked again, if its word is still under way when the view changes.
 *
 * Source: algorithms.md, sections 3 and 10.
 * Invariant: no update of a departed worker is applied by some servers and dropped by others.
 * Invariant: a newcomer's count starts at the slowest's, and at all servers alike.
 */

import type { Replica } from "../math/replica.ts";
import { lifeName } from "../topology/view.ts";
import { countIn, countOut } from "./clocks.ts";
import { followHolders, holderRanks, partOf, seatsOf } from "./holders.ts";
import { answer, applyRound, mergeRound } from "./server.ts";
import {
  departedOf,
  type Flush,
  pairsOf,
  releaseDeferred,
  type ServerOut,
  type ServerState,
  sendWhenStored,
} from "./server-state.ts";
import { duplicate } from "./standby.ts";
import type { View, ViewMember } from "./strategy.ts";

/** Takes over a view: who holds the range now, who stands by, and begins the flush. */
export function becomeServerView(
  state: ServerState,
  replica: Replica,
  { view, now }: { view: View; now: number },
  out: ServerOut,
): void {
  const { holders, ranks, part } = state;
  const { before } = holders;
  state.view = view.id;
  followHolders(holders, view);
  state.flush = null;
  const stays = new Set([...view.members, ...view.left].map(nameOf));
  // Of a rank that comes back while it is not settled that it went, what is held is of whichever life sent it.
  state.held = state.held.filter(({ life }) => stays.has(life));
  const gone = goneRanks(state, stays);
  state.deferred = state.deferred.filter(({ to, body }) => !gone.has(to) && body.kind !== "flush");
  if (holders.lives.includes("nobody")) return out.push({ kind: "finish" });
  const holder = holders.lives[part]!;
  if (typeof holder === "object" && holder.rank === state.rank && state.standing === "standby") {
    state.standing = "holder";
    state.early.clear();
    state.forwarded = state.stored;
  }
  if (state.standing !== "holder") {
    // Who only just came has no model, either, that it could hand us.
    const others = seatsOf(ranks, view.members, part).filter(({ rank }) => rank !== state.rank);
    const isLost = others.every((life) => !before.some((known) => nameOf(known) === nameOf(life)));
    return isLost ? out.push({ kind: "finish" }) : undefined;
  }
  followPartner(state, view, out);
  for (const rank of gone) depart(state, rank);
  beginFlush(state, view, out);
  if (state.flush!.waiting.size === 0) concludeFlush(state, replica, now, out);
}

function nameOf({ rank, incarnation }: ViewMember): string {
  return lifeName(rank, incarnation);
}

/** Workers that are counted and neither in the view nor among those that left in good order. */
function goneRanks({ lives }: ServerState, stays: ReadonlySet<string>): Set<number> {
  const gone = [...lives].filter(([rank, incarnation]) => !stays.has(lifeName(rank, incarnation)));
  return new Set(gone.map(([rank]) => rank));
}

function followPartner(state: ServerState, view: View, out: ServerOut): void {
  const seats = seatsOf(state.ranks, view.members, state.part);
  const other = seats.find(({ rank }) => rank !== state.rank);
  if (!other) {
    state.partner = null;
    releaseDeferred(state, Number.POSITIVE_INFINITY, out);
    state.stored = state.forwarded;
  } else if (state.partner === null || nameOf(state.partner) !== nameOf(other)) {
    state.partner = { ...other, since: state.forwarded };
  }
}

/** Notes what is here of a worker that is gone; it is counted out when the flush is over. */
function depart(state: ServerState, rank: number): void {
  const incarnation = state.lives.get(rank)!;
  const count = state.clocks.counts[rank]!;
  state.departed.set(lifeName(rank, incarnation), [rank, incarnation, count, count]);
}

function beginFlush(state: ServerState, view: View, out: ServerOut): void {
  const { ranks, part } = state;
  const waiting = new Set(Array(ranks.servers).keys());
  waiting.delete(part);
  const slowest = slowestThatStays(state);
  const counted = [...state.lives];
  const everywhere = new Set(counted.map((life) => lifeName(...life)));
  state.flush = { waiting, least: new Map(), most: new Map(), everywhere, slowest };
  const lives = Int32Array.from(counted.flat());
  const departed = Int32Array.from([...state.departed.values()].flat());
  const body: Flush = { kind: "flush", view: view.id, slowest, lives, departed };
  for (const other of waiting) {
    for (const { rank: to } of seatsOf(ranks, view.members, other))
      tellCounts(state, to, body, out);
  }
}

/**
 * Others settle by what we tell, so who takes over from us must have it. A standby that has no model yet can't take
 * over, and says nothing before it has one, which may come after the flush only.
 */
function tellCounts(state: ServerState, to: number, body: Flush, out: ServerOut): void {
  const { partner, stored } = state;
  if (partner && stored <= partner.since) out.push({ kind: "send", to, body });
  else sendWhenStored(state, to, body, out);
}

/** The smallest count of a worker that is not gone; of none the largest there was. */
function slowestThatStays({ clocks, lives, departed }: ServerState): number {
  let slowest = Number.POSITIVE_INFINITY;
  for (const [rank, incarnation] of lives) {
    if (clocks.present[rank] !== 1 || departed.has(lifeName(rank, incarnation))) continue;
    slowest = Math.min(slowest, clocks.counts[rank]!);
  }
  return slowest === Number.POSITIVE_INFINITY ? clocks.fastest : slowest;
}

/** What another server has. */
export function absorbFlush(
  state: ServerState,
  replica: Replica,
  { from, body, now }: { from: number; body: Flush; now: number },
  out: ServerOut,
): void {
  const { flush, ranks } = state;
  const part = partOf(ranks, from);
  if (flush === null || body.view !== state.view || !flush.waiting.delete(part)) return;
  flush.slowest = Math.max(flush.slowest, body.slowest);
  for (const [rank, incarnation, count, told] of departedOf(body.departed)) {
    const life = lifeName(rank, incarnation);
    flush.least.set(life, Math.min(count, flush.least.get(life) ?? count));
    flush.most.set(life, Math.max(told, flush.most.get(life) ?? told));
  }
  const counted = [...pairsOf(body.lives)].map((life) => lifeName(...life));
  flush.everywhere = new Set(counted.filter((life) => flush.everywhere.has(life)));
  if (flush.waiting.size === 0) concludeFlush(state, replica, now, out);
}

/** All servers are heard: settles the departed, counts newcomers in, tells the standby, goes on. */
function concludeFlush(state: ServerState, replica: Replica, now: number, out: ServerOut): void {
  const released = new Set<number>();
  const strikeOut = (rank: number) => {
    state.lives.delete(rank);
    released.delete(rank);
    for (const other of countOut(state.clocks, rank)) released.add(other);
    state.latest[rank] = null;
  };
  for (const [rank, incarnation] of [...state.lives]) {
    const life = lifeName(rank, incarnation);
    if (!state.departed.has(life)) continue;
    if (state.clocks.present[rank] === 1) settle(state, replica, { rank, life }, out);
    strikeOut(rank);
  }
  const workers = state.holders.before.filter(({ role }) => role === "worker");
  for (const worker of workers) if (isCountedAnew(state, worker)) strikeOut(worker.rank);
  for (const worker of workers) if (!state.lives.has(worker.rank)) enter(state, worker);
  state.flush = null;
  duplicate(state, replica, out);
  answer(state, replica, { released: [...released], by: -1, now }, out);
  tellFlushed(state, out);
  // With nobody left the round ends with what is here.
  if (state.clocks.members === 0 && state.rounds) mergeRound(state, replica, out);
}

/**
 * A newcomer of an earlier view, which some servers did not settle before this one came: all count it in now, as what
 * it makes is compared by count. It has pushed nothing yet, since not all have answered it, and asks again: if it is
 * to be counted in elsewhere, somebody is gone in between.
 */
function isCountedAnew({ flush, lives, clocks }: ServerState, worker: ViewMember): boolean {
  const { rank, incarnation } = worker;
  if (lives.get(rank) !== incarnation || clocks.present[rank] !== 1) return false;
  const { everywhere, slowest } = flush!;
  return clocks.counts[rank] !== slowest && !everywhere.has(lifeName(rank, incarnation));
}

/** Tells the other holders, once the standby has settled the departed too. */
function tellFlushed(state: ServerState, out: ServerOut): void {
  const { holders, ranks, part, view } = state;
  for (let other = 0; other < ranks.servers; other++) {
    if (other === part) continue;
    for (const to of holderRanks(holders, other)) {
      sendWhenStored(state, to, { kind: "flushed", view }, out);
    }
  }
}

/** The holder of a range has settled the departed of a view. */
export function absorbFlushed({ flushed, ranks }: ServerState, from: number, view: number): void {
  const part = partOf(ranks, from);
  flushed.set(part, Math.max(view, flushed.get(part) ?? 0));
}

/** Whether all holders have settled the departed of this view; in the first there are none. */
export function allFlushed({ flushed, ranks, part, view }: ServerState): boolean {
  const others = [...Array(ranks.servers).keys()].filter((other) => other !== part);
  return view === 1 || others.every((other) => flushed.get(other) === view);
}

/**
 * The last update of the departed counts if all servers have it; in rounds only if one of them has merged it, as every
 * worker that stays must have pushed as often for that: in a round that is open everywhere its rank may push again, by its
 * next life.
 */
function settle(
  state: ServerState,
  replica: Replica,
  { rank, life }: { rank: number; life: string },
  out: ServerOut,
): void {
  const { clocks, flush, entered } = state;
  const count = clocks.counts[rank]!;
  const others = state.ranks.servers - 1;
  const least = others === 0 ? count : (flush!.least.get(life) ?? entered[rank]!);
  const most = Math.max(count, flush!.most.get(life) ?? count);
  const isOpen = state.rounds && flush!.slowest < most;
  const isTaken = count > least || (isOpen && count === most);
  if (isTaken) takeBack(state, replica, rank, out);
  // Who has yet to settle it, in a later view, goes by what is left here.
  state.departed.set(life, [rank, state.lives.get(rank)!, isTaken ? count - 1 : count, most]);
  // One server tells it for all, whoever lacks the update; the worker, should it come back, need not tell it again.
  if (state.part !== 0 || (most <= Math.min(count, least) && !isOpen)) return;
  out.push({ kind: "report", report: { kind: "lost", from: rank, updates: 1 } });
}

/** Takes the departed's last update back: out of the open round, the round merged last, or the model. */
function takeBack(state: ServerState, replica: Replica, from: number, out: ServerOut): void {
  const { inbox, merged, latest, clocks } = state;
  if (state.rounds && inbox[from]) {
    inbox[from] = null;
    return;
  }
  if (merged?.updates[from]) {
    replica.load(merged.before);
    merged.updates[from] = null;
    applyRound(state, replica, merged.updates);
    state.answered = replica.snapshot();
  } else if (latest[from]) replica.apply(latest[from], -1);
  else return;
  const clock = clocks.counts[from]!;
  out.push({ kind: "report", report: { kind: "undone", from, clock } });
}

/** Counts a newcomer in; it asks for the model itself. */
function enter(state: ServerState, { rank, incarnation }: ViewMember): void {
  const { clocks, flush, lives, entered } = state;
  lives.set(rank, incarnation);
  entered[rank] = flush!.slowest;
  state.waitsSince[rank] = Number.NaN;
  countIn(clocks, rank, flush!.slowest);
}

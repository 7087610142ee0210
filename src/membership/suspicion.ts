/**
 * Whose beat is late, who is dead for certain, and what that leaves of a quorum (membership.ts has the algorithm).
 */
import { addDuration, createDurations, deadlineOf, longestOf } from "../math/deadline.ts";
import { memberOf } from "../topology/view.ts";
import type { Heard, Membership, MembershipOptions } from "./membership.ts";
import { haveDealings, isQuorum } from "./views.ts";

const allPairsMaxUsual = 8;
const firstBeats = 10;
const leaseBeats = 100;
/** A newcomer that nobody answers gives up. */
const joinBeats = 200;

/** Time in which we did nothing is nobody's silence but ours; who was heard meanwhile is heard from then, no later. */
export function forgiveOwnDelay(state: Membership, now: number): void {
  const late = now - state.beatAt - state.options.beatSeconds;
  state.beatAt = now;
  if (!(late > state.options.beatSeconds)) return;
  for (const known of [...state.heard.values(), ...state.ways.values()]) {
    known.at = Math.min(now, known.at + late);
  }
}

/** Whether these may decide what follows the view: a quorum, or everybody whose end was not seen. */
export function decides({ view, options, dead }: Membership, ranks: ReadonlySet<number>): boolean {
  if (isQuorum(view!, ranks, options.quorum)) return true;
  return dead.size > 0 && view!.members.every(({ rank }) => dead.has(rank) || ranks.has(rank));
}

/** The process of that rank's present life has ended, for certain. */
export function noteDeath({ view, dead, rank: own }: Membership, rank: number): void {
  if (rank !== own && view?.members.some((life) => life.rank === rank)) dead.add(rank);
}

/** A member's lease ends when it has heard of no quorum for long: others may have gone on, and ended, without it. */
export function hasLostLease({ aloneSince, options, waited }: Membership, now: number): boolean {
  const { beatSeconds, leaseSeconds } = options;
  if (waited * beatSeconds > (leaseSeconds ?? joinBeats * beatSeconds)) return true;
  return now - aloneSince > (leaseSeconds ?? leaseBeats * beatSeconds);
}

/** Whether these are so many that beats go along some pairs only (news.ts). */
export function isSparse({ options }: Pick<Membership, "options">, members: number): boolean {
  return members > (options.allPairsMax ?? allPairsMaxUsual);
}

/** A beat of that member has come. */
export function noteBeat(
  known: Pick<Heard, "at" | "intervals" | "patienceSeconds">,
  { beatSeconds }: MembershipOptions,
  now: number,
): void {
  const { intervals } = known;
  addDuration(intervals, now - known.at);
  known.at = now;
  const rule = { floorSeconds: 4 * beatSeconds, firstSeconds: 0, spreads: 10 };
  known.patienceSeconds = Math.max(deadlineOf(intervals, rule), 2 * longestOf(intervals));
}

/** Ranks whose beat is late. */
export function suspected(state: Membership, now: number): Set<number> {
  const { view, heard, rank, dead } = state;
  const late = new Set<number>();
  for (const { rank: other } of view?.members ?? []) {
    if (other === rank) continue;
    const known = heard.get(other);
    if (dead.has(other)) late.add(other);
    if (known && now - known.at > known.patienceSeconds) late.add(other);
  }
  return late;
}

/**
 * Ranks that the next view does without: the suspected, unless nobody needs their link to us; of those that are vital the
 * dead, and who is silent for a lease.
 */
export function givenUp(state: Membership, now: number): Set<number> {
  const { heard, dead, vital, options } = state;
  const late = suspected(state, now);
  const gone = new Set([...late].filter((rank) => !isHeardWhereNeeded(state, rank, late)));
  const { beatSeconds, leaseSeconds = leaseBeats * beatSeconds } = options;
  for (const rank of vital) {
    if (!dead.has(rank) && now - (heard.get(rank)?.at ?? now) <= leaseSeconds) gone.delete(rank);
  }
  return gone;
}

/** Whether a worker that we, a worker too, do not hear is heard by the servers, as far as those have said, and they by us. */
function isHeardWhereNeeded(
  { view, rank: own, dead, complaints, ...state }: Membership,
  rank: number,
  late: ReadonlySet<number>,
): boolean {
  const { members } = view!;
  const lifeOf = (of: number) => memberOf(members, of)!;
  // Among many, silence is what nobody has news of (news.ts).
  if (dead.has(rank) || isSparse(state, members.length)) return false;
  if (haveDealings(view!, lifeOf(own), lifeOf(rank))) return false;
  const servers = members.filter((life) => life.role === "server" && !late.has(life.rank));
  return servers.length > 0 && servers.every((life) => !complaints.get(life.rank)?.has(rank));
}

/** What is known of that rank; from now on if nothing was. */
export function heardOf(state: Membership, rank: number, now: number): Heard {
  const known = state.heard.get(rank);
  if (known) return known;
  const patienceSeconds = firstPatience(state);
  const intervals = createDurations();
  const fresh = { at: now, intervals, patienceSeconds, beats: 0, view: 0, over: false };
  state.heard.set(rank, fresh);
  return fresh;
}

/** How long the first beat may take. */
export function firstPatience(state: Membership): number {
  const { options, view } = state;
  const members = view?.members.length ?? 0;
  // It may come by way of many others.
  const beats = firstBeats + (isSparse(state, members) ? Math.log2(members) : 0);
  return beats * options.beatSeconds;
}

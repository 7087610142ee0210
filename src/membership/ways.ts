/**
 * Ways in use, among so many members that beats go along some pairs only (news.ts). News of a member come by way of
 * others there, so nobody would see that two do not hear each other; and if their strategy speaks to each other, both
 * would wait for as long as the link is broken. So members whose strategies have spoken to each other send each other
 * their news besides, and one whose own words stay out while news of it go on coming is complained of (links.ts).
 *
 * Who is dead, stopped or busy has no news either: it is suspected at most, and complained of by nobody.
 *
 * Invariant: a member complains of nobody that it suspects, nor where its strategy and the other's have not spoken.
 */
import { createDurations, type Durations } from "../math/deadline.ts";
import { memberOf } from "../topology/view.ts";
import type { Membership } from "./membership.ts";
import { firstPatience, noteBeat, suspected } from "./suspicion.ts";

/** What is known of the link to a life that the strategy has to do with. */
export interface Way {
  readonly incarnation: number;
  /** When something last came along it. */
  at: number;
  readonly intervals: Durations;
  patienceSeconds: number;
  /** The other has promised its next words within so many of its beats. */
  within: number;
  /** How often there had been news of the other when something last came. */
  newsBefore: number;
}

/** So often others have news of a member whose own words do not come. */
const newsMin = 4;

/** Our strategy speaks to that member, or would hear it. */
export function noteUse(state: Membership, rank: number, now: number): void {
  const { view, ways, rank: own } = state;
  if (ways.has(rank) || rank === own || view === null) return;
  const life = memberOf(view.members, rank);
  if (!life) return;
  ways.set(rank, {
    ...{ incarnation: life.incarnation, at: now, intervals: createDurations() },
    ...{ patienceSeconds: firstPatience(state), within: 0, newsBefore: newsOf(state, rank) },
  });
}

/** Something came from that life itself. Only gaps tell how patient one must be: many words at once say nothing. */
export function noteSign(
  state: Membership,
  { from, by, now }: { from: number; by: number; now: number },
): void {
  const way = state.ways.get(from);
  if (way?.incarnation !== by) return;
  if (2 * (now - way.at) > state.options.beatSeconds) noteBeat(way, state.options, now);
  way.at = now;
  way.newsBefore = newsOf(state, from);
}

function newsOf({ heard }: Membership, rank: number): number {
  return heard.get(rank)?.intervals.count ?? 0;
}

/** Ranks whose own words stay out while there are news of them. */
export function silentWays(state: Membership, now: number): number[] {
  const { ways, heard, options } = state;
  const late = suspected(state, now);
  const isSilent = ([rank, way]: [number, Way]) => {
    const known = heard.get(rank);
    if (!known || late.has(rank)) return false;
    const patience = Math.max(way.patienceSeconds, known.patienceSeconds);
    if (now - way.at <= patience + way.within * options.beatSeconds) return false;
    return known.intervals.count - way.newsBefore >= newsMin + way.within;
  };
  return [...ways].filter(isSilent).map(([rank]) => rank);
}

/** Whom of those ways' ends we tell our news at this beat, beside who hears them anyhow; each within so many beats. */
export function toldAlongWays(
  { ways, view, dead, beats }: Membership,
  told: ReadonlySet<number>,
): { readonly ranks: readonly number[]; readonly within: number } {
  const ends = [...ways.keys()].filter((rank) => !told.has(rank) && !dead.has(rank));
  ends.sort((a, b) => a - b);
  const most = 2 * Math.ceil(Math.log2(view!.members.length));
  const within = Math.ceil(ends.length / most);
  const start = within === 0 ? 0 : (beats % within) * most;
  return { ranks: ends.slice(start, start + most), within };
}

/** Ways to lives that are out of the view are none. */
export function forgetWays({ ways, view }: Membership): void {
  for (const [rank, { incarnation }] of ways) {
    if (memberOf(view!.members, rank)?.incarnation !== incarnation) ways.delete(rank);
  }
}

/**
 * Links that are broken while both of their ends are there. Who is silent to the authority is out of the next view;
 * two members that the authority hears may still not hear each other, and what they owe each other would wait for as
 * long as that lasts. So a beat says whom of the view its sender does not hear, and the authority leaves out few, so
 * that all who stay hear each other.
 *
 * A member's word alone expels nobody else: when both ends say so, twice in a row, either may go; when one says so for
 * longer while the other is content, it is that one which goes. Somebody dead, stopped or busy says nothing, and who
 * is late itself holds nothing against others (suspicion.ts). A life that was expelled is admitted again when every
 * member hears it (joining.ts), so a link that stays broken does not expel the same member again and again.
 *
 * Where there are servers, workers have nothing to say to each other: no worker goes, or stays out, for its link to
 * another, also to one that is the authority, as long as the servers hear it (suspicion.ts, joining.ts).
 *
 * Source: Huang et al. 2017, "Gray failure"; members that touch all broken links are a vertex cover. Taken greedily it
 * may have more members than the smallest.
 * Invariant: nobody vital is left out; the authority only where somebody vital hears all but it.
 */
import { memberOf } from "../topology/view.ts";
import type { Membership } from "./membership.ts";
import { decides, isSparse, suspected } from "./suspicion.ts";
import { haveDealings } from "./views.ts";
import { silentWays } from "./ways.ts";

/** In how many beats in a row both ends have said so, or one alone. */
const [mutualBeats, loneBeats] = [2, 6] as const;

/** What the authority was told of one member by another. */
export interface Complaint {
  /** Beats in a row of who complains, and of the other by then. */
  readonly times: number;
  readonly beatsBefore: number;
}

interface Broken {
  readonly ends: readonly [number, number];
  /** Who may go for it. */
  readonly mayGo: readonly number[];
}

/** Ranks of the view that this member does not hear, ascending; among many, of those that it should hear itself. */
export function unheardBy(state: Membership, now: number): Uint32Array {
  const isMany = isSparse(state, state.view!.members.length);
  return Uint32Array.from(isMany ? silentWays(state, now) : suspected(state, now)).sort();
}

/** All that was said of who does not hear whom, as pairs. */
export function allUnheard({ complaints }: Membership): Uint32Array {
  const pairs = [...complaints].flatMap(([by, about]) => [...about.keys()].map((of) => [by, of]));
  return Uint32Array.from(pairs.flat());
}

/** Whom this member does not hear, and who does not hear it, by their last words; ascending. */
export function lackedBy({ complaints, rank: own }: Membership): Uint32Array {
  const deaf = [...complaints].filter(([, about]) => about.has(own)).map(([by]) => by);
  const ranks = new Set([...deaf, ...(complaints.get(own)?.keys() ?? [])]);
  return Uint32Array.from(ranks).sort();
}

/**
 * The rank that decides who takes part: the lowest that is not suspected and, as far as it has said, hears a quorum; one
 * that hears none could not have a view accepted.
 */
export function authorityOf(state: Membership, now: number): number | undefined {
  const { view, complaints } = state;
  const gone = suspected(state, now);
  const present = view!.members.map(({ rank }) => rank).filter((rank) => !gone.has(rank));
  const hearsQuorum = (rank: number) => {
    const about = rank === state.rank ? gone : complaints.get(rank);
    if (!about) return true;
    const heard = view!.members.filter((life) => !about.has(life.rank));
    return decides(state, new Set(heard.map((life) => life.rank)));
  };
  return present.find(hearsQuorum) ?? present[0];
}

/** Notes whom a member of our view does not hear, by its beat. */
export function noteComplaints(
  { complaints, heard, view }: Membership,
  from: number,
  beat: { readonly view: number; readonly unheard: Uint32Array },
): void {
  const before = complaints.get(from);
  complaints.delete(from);
  if (beat.view !== view!.id || beat.unheard.length === 0) return;
  const about = new Map<number, Complaint>();
  for (const rank of beat.unheard) {
    const known = before?.get(rank);
    const beatsBefore = known?.beatsBefore ?? heard.get(rank)?.intervals.count ?? 0;
    about.set(rank, { times: (known?.times ?? 0) + 1, beatsBefore });
  }
  complaints.set(from, about);
}

/** In how many beats in a row one said that it does not hear the other, which meanwhile was heard of as often. */
function complaintsOf({ complaints, heard, rank: own }: Membership, by: number, of: number) {
  const told = complaints.get(by)?.get(of);
  if (!told) return 0;
  const beats = (heard.get(of)?.intervals.count ?? 0) - told.beatsBefore;
  return of === own ? told.times : Math.min(told.times, beats);
}

function brokenLinks(state: Membership, gone: ReadonlySet<number>): Broken[] {
  const { rank: own, vital } = state;
  const mayStayAway = (rank: number) => rank !== own && !vital.includes(rank);
  const found: Broken[] = [];
  for (const [a, b] of pairsInQuestion(state, gone)) {
    const [byA, byB] = [complaintsOf(state, a, b), complaintsOf(state, b, a)];
    const isMutual = Math.min(byA, byB) >= mutualBeats;
    if (!isMutual && Math.max(byA, byB) < loneBeats) continue;
    const blamed = isMutual ? [a, b] : [byA > byB ? a : b];
    const mayGo = blamed.filter(mayStayAway);
    found.push({ ends: [a, b], mayGo: mayGo.length > 0 ? mayGo : [a, b].filter(mayStayAway) });
  }
  return found;
}

/** Pairs of which at least one does not hear the other, each once. */
function pairsInQuestion(
  { complaints, view }: Membership,
  gone: ReadonlySet<number>,
): (readonly [number, number])[] {
  const lifeOf = (rank: number) => (gone.has(rank) ? undefined : memberOf(view!.members, rank));
  return [...complaints].flatMap(([by, about]) => {
    const one = lifeOf(by);
    const ends = [...about.keys()].filter((of) => {
      const other = lifeOf(of);
      const isFirst = by < of || !complaints.get(of)?.has(by);
      return one && other && isFirst && haveDealings(view!, one, other);
    });
    return ends.map((of) => [Math.min(by, of), Math.max(by, of)] as const);
  });
}

/** Whether the authority alone does not hear somebody who is vital, while all others do: then it is the authority that goes. */
function isInTheWay({ complaints, view, rank: own, vital }: Membership, gone: ReadonlySet<number>) {
  const told = complaints.get(own) ?? new Map<number, Complaint>();
  return [...told].some(([rank, { times }]) => {
    if (times < loneBeats || !vital.includes(rank) || gone.has(rank)) return false;
    const vitalOne = view!.members.find((life) => life.rank === rank)!;
    const others = view!.members.filter(
      (life) =>
        ![own, rank].includes(life.rank) &&
        !gone.has(life.rank) &&
        haveDealings(view!, life, vitalOne),
    );
    return others.length > 0 && others.every((life) => !complaints.get(life.rank)?.has(rank));
  });
}

/**
 * Who is left out so that all others hear each other: again and again whoever has most broken links; of several a
 * worker rather than a server, then the highest rank.
 * @param gone who is out of the next view anyhow.
 */
export function leftOut(state: Membership, gone: ReadonlySet<number>): Set<number> {
  const out = new Set<number>();
  if (isInTheWay(state, gone)) out.add(state.rank);
  let broken = brokenLinks(state, gone);
  const { members } = state.view!;
  const ranks = [...members].sort(
    (a, b) => Number(a.role === "server") - Number(b.role === "server") || b.rank - a.rank,
  );
  for (;;) {
    const countOf = (rank: number) => broken.filter(({ mayGo }) => mayGo.includes(rank)).length;
    const counts = ranks.map(({ rank }) => countOf(rank));
    const most = Math.max(0, ...counts);
    if (most === 0) return out;
    const { rank } = ranks[counts.indexOf(most)]!;
    out.add(rank);
    broken = broken.filter(({ ends }) => !ends.includes(rank));
  }
}

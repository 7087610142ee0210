/**
 * Beats among many members. If each told every other, 65 members would send 4,160 messages a beat. Above
 * `allPairsMax` a member tells those that follow it by 1, 2, 4, 8 ... places in the view, and what it tells is what
 * it knows of everybody: how many beats each has made. A count that grows is a sign of life, whoever brought it,
 * so news of a member reach all others within log2(n) beats, along many ways: n log2(n) messages.
 *
 * Of whom there is no news for half of the time that would make it suspected is asked directly, a few a beat,
 * and answers at once: ways that broke, or a part of the ring that is gone, expel nobody who is there.
 *
 * Source: van Renesse, Minsky and Hayden 1998 (counts that are passed on); Das, Gupta and Motivala 2002 (asking
 * before suspecting); the places are those of a Chord ring, Stoica et al. 2001.
 * Where strategies speak to each other their members exchange news directly, too (ways.ts).
 *
 * Invariant: a member sends at most 5 log2(n) + 4 messages of this kind a beat, and one for each question.
 */
import { allUnheard, authorityOf, noteComplaints, unheardBy } from "./links.ts";
import type { Membership } from "./membership.ts";
import type { MembershipOut, News } from "./messages.ts";
import { heardOf, isSparse, noteBeat } from "./suspicion.ts";
import { noteUse, toldAlongWays } from "./ways.ts";

/** A count with its flags is one word; 0 says that nothing is known in this view. */
const flagCount = 4;
const [overFlag, leavingFlag] = [1, 2] as const;

/** Ranks that hear what a member has to say: in a small view all others, else some, by their place. */
export function listeners(state: Membership): number[] {
  const { view, rank: own, dead } = state;
  const ranks = view!.members.map(({ rank }) => rank);
  if (!isSparse(state, ranks.length)) return ranks.filter((rank) => rank !== own);
  const living = ranks.filter((rank) => rank === own || !dead.has(rank));
  const place = living.indexOf(own);
  const found: number[] = [];
  for (let step = 1; step < living.length; step *= 2) {
    found.push(living[(place + step) % living.length]!);
  }
  return found;
}

/** Tells the listeners; asks those of whom there is no news; who is over or leaves tells the authority too. */
export function tellNews(state: Membership, now: number, out: MembershipOut): void {
  const { rank, over, leaving, view } = state;
  noteComplaints(state, rank, { view: view!.id, unheard: unheardBy(state, now) });
  state.beats++;
  const told = new Set(listeners(state));
  const news = newsOf(state);
  for (const to of toldAlongWays(state, told).ranks) told.add(to);
  for (const to of told) out.push({ kind: "send", to, body: news });
  if (over || leaving.has(rank)) {
    const authority = authorityOf(state, now);
    if (authority !== undefined && authority !== rank && !told.has(authority)) {
      out.push({ kind: "send", to: authority, body: news });
    }
  }
  const question = { ...news, ask: true };
  for (const to of quietOnes(state, now)) out.push({ kind: "send", to, body: question });
}

function newsOf(state: Membership): News {
  const { view, heard, rank: own, leaving, incarnation: by } = state;
  const word = (rank: number, beats: number, over: boolean) =>
    beats * flagCount + (over ? overFlag : 0) + (leaving.has(rank) ? leavingFlag : 0);
  const ownWord = word(own, state.beats, state.over);
  const known = Uint32Array.from(view!.members, ({ rank }) => {
    const about = heard.get(rank);
    if (rank === own) return ownWord;
    return about?.view === view!.id ? word(rank, about.beats, about.over) : 0;
  });
  const { within } = toldAlongWays(state, new Set(listeners(state)));
  const unheard = allUnheard(state);
  return { kind: "m/news", by, view: view!.id, ask: false, own: ownWord, known, unheard, within };
}

/** Some of those whose news are late, others at each beat. */
function quietOnes(state: Membership, now: number): number[] {
  const { view, heard, rank: own, dead, beats } = state;
  const quiet = view!.members
    .map(({ rank }) => rank)
    .filter((rank) => {
      const about = heard.get(rank);
      return (
        rank !== own && about && !dead.has(rank) && 2 * (now - about.at) > about.patienceSeconds
      );
    });
  const most = Math.ceil(Math.log2(view!.members.length));
  return quiet.slice(0, most).map((_, k) => quiet[(beats * most + k) % quiet.length]!);
}

/** Takes news of a member of the view, and through it of the others. */
export function absorbNews(
  state: Membership,
  { from, body, now }: { from: number; body: News; now: number },
  out: MembershipOut,
): void {
  const { view, ways, rank: own } = state;
  hear(state, { rank: from, word: body.own, body }, now);
  const way = ways.get(from);
  if (way) way.within = body.within;
  if (body.view === view!.id && body.known.length === view!.members.length) {
    view!.members.forEach(({ rank }, place) => {
      const word = body.known[place]!;
      if (rank !== own && rank !== from && word > 0) hear(state, { rank, word, body }, now);
    });
  }
  if (body.ask) out.push({ kind: "send", to: from, body: newsOf(state) });
}

function hear(
  state: Membership,
  { rank, word, body }: { rank: number; word: number; body: Pick<News, "view" | "unheard"> },
  now: number,
): void {
  const known = heardOf(state, rank, now);
  const beats = Math.floor(word / flagCount);
  if (beats <= known.beats) return;
  noteBeat(known, state.options, now);
  known.beats = beats;
  known.view = body.view;
  // Nearly always there are none, and this is asked of every member.
  const unheard =
    body.unheard.length === 0
      ? body.unheard
      : body.unheard.filter((_, k) => k % 2 === 1 && body.unheard[k - 1] === rank);
  noteComplaints(state, rank, { view: body.view, unheard });
  // Who does not hear us is to be heard ourselves, and to hear from us: perhaps it could not dial.
  if (unheard.includes(state.rank)) noteUse(state, rank, now);
  if (word & overFlag) {
    known.over = true;
    state.overSince = Math.min(state.overSince, now);
  }
  if (word & leavingFlag) state.leaving.add(rank);
}

/**
 * Whom a newcomer asks: everybody who may be there, or of many some, others at each beat; first those it knows of. Without
 * those whom its earlier life lacked it is not let in, so they are always asked.
 */
export function askedToJoin(state: Membership): number[] {
  const { rank: own, ranks, around, waited, options, lacks } = state;
  const all = Array.from({ length: ranks }, (_, rank) => rank).filter((rank) => rank !== own);
  if (!isSparse({ options }, ranks)) return all;
  const known = around?.members.map(({ rank }) => rank).filter((rank) => rank !== own) ?? [];
  const asked = known.length > 0 && waited % 2 === 1 ? known : all;
  const most = Math.ceil(Math.log2(ranks));
  const start = own + Math.floor(waited / 2) * most;
  const some = asked.slice(0, most).map((_, k) => asked[(start + k) % asked.length]!);
  return [...new Set([...lacks, ...some])];
}

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
 * Invariant: a member sends at most 3 log2(n) + 1 messages of this kind a beat, and one for each question.
 */
import { authorityOf } from "./links.ts";
import type { Membership } from "./membership.ts";
import type { MembershipOut, News } from "./messages.ts";
import { heardOf, isSparse, noteBeat } from "./suspicion.ts";

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
  const { rank, over, leaving } = state;
  const told = new Set(listeners(state));
  const news = newsOf(state);
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
  const ownWord = word(own, ++state.beats, state.over);
  const known = Uint32Array.from(view!.members, ({ rank }) => {
    const about = heard.get(rank);
    if (rank === own) return ownWord;
    return about?.view === view!.id ? word(rank, about.beats, about.over) : 0;
  });
  return { kind: "m/news", by, view: view!.id, ask: false, own: ownWord, known };
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
  const { view } = state;
  hear(state, { rank: from, word: body.own, view: body.view }, now);
  if (body.view === view!.id && body.known.length === view!.members.length) {
    view!.members.forEach(({ rank }, place) => {
      const word = body.known[place]!;
      if (rank !== state.rank && rank !== from && word > 0)
        hear(state, { rank, word, view: body.view }, now);
    });
  }
  if (body.ask) out.push({ kind: "send", to: from, body: newsOf(state) });
}

function hear(
  state: Membership,
  { rank, word, view }: { rank: number; word: number; view: number },
  now: number,
): void {
  const known = heardOf(state, rank, now);
  const beats = Math.floor(word / flagCount);
  if (beats <= known.beats) return;
  noteBeat(known, state.options, now);
  known.beats = beats;
  known.view = view;
  if (word & overFlag) {
    known.over = true;
    state.overSince = Math.min(state.overSince, now);
  }
  if (word & leavingFlag) state.leaving.add(rank);
}

/** Whom a newcomer asks: everybody who may be there, or of many some, others at each beat; first those it knows of. */
export function askedToJoin({ rank: own, ranks, around, waited, options }: Membership): number[] {
  const all = Array.from({ length: ranks }, (_, rank) => rank).filter((rank) => rank !== own);
  if (!isSparse({ options }, ranks)) return all;
  const known = around?.members.map(({ rank }) => rank).filter((rank) => rank !== own) ?? [];
  const asked = known.length > 0 && waited % 2 === 1 ? known : all;
  const most = Math.ceil(Math.log2(ranks));
  const start = own + Math.floor(waited / 2) * most;
  return asked.slice(0, most).map((_, k) => asked[(start + k) % asked.length]!);
}

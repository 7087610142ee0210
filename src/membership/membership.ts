/**
 * Membership: who takes part, agreed upon by the members themselves.
 *
 * Every member sends a beat to every other (among many: to some, which pass it on; news.ts); one whose beat is late (median + k*MAD of the intervals before,
 * with a floor, and twice the longest of the last) is suspected. Who was late itself, because it was stopped or
 * busy, holds nothing against the others. The authority - the lowest rank of the view that is not suspected, and hears a quorum - proposes the
 * next view when somebody is suspected, has finished, leaves or wants to join. View v + 1 is decided by the members of
 * view v, by one decree of Paxos: a ballot is promised by a quorum, then its view - or the one that a promise
 * says was accepted before - is accepted by a quorum, then it is installed. So an authority that dies half-way
 * is succeeded by the next, which completes what it began.
 *
 * A death that is certain, because the process was seen to end, needs no majority of the dead: then all others
 * together decide. Nobody of a view that they could contradict is left: whoever heard of one is among them.
 *
 * Who hears of no quorum for long has lost its lease and ends. Who finds itself in no view any more was expelled: it begins a new life and joins. Messages of earlier lives
 * are fenced (engines/membered.ts).
 *
 * Source: algorithms.md, section 10; Lamport 2001, "Paxos made simple".
 * Invariant: at most one view of each number is ever installed.
 * Invariant: views are installed in ascending order at every member.
 */
import type { Durations } from "../math/deadline.ts";
import type { Role, View, ViewMember } from "../topology/view.ts";
import { hearNewcomer, joinBody, noteAnswer, noteNewcomer, type Witnesses } from "./joining.ts";
import { authorityOf, type Complaint, lackedBy, noteComplaints, unheardBy } from "./links.ts";
import type { MembershipMessage, MembershipOut, News } from "./messages.ts";
import { absorbNews, askedToJoin, tellNews } from "./news.ts";
import { wantedView } from "./succession.ts";
import {
  decides,
  forgiveOwnDelay,
  givenUp,
  heardOf,
  isSparse,
  noteBeat,
  suspected,
} from "./suspicion.ts";
import { changesMembers, includesLife, readView, viewWords } from "./views.ts";
import { forgetWays, noteSign, type Way } from "./ways.ts";

/** How members watch each other. */
export interface MembershipOptions {
  readonly beatSeconds: number;
  readonly quorum: "majority" | "any";
  /** Who hears of no quorum, or of nobody it could join, for so long gives up; without it, a while. */
  readonly leaseSeconds?: number;
  /**
   * Who leaves asks to be counted out only once its engine knows that the others have all it sent: for links that
   * end with their process.
   */
  readonly partsHeard?: boolean;
  /** Up to so many members each beats every other; among more each beats some (news.ts). */
  readonly allPairsMax?: number;
}

/** What is known of another member. */
export interface Heard {
  at: number;
  readonly intervals: Durations;
  /** How long may pass without one. */
  patienceSeconds: number;
  /** Beats that its present life has made, where they are counted. */
  beats: number;
  view: number;
  over: boolean;
}

interface Proposal {
  readonly ballot: number;
  readonly wanted: View;
  /** Whom it leaves out for their silence. */
  readonly silent: ReadonlySet<number>;
  readonly since: number;
  readonly promises: Set<number>;
  readonly accepts: Set<number>;
  /** What the promises say was accepted before. */
  bestBallot: number;
  best: View | null;
  accepting: boolean;
}

/** One member's membership: plain data. */
export interface Membership {
  readonly options: MembershipOptions;
  readonly rank: number;
  readonly role: Role;
  /** Ranks that may exist. */
  readonly ranks: number;
  incarnation: number;
  /** The view installed last; null before the first. */
  view: View | null;
  /** Whom a member that is in no view knows of: those of this one. */
  around: View | null;
  readonly heard: Map<number, Heard>;
  readonly joining: Map<number, ViewMember>;
  /** By rank: whom members say they do not hear (links.ts), and who hears a life that wants to join (joining.ts). */
  readonly complaints: Map<number, Map<number, Complaint>>;
  readonly witnesses: Map<number, Witnesses>;
  /** By rank: the links to those that our strategy has to do with. */
  readonly ways: Map<number, Way>;
  /** As a newcomer: who has answered, and with whom our life before had a broken link. */
  readonly answeredBy: Set<number>;
  readonly lacks: Uint32Array;
  /** Ranks whose present life asks to be counted out, and those whose process is known to have ended. */
  readonly leaving: Set<number>;
  readonly dead: Set<number>;
  /** Ranks of the view without which nobody can go on: their silence is waited out, as long as a lease lasts. */
  vital: readonly number[];
  /** As an acceptor of view.id + 1. */
  promised: number;
  acceptedBallot: number;
  accepted: View | null;
  proposal: Proposal | null;
  ballots: number;
  /** Our own part is over; and since when we know of anybody's. */
  over: boolean;
  overSince: number;
  /** Since when we hear of no quorum of our view. */
  aloneSince: number;
  /** When we last sent a beat, and how many were counted. */
  beatAt: number;
  beats: number;
  /** Beats since we began to join. */
  waited: number;
  /** A view that we decided and have yet to install ourselves. */
  decided: View | null;
}

/** What comes of an event. */
export interface Verdict {
  /** "expelled": by that view, which is without us. */
  readonly kind: "installed" | "expelled";
  readonly view: View;
}

type Out = MembershipOut;

const ranksMax = 1 << 16;
const proposalBeats = 6;

/** A member that is in `view`, or with null one that wants to join. */
export function createMembership(
  life: Pick<Membership, "rank" | "incarnation" | "role" | "ranks" | "view"> & {
    around?: View | null;
    lacks?: Uint32Array;
  },
  options: MembershipOptions,
): Membership {
  return {
    options,
    around: null,
    lacks: new Uint32Array(0),
    ...life,
    heard: new Map(),
    joining: new Map(),
    complaints: new Map(),
    witnesses: new Map(),
    ways: new Map(),
    answeredBy: new Set(),
    leaving: new Set(),
    dead: new Set(),
    vital: [],
    promised: 0,
    acceptedBallot: 0,
    accepted: null,
    proposal: null,
    ballots: 0,
    over: false,
    overSince: Number.POSITIVE_INFINITY,
    aloneSince: Number.POSITIVE_INFINITY,
    beatAt: Number.NaN,
    beats: 0,
    waited: 0,
    decided: null,
  };
}

/** Once every beat: tells the others, and leads if it is ours to lead. */
export function beat(state: Membership, now: number, out: Out): void {
  const { view, rank, incarnation: by, over } = state;
  forgiveOwnDelay(state, now);
  if (view === null) {
    state.waited++;
    for (const to of askedToJoin(state)) out.push({ kind: "send", to, body: joinBody(state) });
    return;
  }
  if (isSparse(state, view.members.length)) tellNews(state, now, out);
  else {
    const unheard = unheardBy(state, now);
    noteComplaints(state, rank, { view: view.id, unheard });
    tellOthers(state, { kind: "m/beat", by, view: view.id, over, unheard }, out);
    if (state.leaving.has(rank)) tellOthers(state, { kind: "m/leave", by }, out);
  }
  // The last ones can't leave to nobody: they end the run.
  state.over ||= view.members.every((life) => state.leaving.has(life.rank));
  for (const life of view.members) if (life.rank !== rank) heardOf(state, life.rank, now);
  const gone = suspected(state, now);
  const near = new Set(view.members.map((life) => life.rank).filter((other) => !gone.has(other)));
  const hasQuorum = decides(state, near);
  state.aloneSince = hasQuorum ? Number.POSITIVE_INFINITY : Math.min(state.aloneSince, now);
  lead(state, now, out);
}

/** Whether every member of the view has said, in this same view, that its part is over. */
export function allOver({ view, heard, rank, over }: Membership): boolean {
  if (!over || view === null) return false;
  return view.members.every((life) => {
    const known = heard.get(life.rank);
    return life.rank === rank || (known?.over === true && known.view === view.id);
  });
}

function lead(state: Membership, now: number, out: Out): void {
  const view = state.view!;
  if (authorityOf(state, now) !== state.rank) return;
  const { proposal, options } = state;
  if (proposal && now - proposal.since < proposalBeats * options.beatSeconds) return;
  const wanted = wantedView(state, now);
  if (!changesMembers(view, wanted) && state.accepted === null) {
    state.proposal = null;
    return;
  }
  const ballot = Math.max(++state.ballots, Math.floor(state.promised / ranksMax) + 1);
  state.ballots = ballot;
  state.proposal = {
    ballot: ballot * ranksMax + state.rank,
    wanted,
    silent: givenUp(state, now),
    since: now,
    promises: new Set(),
    accepts: new Set(),
    bestBallot: 0,
    best: null,
    accepting: false,
  };
  const body = { slot: view.id + 1, ballot: state.proposal.ballot, by: state.incarnation };
  tellMembers(state, now, { kind: "m/prepare", ...body }, out);
}

function tellOthers({ view, rank }: Membership, body: MembershipMessage, out: Out): void {
  for (const { rank: to } of view!.members) if (to !== rank) out.push({ kind: "send", to, body });
}

/** Sends to every other member of the view, and to ourselves at once. */
function tellMembers(state: Membership, now: number, body: MembershipMessage, out: Out): void {
  tellOthers(state, body, out);
  absorbMembership(state, { from: state.rank, body, now }, out);
}

/** Takes a message of membership. */
export function absorbMembership(
  state: Membership,
  { from, body, now }: { from: number; body: MembershipMessage; now: number },
  out: Out,
): Verdict | null {
  noteSign(state, { from, by: body.by, now });
  switch (body.kind) {
    case "m/beat":
      return absorbBeat(state, { from, body, now }, out);
    case "m/news":
      return absorbManyBeats(state, { from, body, now }, out);
    case "m/join":
      return hearNewcomer(state, { ...body, rank: from, incarnation: body.by }, now, out);
    case "m/heard":
      return noteAnswer(state, from, out);
    case "m/wish":
      return noteNewcomer(state, body, from);
    case "m/leave":
      return absorbLeave(state, { from, body, now }, out);
    case "m/install":
      return absorbInstall(state, readView(body.view));
    case "m/prepare":
      return promise(state, { from, body }, out);
    case "m/promise":
      return absorbPromise(state, { from, body, now }, out);
    case "m/accept":
      return accept(state, { from, body }, out);
    case "m/accepted":
      return absorbAccepted(state, { from, body }, out);
    default:
      return body satisfies never;
  }
}

function absorbBeat(
  state: Membership,
  { from, body, now }: { from: number; body: MembershipMessage & { kind: "m/beat" }; now: number },
  out: Out,
): null {
  if (!isOfMember(state, { from, body }, out)) return null;
  const known = heardOf(state, from, now);
  noteBeat(known, state.options, now);
  known.view = body.view;
  known.over ||= body.over;
  noteComplaints(state, from, body);
  if (body.over) state.overSince = Math.min(state.overSince, now);
  return null;
}

/** The same among many; who leaves does not wait for our next beat. */
function absorbManyBeats(
  state: Membership,
  { from, body, now }: { from: number; body: News; now: number },
  out: Out,
): null {
  if (!isOfMember(state, { from, body }, out)) return null;
  const leaving = state.leaving.size;
  absorbNews(state, { from, body, now }, out);
  if (state.leaving.size > leaving) lead(state, now, out);
  return null;
}

/** Whether a beat is of a life in our view; who is behind, or is no member any more, gets our view. */
function isOfMember(
  { view, incarnation: by }: Membership,
  { from, body }: { from: number; body: { by: number; view: number } },
  out: Out,
): boolean {
  if (view === null) return false;
  if (body.view < view.id) {
    out.push({ kind: "send", to: from, body: { kind: "m/install", by, view: viewWords(view) } });
  }
  return view.members.find(({ rank }) => rank === from)?.incarnation === body.by;
}

/** Who leaves does not wait for our next beat. */
function absorbLeave(
  state: Membership,
  { from, body, now }: { from: number; body: { by: number }; now: number },
  out: Out,
): null {
  const life = state.view?.members.find(({ rank }) => rank === from);
  if (life?.incarnation !== body.by || state.leaving.has(from)) return null;
  state.leaving.add(from);
  lead(state, now, out);
  return null;
}

/** As an acceptor: promises the ballot, and tells what was accepted before. */
function promise(
  state: Membership,
  { from, body }: { from: number; body: { slot: number; ballot: number } },
  out: Out,
): null {
  const { slot, ballot } = body;
  const { view, incarnation: by } = state;
  if (view === null || slot !== view.id + 1 || ballot < state.promised) return null;
  state.promised = ballot;
  const accepted = state.accepted ? viewWords(state.accepted) : new Uint32Array(0);
  const { acceptedBallot } = state;
  answer(state, from, { kind: "m/promise", by, slot, ballot, acceptedBallot, accepted }, out);
  return null;
}

/** To ourselves an answer needs no message. */
function answer(state: Membership, to: number, body: MembershipMessage, out: Out): void {
  if (to !== state.rank) out.push({ kind: "send", to, body });
  else absorbMembership(state, { from: to, body, now: state.proposal?.since ?? 0 }, out);
}

/** As the proposer: with a quorum of promises, asks to accept what was accepted before, or what we want. */
function absorbPromise(
  state: Membership,
  {
    from,
    body,
    now,
  }: { from: number; body: MembershipMessage & { kind: "m/promise" }; now: number },
  out: Out,
): null {
  const { proposal, view } = state;
  if (!proposal || proposal.accepting || !view) return null;
  if (body.slot !== view.id + 1 || body.ballot !== proposal.ballot) return null;
  proposal.promises.add(from);
  const before = readView(body.accepted);
  if (before && body.acceptedBallot > proposal.bestBallot) {
    proposal.bestBallot = body.acceptedBallot;
    proposal.best = before;
  }
  if (!decides(state, consentingTo(proposal))) return null;
  proposal.accepting = true;
  const words = viewWords(proposal.best ?? proposal.wanted);
  const { ballot } = proposal;
  const ask = { by: state.incarnation, slot: view.id + 1, ballot, view: words };
  tellMembers(state, now, { kind: "m/accept", ...ask }, out);
  return null;
}

/**
 * Who promises is heard, so it can't be left out for its silence by that promise: who was cut off from all others would
 * be voted in alone once they hear its question. It proposes again, by whom it hears then.
 */
function consentingTo({ promises, silent, best }: Proposal): ReadonlySet<number> {
  return best ? promises : new Set([...promises].filter((rank) => !silent.has(rank)));
}

/** As an acceptor: accepts unless a higher ballot was promised. */
function accept(
  state: Membership,
  { from, body }: { from: number; body: MembershipMessage & { kind: "m/accept" } },
  out: Out,
): null {
  const { slot, ballot } = body;
  const { view, incarnation: by } = state;
  const proposed = readView(body.view);
  if (!view || !proposed || slot !== view.id + 1 || ballot < state.promised) return null;
  state.promised = ballot;
  state.acceptedBallot = ballot;
  state.accepted = proposed;
  answer(state, from, { kind: "m/accepted", by, slot, ballot }, out);
  return null;
}

/** As the proposer: with a quorum the view is decided; tells everybody it concerns, ourselves too. */
function absorbAccepted(
  state: Membership,
  { from, body }: { from: number; body: { slot: number; ballot: number } },
  out: Out,
): Verdict | null {
  const { proposal, view } = state;
  if (!proposal?.accepting || !view) return null;
  if (body.slot !== view.id + 1 || body.ballot !== proposal.ballot) return null;
  proposal.accepts.add(from);
  if (!decides(state, proposal.accepts)) return null;
  const decided = proposal.best ?? proposal.wanted;
  state.proposal = null;
  const install = { kind: "m/install", by: state.incarnation, view: viewWords(decided) } as const;
  const concerned = new Set([...view.members, ...decided.members].map(({ rank }) => rank));
  concerned.delete(state.rank);
  for (const to of concerned) out.push({ kind: "send", to, body: install });
  state.decided = decided;
  return null;
}

/** Installs what was decided here; to be asked after every event. */
export function conclude(state: Membership): Verdict | null {
  const { decided } = state;
  state.decided = null;
  return absorbInstall(state, decided);
}

/** Installs a view that is newer and has us in it; not being in it means that we were expelled. */
function absorbInstall(state: Membership, view: View | null): Verdict | null {
  const { rank, incarnation, role } = state;
  if (view === null || view.id <= (state.view?.id ?? 0)) return null;
  const own = { rank, incarnation, role };
  if (!includesLife([...view.members, ...view.left], own)) {
    return state.view === null ? null : { kind: "expelled", view };
  }
  for (const other of state.heard.keys()) {
    const life = view.members.find((one) => one.rank === other);
    if (!life || !includesLife(state.view?.members ?? [], life)) state.heard.delete(other);
  }
  forgetSettled(state, view);
  state.complaints.clear();
  state.view = view;
  forgetWays(state);
  state.promised = 0;
  state.acceptedBallot = 0;
  state.accepted = null;
  state.proposal = null;
  for (const [other, life] of state.joining) {
    const member = view.members.find((one) => one.rank === other);
    if (member && member.incarnation >= life.incarnation) state.joining.delete(other);
  }
  for (const other of state.witnesses.keys())
    if (!state.joining.has(other)) state.witnesses.delete(other);
  return { kind: "installed", view };
}

/** A rank that is not in the view any more, or in it by another life, neither leaves nor is dead. */
function forgetSettled({ leaving, dead, view: before }: Membership, view: View): void {
  for (const set of [leaving, dead]) {
    for (const rank of set) {
      const life = view.members.find((one) => one.rank === rank);
      if (!life || !includesLife(before?.members ?? [], life)) set.delete(rank);
    }
  }
}

/** Begins the next life of a member that was expelled. */
export function becomeNewLife(state: Membership): Membership {
  const { rank, role, ranks, incarnation, options, view: around } = state;
  const life = { rank, role, ranks, incarnation: incarnation + 1, view: null, around };
  return createMembership({ ...life, lacks: lackedBy(state) }, options);
}

/**
 * AD-PSGD: each worker loops: gradient at a snapshot of its x, apply it to the (perhaps changed) x, average
 * with a random partner. Learning and averaging overlap, so a busy learner never makes its partner wait.
 * Fast workers read more rows.
 *
 * Bounded solitude: a member that has learned `staleness` updates which no exchange has taken up yet waits for
 * one; a passive member invites a partner to begin it. The published algorithm averages once a gradient; left
 * alone, a member whose partners do not run just then (fewer cores than members, a far link) learns dozens of
 * updates by itself, and the replicas drift apart. Partners without rows answer that they rest, and bind nobody.
 *
 * The topology is bipartite (topology/bipartite.ts): active members begin exchanges, passive ones answer;
 * exchange.ts has the exchange. x is (v, T): averaging in v-space is linear in updates, so what an exchange
 * moves and what is learned meanwhile commute.
 *
 * End: a member without rows and without an open exchange tells the lowest rank; once all have, that one
 * tells all. Until then everybody answers. Newcomers copy the model of a member that has one.
 *
 * Source: Lian et al. 2018, arXiv 1710.06952, algorithm 1; algorithms.md, sections 7 and 12.
 * Invariant: the sum of replicas minus logged, unreceived D changes only by learning.
 * Invariant: between two members that stay alive an exchange happens exactly once on both.
 * Invariant: a death settles open exchanges at the change of view, and the drift it causes is reported.
 */
import { createDurations } from "../math/deadline.ts";
import { nextBelow, type RandomState, randomStream } from "../math/random.ts";
import type { Replica } from "../math/replica.ts";
import type { Update } from "../math/update.ts";
import { bipartiteNames, isActive, isBipartite, partnersOf } from "../topology/bipartite.ts";
import { modelRows, orNothing } from "../wire/shape.ts";
import {
  absorbEnding,
  becomeDone,
  createEnding,
  type Ending,
  type EndingMessage,
  endingShapes,
  followMembers,
} from "./ending.ts";
import {
  absorbDifference,
  absorbOffer,
  absorbReceived,
  begin,
  type ExchangeMessage,
  type Exchanges,
  exchangeShapes,
  retryLate,
  settle,
} from "./exchange.ts";
import {
  learnEffect,
  type NodeEvent,
  type Outbox,
  type Seat,
  type Strategy,
  type StrategyOptions,
  type View,
  type ViewMember,
  viewOf,
} from "./strategy.ts";

/** A newcomer asks for a model. */
interface Ask {
  readonly kind: "ask";
}

/** A model for a newcomer; null from a member that is a newcomer itself. */
interface Copy {
  readonly kind: "copy";
  readonly rows: number;
  readonly values: Float32Array | null;
}

/** A passive member has learned as much alone as it may: the receiver is to begin an exchange with it. */
interface Invite {
  readonly kind: "invite";
}

/** The sender has no more rows and begins no exchange. */
interface Resting {
  readonly kind: "resting";
}

type GossipMessage = ExchangeMessage | EndingMessage | Ask | Copy | Invite | Resting;
type Out = Outbox<GossipMessage>;

interface GossipState {
  readonly options: StrategyOptions;
  readonly rank: number;
  readonly random: RandomState;
  members: readonly ViewMember[];
  /** Ranks we exchange models with, and whether it is we who begin. */
  partners: readonly number[];
  active: boolean;
  readonly exchanges: Exchanges;
  learning: boolean;
  /** Own updates that no exchange has taken up yet. */
  alone: number;
  /** A passive member that waits has invited a partner. */
  inviting: boolean;
  /** Ranks that invited us, and partners that rest. */
  readonly invited: Set<number>;
  readonly resting: Set<number>;
  /** Own updates, exchanges applied, and how many those were when the open learn began. */
  clock: number;
  exchanged: number;
  learnExchanged: number;
  /** The rank a newcomer asked for a model; null once it has one. */
  asked: number | null;
  exhausted: boolean;
  /** Asked to leave: begins and answers no exchange any more. */
  leaving: boolean;
  readonly ending: Ending;
}

/** Decentralised SGD by asynchronous averaging of pairs. */
export const adPsgd: Strategy<GossipState, GossipMessage> = {
  name: "ad-psgd",
  sharing: "messages",
  pace: "free",
  merges: ["mean"],
  conserves: () => "mean",
  refuses: (_, { topology }) =>
    isBipartite(topology)
      ? null
      : `ad-psgd runs on topology ${bipartiteNames.join(" or ")}: current value is ${topology}`,
  shapes: {
    ...endingShapes,
    ...exchangeShapes,
    ...{ ask: { fields: {} }, invite: { fields: {} }, resting: { fields: {} } },
    copy: {
      fields: { rows: modelRows, values: orNothing({ type: "values", length: "whole" }) },
    },
  },
  init,
  step,
};

function init(seat: Seat, options: StrategyOptions): GossipState {
  const { rank, seed, incarnation } = seat;
  const view = viewOf(seat);
  const state: GossipState = {
    options,
    rank,
    random: randomStream({ seed, purpose: "partners", rank, epoch: incarnation }),
    members: view.members,
    partners: [],
    active: false,
    learning: false,
    alone: 0,
    inviting: false,
    invited: new Set(),
    resting: new Set(),
    exchanges: {
      ...{ k: 0, open: null, answered: new Map(), durations: createDurations() },
      thinning: { values: options.values, topK: options.topK, tolerance: options.tolerance },
    },
    clock: 0,
    exchanged: 0,
    learnExchanged: 0,
    asked: view.id === 1 ? null : rank,
    exhausted: false,
    leaving: false,
    ending: createEnding(rank, view.members),
  };
  takePlace(state);
  return state;
}

function step(
  state: GossipState,
  replica: Replica,
  event: NodeEvent<GossipMessage>,
  out: Out,
): void {
  switch (event.kind) {
    case "start":
      return state.asked === null ? becomeLearning(state, out) : askNext(state, out);
    case "learned":
      return absorbLearned(state, replica, event, out);
    case "message":
      return absorb(state, replica, event, out);
    case "view":
      return becomeView(state, replica, event, out);
    case "wake":
      return retryLate(state.exchanges, event.now, out);
    case "exhausted":
      return becomeExhausted(state, out);
    case "leave":
      state.leaving = true;
      return concludeLeave(state, out);
    case "predicted":
      return;
    default:
      event satisfies never;
  }
}

/** Partners follow from the place in the view, so a ring that lost a member closes again. */
function takePlace(state: GossipState): void {
  const { members, rank, options } = state;
  const place = members.findIndex((member) => member.rank === rank);
  if (!isBipartite(options.topology) || place < 0) {
    state.partners = [];
    return;
  }
  const places = partnersOf(options.topology, place, members.length);
  state.partners = places.map((other) => members[other]!.rank);
  state.active = isActive(place);
}

function becomeLearning(state: GossipState, out: Out): void {
  state.learning = true;
  state.learnExchanged = state.exchanged;
  out.push(learnEffect(state.options, { workers: state.members.length, merge: "mean" }));
}

/** Applies what was learned to x as it now is, and goes on. */
function absorbLearned(
  state: GossipState,
  replica: Replica,
  { update, now }: { update: Update; now: number },
  out: Out,
): void {
  replica.apply(update);
  state.learning = false;
  state.alone++;
  const staleness = state.exchanged - state.learnExchanged;
  const clock = ++state.clock;
  out.push({ kind: "report", report: { kind: "applied", from: state.rank, clock, staleness } });
  proceed(state, replica, now, out);
}

/** Begins an exchange if one is due and none is open; learns on at once, unless alone for too long. */
function proceed(state: GossipState, replica: Replica, now: number, out: Out): void {
  const { active, exchanges, options } = state;
  if (state.leaving) return concludeLeave(state, out);
  if (state.learning || state.exhausted || state.asked !== null) return;
  if (active && state.alone > 0 && exchanges.open === null && state.partners.length > 0) {
    begin(exchanges, replica, { to: nextPartner(state), now }, out);
    state.alone = 0;
  }
  const company = state.partners.filter((rank) => !state.resting.has(rank));
  if (state.alone < Math.max(1, options.staleness) || company.length === 0) {
    return becomeLearning(state, out);
  }
  if (active || state.inviting) return;
  state.inviting = true;
  const to = company[nextBelow(state.random, company.length)]!;
  out.push({ kind: "send", to, body: { kind: "invite" } });
}

/** One that waits for us, else any. */
function nextPartner({ partners, invited, random }: GossipState): number {
  const waiting = partners.find((rank) => invited.has(rank));
  if (waiting === undefined) return partners[nextBelow(random, partners.length)]!;
  invited.delete(waiting);
  return waiting;
}

/** No more rows: tells those that wait for us. */
function becomeExhausted(state: GossipState, out: Out): void {
  state.exhausted = true;
  state.learning = false;
  for (const to of state.invited) out.push({ kind: "send", to, body: { kind: "resting" } });
  state.invited.clear();
  concludeDone(state, out);
}

function absorb(
  state: GossipState,
  replica: Replica,
  { from, body, now }: { from: number; body: GossipMessage; now: number },
  out: Out,
): void {
  switch (body.kind) {
    case "offer":
      // Without a model there is nothing to average with: the partner asks again.
      if (state.asked !== null) return out.push({ kind: "drop", from, reason: "has no model yet" });
      if (state.leaving) return out.push({ kind: "drop", from, reason: "is leaving" });
      if (!absorbOffer(state.exchanges, replica, { from, body }, out)) return;
      state.exchanged++;
      state.alone = 0;
      state.inviting = false;
      return proceed(state, replica, now, out);
    case "difference":
      if (!absorbDifference(state.exchanges, replica, { from, body, now }, out)) return;
      state.exchanged++;
      proceed(state, replica, now, out);
      return concludeDone(state, out);
    case "received":
      absorbReceived(state.exchanges, replica, { from, body });
      return concludeLeave(state, out);
    case "invite":
      if (state.exhausted) return out.push({ kind: "send", to: from, body: { kind: "resting" } });
      return void state.invited.add(from);
    case "resting":
      state.resting.add(from);
      state.inviting = false;
      return proceed(state, replica, now, out);
    case "ask":
      return answer(state, replica, from, out);
    case "copy":
      return absorbCopy(state, replica, { from, body }, out);
    case "done":
    case "over":
      return absorbEnding(state.ending, { from, body }, out);
    default:
      body satisfies never;
  }
}

function answer(state: GossipState, replica: Replica, to: number, out: Out): void {
  const { rows, values } = replica.snapshot();
  const ready = state.asked === null;
  out.push({ kind: "send", to, body: { kind: "copy", rows, values: ready ? values : null } });
}

function absorbCopy(
  state: GossipState,
  replica: Replica,
  { from, body }: { from: number; body: Copy },
  out: Out,
): void {
  if (state.asked !== from) return out.push({ kind: "drop", from, reason: "has a model" });
  if (body.values === null) return askNext(state, out);
  replica.load({ rows: body.rows, values: body.values });
  state.asked = null;
  if (state.leaving) return concludeLeave(state, out);
  becomeLearning(state, out);
}

/** A leaver goes once what it learned is applied and all its exchanges are settled on both sides. */
function concludeLeave({ leaving, learning, exchanges, asked }: GossipState, out: Out): void {
  if (!leaving || learning) return;
  const owes = [...exchanges.answered.values()].some(({ difference }) => difference !== null);
  if (asked === null && (exchanges.open !== null || owes)) return;
  out.push({ kind: "finish" });
}

/** Asks the next member by rank for a model; alone there is none to be had, and nothing left to do. */
function askNext(state: GossipState, out: Out): void {
  const others = state.members.filter(({ rank }) => rank !== state.rank);
  const next = others.find(({ rank }) => rank > state.asked!) ?? others[0];
  if (next === undefined) return out.push({ kind: "finish" });
  state.asked = next.rank;
  out.push({ kind: "send", to: next.rank, body: { kind: "ask" } });
}

/** Settles exchanges with lives that are gone and takes the own place among those that are there. */
function becomeView(
  state: GossipState,
  replica: Replica,
  { view, now }: { view: View; now: number },
  out: Out,
): void {
  const stays = (known: ViewMember, list: readonly ViewMember[]) =>
    list.some(({ rank, incarnation }) => rank === known.rank && incarnation === known.incarnation);
  const { rank } = state;
  for (const known of state.members) {
    if (stays(known, view.members)) continue;
    const left = stays(known, view.left);
    settle(state.exchanges, { rank, member: known.rank, left }, out);
  }
  const before = state.members;
  state.members = view.members;
  takePlace(state);
  // Before anything else: a newcomer that asks again must know the head of this view when it is done.
  followMembers(state.ending, view.members, out);
  // Whoever waited may have other partners now: they ask again.
  state.inviting = false;
  state.invited.clear();
  state.resting.clear();
  const asked = before.find((member) => member.rank === state.asked);
  if (state.asked !== null && !(asked && stays(asked, view.members))) return askNext(state, out);
  proceed(state, replica, now, out);
  concludeDone(state, out);
}

/** Without rows and without an open exchange: our part is done. */
function concludeDone({ exhausted, exchanges, ending }: GossipState, out: Out): void {
  if (exhausted && exchanges.open === null) becomeDone(ending, out);
}

/**
 * D-PSGD: models, not updates, are exchanged between neighbours, in w-space.
 *
 * average-then-adapt (published order): the gradient is taken at the own x_i while the neighbours' models
 * travel; then  x_i <- sum_j W_ij x_j + own step.
 * adapt-then-average: x_i takes its own step first, then  x_i <- sum_j W_ij x_j.
 * W: Metropolis weights of the topology (topology/mixing.ts). T is averaged like the weights.
 *
 * At a change of view those that are behind finish their rounds as before, up to the last that anybody had begun;
 * from then on the members of the view mix with weights of their own (formations.ts). Of a departed member the
 * share that did not come is replaced by one's own: its weight falls to oneself, so weights stay symmetric and
 * doubly stochastic. A newcomer copies the model of the lowest member; who leaves before that gives its own to newcomers it
 * knows of. Where nobody of a view has a model the lowest waits a while for such a copy, then begins with that or its
 * own, and gives it to the others. Where the topology can't be had with that
 * many members, they form a ring.
 *
 * Source: Lian et al. 2017, arXiv 1705.09056, algorithm 1; algorithms.md, sections 6 and 12.
 * Invariant: averaging leaves the mean of the replicas unchanged.
 * Invariant: adapt-then-average on complete equals allreduce with mean merging, up to rounding.
 */
import type { Replica } from "../math/replica.ts";
import type { Update } from "../math/update.ts";
import { type MixingRow, mix, mixingRow } from "../topology/mixing.ts";
import { topologyOf } from "../topology/topology.ts";
import { memberOf } from "../topology/view.ts";
import {
  absorbEnding,
  becomeDone,
  createEnding,
  type Ending,
  followMembers,
  willSeconds,
} from "./ending.ts";
import {
  absorbStanding,
  becomeSettling,
  createFormations,
  type Formation,
  type Formations,
  formationOf,
  settle,
} from "./formations.ts";
import { type MixMessage, type ModelCopy, mixShapes, type Share } from "./mix-messages.ts";
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
import { refusesThinning } from "./thinning.ts";

interface GossipState {
  readonly options: StrategyOptions;
  readonly rank: number;
  readonly formations: Formations;
  /** The formation of the open round, and the own row of its weights. */
  formation: Formation | null;
  row: MixingRow;
  /** The round that was begun last; -1 before there is a model. */
  round: number;
  /** The own model as it was sent in this round, and the own update until both are used. */
  sent: Share | null;
  update: Update | null;
  /** Neighbours' models by round, then life: a neighbour may be a round ahead. */
  readonly inbox: Map<number, Map<number, Share>>;
  /** By life of a newcomer, its first round: what a formation says of it before does not count. */
  readonly firstRounds: Map<number, number>;
  /** The next round was begun as far as it can be while a view is being settled. */
  held: boolean;
  exhausted: boolean;
  leaving: boolean;
  readonly ending: Ending;
  /** A model that came before the view was settled here. */
  gift: ModelCopy | null;
  /** A newcomer's, of an earlier view: a copy by a member that may be gone. */
  will: ModelCopy | null;
  /** Nobody of the view has a model: who begins anew, once a will is here or its time is up, and with which round. */
  orphaned: { readonly from: number; readonly donor: number } | null;
  /** How many wakes are due that were asked for to wait for a will. */
  wakes: number;
  /** Members whose part was over before the view. */
  left: View["left"];
  /** Newcomers to whom we owe the model when we begin that round. */
  owed: { readonly from: number; readonly ranks: readonly number[] } | null;
}

type Out = Outbox<MixMessage>;

/** Decentralised SGD by synchronous averaging with neighbours. */
export const dPsgd: Strategy<GossipState, MixMessage> = {
  name: "d-psgd",
  sharing: "messages",
  pace: "lockstep",
  conserves: () => "mean",
  refuses: ({ workers }, options) =>
    topologyOf(options.topology).refuses(workers) ??
    refusesThinning("d-psgd", "rounded models would move the mean of the replicas", options),
  shapes: mixShapes,
  init,
  step,
  parted(state, { replica, view: { members } }, out) {
    leaveWill(state, { replica, members, known: state.formations.members }, out);
    state.formations.members = members;
  },
};

function init(seat: Seat, options: StrategyOptions): GossipState {
  const { rank, round = 0 } = seat;
  const view = viewOf(seat);
  return {
    options,
    rank,
    formations: createFormations(rank, view),
    formation: null,
    row: { ranks: [rank], weights: [1] },
    round: view.id > 1 ? -1 : round,
    sent: null,
    update: null,
    inbox: new Map(),
    firstRounds: new Map(),
    held: false,
    exhausted: false,
    leaving: false,
    ending: createEnding(rank, view.members),
    gift: null,
    will: null,
    orphaned: null,
    wakes: 0,
    left: view.left,
    owed: null,
  };
}

function step(state: GossipState, replica: Replica, event: NodeEvent<MixMessage>, out: Out): void {
  switch (event.kind) {
    case "start":
      if (state.round >= 0) return becomeLearning(state, replica, out);
      becomeSettling(state.formations, idOf(state.formations), state.round, out);
      return becomeSettled(state, replica, out);
    case "learned":
      return absorbUpdate(state, replica, event.update, out);
    case "message":
      return absorb(state, replica, event, out);
    case "exhausted":
      state.exhausted = true;
      if (state.leaving) return part(state, replica, out);
      giveModels(state, replica, out);
      return becomeDone(state.ending, out);
    case "view":
      return becomeView(state, replica, event.view, out);
    case "leave":
      state.leaving = true;
      if (state.round < 0 || state.exhausted) out.push({ kind: "finish" });
      return;
    case "wake":
      state.wakes--;
      if (state.orphaned?.donor === state.rank && state.wakes === 0) begin(state, replica, out);
      return;
    case "predicted":
      return;
    default:
      event satisfies never;
  }
}

function idOf({ view, members }: Formations): Pick<View, "id" | "members"> {
  return { id: view, members };
}

function absorb(
  state: GossipState,
  replica: Replica,
  { from, body }: { from: number; body: MixMessage },
  out: Out,
): void {
  switch (body.kind) {
    case "share":
      return absorbShare(state, replica, { from, body }, out);
    case "standing":
      absorbStanding(state.formations, { from, body });
      return becomeSettled(state, replica, out);
    case "model-copy":
      return absorbCopy(state, replica, { from, body }, out);
    default:
      return absorbEnding(state.ending, { from, body }, out);
  }
}

/** Takes over a view. Until it is settled no round is begun. */
function becomeView(state: GossipState, replica: Replica, view: View, out: Out): void {
  state.owed = null;
  if (state.gift) keepWill(state, state.gift);
  state.gift = null;
  state.orphaned = null;
  state.left = view.left;
  becomeSettling(state.formations, view, state.round, out);
  becomeSettled(state, replica, out);
  followMembers(state.ending, view.members, out);
}

function becomeSettled(state: GossipState, replica: Replica, out: Out): void {
  const settled = settle(state.formations);
  if (settled === null) return;
  const { from, donor, orphaned, newcomers } = settled;
  for (const newcomer of newcomers) state.firstRounds.set(lifeOf(newcomer), from);
  if (donor === state.rank) {
    state.owed = { from, ranks: newcomers.map(({ rank }) => rank) };
  }
  if (orphaned) return becomeOrphaned(state, replica, { from, donor }, out);
  if (state.exhausted) giveModels(state, replica, out);
  if (state.round < 0) return takeGift(state, replica, out);
  if (state.held) {
    state.held = false;
    return becomeLearning(state, replica, out);
  }
  if (state.update) becomeAveraged(state, replica, out);
}

/**
 * All that had a model are gone, and a run that has not ended goes on: the lowest newcomer waits for a will where somebody
 * may have left one, the others for what it begins with.
 */
function becomeOrphaned(
  state: GossipState,
  replica: Replica,
  anew: { readonly from: number; readonly donor: number },
  out: Out,
): void {
  const { left, rank, gift } = state;
  if (left.some(({ ended }) => ended)) return out.push({ kind: "finish" });
  state.orphaned = anew;
  if (anew.donor !== rank) {
    if (state.will) forwardWill(state, out);
    return takeGift(state, replica, out);
  }
  if (gift) keepWill(state, gift);
  state.gift = null;
  if (state.will || left.length === 0) return begin(state, replica, out);
  state.wakes++;
  out.push({ kind: "wake", after: willSeconds });
}

/** The lowest newcomer begins with a will, or with its own model. */
function begin(state: GossipState, replica: Replica, out: Out): void {
  const { will, orphaned } = state;
  if (will) replica.load({ rows: will.rows, values: will.values });
  const round = Math.max(orphaned!.from, will?.round ?? 0);
  enterRound(state, replica, round, out);
}

function keepWill(state: GossipState, body: ModelCopy): void {
  if (state.will === null || state.will.round < body.round) state.will = body;
}

/** To who begins anew, and may have none. */
function forwardWill({ will, formations: { view }, orphaned }: GossipState, out: Out): void {
  out.push({ kind: "send", to: orphaned!.donor, body: { ...will!, view } });
}

/** Who leaves gives newcomers its model first: those it owes one, else a will to all that were in no round of its own yet. */
function part(state: GossipState, replica: Replica, out: Out): void {
  const { formations, formation, owed } = state;
  const { members, settling, view } = formations;
  if (owed && settling === null) copyTo(owed.ranks, { replica, view, round: owed.from }, out);
  else leaveWill(state, { replica, members, known: formation?.members ?? [] }, out);
  state.owed = null;
  out.push({ kind: "finish" });
}

/** Of the view before: no newcomer takes it for what the donor of a view gives. */
function leaveWill(
  { rank, round, formations: { view } }: GossipState,
  of: { replica: Replica; members: readonly ViewMember[]; known: readonly ViewMember[] },
  out: Out,
): void {
  if (round < 0) return;
  const lives = new Set(of.known.map(lifeOf));
  const news = of.members.filter((life) => life.rank !== rank && !lives.has(lifeOf(life)));
  const ranks = news.map((life) => life.rank);
  copyTo(ranks, { replica: of.replica, view: view - 1, round: round + 1 }, out);
}

/** Gives newcomers the model as it is when their first round begins; or ours has ended. */
function giveModels({ owed, formations, ...state }: GossipState, replica: Replica, out: Out): void {
  if (owed === null || (!state.exhausted && state.round < owed.from)) return;
  const round = Math.max(owed.from, state.round);
  copyTo(owed.ranks, { replica, view: formations.view, round }, out);
}

function copyTo(
  ranks: readonly number[],
  { replica, view, round }: { replica: Replica; view: number; round: number },
  out: Out,
): void {
  if (ranks.length === 0) return;
  const body: ModelCopy = { kind: "model-copy", view, round, ...replica.snapshot() };
  for (const to of ranks) out.push({ kind: "send", to, body });
}

function absorbCopy(
  state: GossipState,
  replica: Replica,
  { from, body }: { from: number; body: ModelCopy },
  out: Out,
): void {
  const { view } = state.formations;
  if (state.round >= 0 || body.view > view) {
    return out.push({ kind: "drop", from, reason: "has a model" });
  }
  const { orphaned, rank } = state;
  const begins = orphaned?.donor === rank;
  if (begins || body.view < view) {
    keepWill(state, body);
    if (begins) begin(state, replica, out);
    else if (orphaned) forwardWill(state, out);
    return;
  }
  state.gift = body;
  takeGift(state, replica, out);
}

/** A newcomer that knows where the others are, and has a model, begins with them. */
function takeGift(state: GossipState, replica: Replica, out: Out): void {
  const { gift, formations } = state;
  if (gift === null || formations.settling !== null) return;
  state.gift = null;
  replica.load({ rows: gift.rows, values: gift.values });
  // One that left before the view was settled did not know its first round.
  const { from } = formations.list.at(-1)!;
  enterRound(state, replica, Math.max(from, gift.round), out);
}

/** A newcomer's first round. */
function enterRound(state: GossipState, replica: Replica, round: number, out: Out): void {
  state.round = round - 1;
  state.orphaned = null;
  state.will = null;
  if (state.leaving) return out.push({ kind: "finish" });
  becomeLearning(state, replica, out);
}

/**
 * Begins a round: the gradient is taken at the model as it now is. The published order sends that same
 * model at once, so that it travels while rows are learned; a last one may travel for a round that is not
 * learned in any more, and is dropped.
 */
function becomeLearning(state: GossipState, replica: Replica, out: Out): void {
  if (state.formations.settling !== null) {
    state.held = true;
    return;
  }
  state.round++;
  takePlace(state);
  if (state.owed && state.round >= state.owed.from) {
    giveModels(state, replica, out);
    state.owed = null;
  }
  if (state.options.order === "average-then-adapt") send(state, replica, out);
  const { options, row, round } = state;
  out.push(learnEffect(options, { workers: row.ranks.length, merge: "mean", round }));
}

/** The own row of the weights, from the place among the members of the round's formation. */
function takePlace(state: GossipState): void {
  const formation = formationOf(state.formations, state.round);
  if (formation === state.formation) return;
  state.formation = formation;
  const { members } = formation;
  const place = members.findIndex(({ rank }) => rank === state.rank);
  // No formation of honest members leaves out one that is in its rounds; of others' it learns by itself.
  if (place < 0) {
    state.row = { ranks: [state.rank], weights: [1] };
    return;
  }
  const wanted = topologyOf(state.options.topology);
  const topology = wanted.refuses(members.length) === null ? wanted : topologyOf("ring");
  const { ranks, weights } = mixingRow(topology, place, members.length);
  state.row = { ranks: ranks.map((other) => members[other]!.rank), weights };
}

function absorbUpdate(state: GossipState, replica: Replica, update: Update, out: Out): void {
  state.update = update;
  if (state.options.order === "adapt-then-average") {
    replica.apply(update);
    send(state, replica, out);
  }
  becomeAveraged(state, replica, out);
}

function send(state: GossipState, replica: Replica, out: Out): void {
  const { row, rank, round } = state;
  if (row.ranks.length === 1) return;
  const body: Share = { kind: "share", round, rows: replica.rows, weights: replica.weights() };
  state.sent = body;
  for (const to of row.ranks) if (to !== rank) out.push({ kind: "send", to, body });
}

function absorbShare(
  state: GossipState,
  replica: Replica,
  { from, body }: { from: number; body: Share },
  out: Out,
): void {
  const sender =
    memberOf(state.formations.members, from) ?? memberOf(state.formation?.members ?? [], from);
  const shares = state.inbox.get(body.round) ?? new Map<number, Share>();
  if (!sender || body.round < state.round || shares.has(lifeOf(sender))) {
    return out.push({ kind: "drop", from, reason: "stale share" });
  }
  // Each waits for its neighbours: nobody is further ahead of a member than the others are many.
  if (state.round >= 0 && body.round > state.round + roundsAheadMax(state)) {
    return out.push({ kind: "drop", from, reason: "share far ahead", blame: true });
  }
  state.inbox.set(body.round, shares.set(lifeOf(sender), body));
  if (state.update) becomeAveraged(state, replica, out);
}

/** Two formations may be under way at a time. */
function roundsAheadMax({ formations, formation }: GossipState): number {
  return 2 * (formations.members.length + (formation?.members.length ?? 0)) + 2;
}

/** A life as one number; small ones for the first lives, which maps find faster. */
function lifeOf({ rank, incarnation }: Pick<ViewMember, "rank" | "incarnation">): number {
  return incarnation * 2 ** 24 + rank;
}

/** Ends the round once the own update and the models of all neighbours that are there are here. */
function becomeAveraged(state: GossipState, replica: Replica, out: Out): void {
  const { row, options, update, round } = state;
  if (row.ranks.length > 1) {
    const parts = row.ranks.map((rank) => (rank === state.rank ? state.sent : partOf(state, rank)));
    if (!parts.every((part) => part !== null)) return;
    average(state, replica, parts);
  }
  if (options.order === "average-then-adapt") replica.apply(update!);
  for (const past of state.inbox.keys()) if (past <= round) state.inbox.delete(past);
  state.update = null;
  out.push({
    kind: "report",
    report: { kind: "applied", from: state.rank, clock: round, staleness: 0 },
  });
  if (state.leaving) return part(state, replica, out);
  becomeLearning(state, replica, out);
}

/** A neighbour's model in this round, one's own for one that sends none; null while it is on its way. */
function partOf(state: GossipState, rank: number): Share | null {
  const { formation, formations, inbox, round, firstRounds, sent } = state;
  const neighbour = memberOf(formation!.members, rank)!;
  const life = lifeOf(neighbour);
  const share = inbox.get(round)?.get(life);
  if (share) return share;
  const isThere = memberOf(formations.members, rank)?.incarnation === neighbour.incarnation;
  return isThere && round >= (firstRounds.get(life) ?? 0) ? null : sent;
}

/** x_i <- sum_j W_ij x_j, in rank order; T likewise. */
function average({ row }: GossipState, replica: Replica, all: readonly Share[]): void {
  const { weights } = row;
  const mean = all.reduce((sum, share, k) => sum + weights[k]! * share.rows, 0);
  // Equal counts stay whole: their mean differs from them by rounding only.
  const rows = all.every((share) => share.rows === all[0]!.rows) ? all[0]!.rows : mean;
  replica.setWeights(
    mix(
      all.map((share) => share.weights),
      weights,
    ),
    rows,
  );
}

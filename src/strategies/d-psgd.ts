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
 * doubly stochastic. A newcomer copies the model of the lowest member. Where the topology can't be had with that
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
import { count, type FieldShape, modelRows } from "../wire/shape.ts";
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
  absorbStanding,
  becomeSettling,
  createFormations,
  type Formation,
  type Formations,
  formationOf,
  type Standing,
  settle,
  standingShape,
} from "./formations.ts";
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

/** A member's weights, for its neighbours' round. */
export interface Share {
  readonly kind: "share";
  readonly round: number;
  readonly rows: number;
  readonly weights: Float32Array;
}

/** A newcomer's model, with which it begins round `round`. */
interface ModelCopy {
  readonly kind: "model-copy";
  readonly view: number;
  readonly round: number;
  readonly rows: number;
  readonly values: Float32Array;
}

type MixMessage = Share | ModelCopy | Standing | EndingMessage;

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
  /** Newcomers to whom we owe the model when we begin that round. */
  owed: { readonly from: number; readonly ranks: readonly number[] } | null;
}

type Out = Outbox<MixMessage>;

const model: FieldShape = { type: "values", length: "whole" };

/** Decentralised SGD by synchronous averaging with neighbours. */
export const dPsgd: Strategy<GossipState, MixMessage> = {
  name: "d-psgd",
  sharing: "messages",
  pace: "lockstep",
  conserves: () => "mean",
  refuses: ({ workers }, options) =>
    topologyOf(options.topology).refuses(workers) ??
    refusesThinning("d-psgd", "rounded models would move the mean of the replicas", options),
  shapes: {
    ...endingShapes,
    share: { fields: { round: count, rows: modelRows, weights: model } },
    "model-copy": { fields: { view: count, round: count, rows: modelRows, values: model } },
    standing: standingShape,
  },
  init,
  step,
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
      if (state.leaving) return out.push({ kind: "finish" });
      giveModels(state, replica, out);
      return becomeDone(state.ending, out);
    case "view":
      return becomeView(state, replica, event.view, out);
    case "leave":
      state.leaving = true;
      if (state.round < 0 || state.exhausted) out.push({ kind: "finish" });
      return;
    case "wake":
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
  state.gift = null;
  becomeSettling(state.formations, view, state.round, out);
  becomeSettled(state, replica, out);
  followMembers(state.ending, view.members, out);
}

function becomeSettled(state: GossipState, replica: Replica, out: Out): void {
  const settled = settle(state.formations);
  if (settled === null) return;
  const { from, donor, newcomers } = settled;
  for (const newcomer of newcomers) state.firstRounds.set(lifeOf(newcomer), from);
  if (donor === state.rank) {
    state.owed = { from, ranks: newcomers.map(({ rank }) => rank) };
    // All that had a model are gone: the lowest newcomer begins with its own.
    if (state.round < 0) return enterRound(state, replica, from, out);
  }
  if (state.exhausted) giveModels(state, replica, out);
  if (state.round < 0) return takeGift(state, replica, out);
  if (state.held) {
    state.held = false;
    return becomeLearning(state, replica, out);
  }
  if (state.update) becomeAveraged(state, replica, out);
}

/** Gives newcomers the model as it is when their first round begins; or ours has ended. */
function giveModels({ owed, formations, ...state }: GossipState, replica: Replica, out: Out): void {
  if (owed === null || (!state.exhausted && state.round < owed.from)) return;
  const round = Math.max(owed.from, state.round);
  const body: ModelCopy = {
    ...{ kind: "model-copy", view: formations.view, round },
    ...replica.snapshot(),
  };
  for (const to of owed.ranks) out.push({ kind: "send", to, body });
}

function absorbCopy(
  state: GossipState,
  replica: Replica,
  { from, body }: { from: number; body: ModelCopy },
  out: Out,
): void {
  if (state.round >= 0 || body.view !== state.formations.view) {
    return out.push({ kind: "drop", from, reason: "has a model" });
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
  enterRound(state, replica, gift.round, out);
}

/** A newcomer's first round. */
function enterRound(state: GossipState, replica: Replica, round: number, out: Out): void {
  state.round = round - 1;
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
  if (state.leaving) return out.push({ kind: "finish" });
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

/**
 * D-PSGD: models, not updates, are exchanged between neighbours, in w-space.
 *
 * average-then-adapt (published order): the gradient is taken at the own x_i while the neighbours' models
 * travel; then  x_i <- sum_j W_ij x_j + own step.
 * adapt-then-average: x_i takes its own step first, then  x_i <- sum_j W_ij x_j.
 * W: Metropolis weights of the topology (topology/mixing.ts). T is averaged like the weights.
 *
 * Source: Lian et al. 2017, arXiv 1705.09056, algorithm 1; algorithms.md, sections 6 and 12.
 * Invariant: averaging leaves the mean of the replicas unchanged.
 * Invariant: adapt-then-average on complete equals allreduce with mean merging, up to rounding.
 */
import type { Replica } from "../math/replica.ts";
import type { Update } from "../math/update.ts";
import { type MixingRow, mix, mixingRow } from "../topology/mixing.ts";
import { topologyOf } from "../topology/topology.ts";
import {
  learnEffect,
  type NodeEvent,
  type Outbox,
  type Seat,
  type Strategy,
  type StrategyOptions,
} from "./strategy.ts";
import { refusesThinning } from "./thinning.ts";

/** A member's weights, for its neighbours' round. */
export interface Share {
  readonly kind: "share";
  readonly round: number;
  readonly rows: number;
  readonly weights: Float32Array;
}

interface GossipState {
  readonly options: StrategyOptions;
  readonly rank: number;
  readonly row: MixingRow;
  round: number;
  /** The own model as it was sent in this round, and the own update until both are used. */
  sent: Share | null;
  update: Update | null;
  /** Neighbours' models by round, then rank: a neighbour may be a round ahead. */
  readonly inbox: Map<number, Map<number, Share>>;
}

type Out = Outbox<Share>;

/** Decentralised SGD by synchronous averaging with neighbours. */
export const dPsgd: Strategy<GossipState, Share> = {
  name: "d-psgd",
  sharing: "messages",
  pace: "lockstep",
  conserves: () => "mean",
  refuses: ({ workers }, options) =>
    topologyOf(options.topology).refuses(workers) ??
    refusesThinning("d-psgd", "rounded models would move the mean of the replicas", options),
  init,
  step,
};

function init({ rank, workers }: Seat, options: StrategyOptions): GossipState {
  const row = mixingRow(topologyOf(options.topology), rank, workers);
  return { options, rank, row, round: 0, sent: null, update: null, inbox: new Map() };
}

function step(state: GossipState, replica: Replica, event: NodeEvent<Share>, out: Out): void {
  switch (event.kind) {
    case "start":
      return becomeLearning(state, replica, out);
    case "learned":
      return absorbUpdate(state, replica, event.update, out);
    case "message":
      return absorbShare(state, replica, event, out);
    case "exhausted":
      return out.push({ kind: "finish" });
    case "wake":
    case "leave":
    case "view":
    case "predicted":
      return;
    default:
      event satisfies never;
  }
}

/**
 * Begins a round: the gradient is taken at the model as it now is. The published order sends that same
 * model at once, so that it travels while rows are learned; a last one may travel for a round that is not
 * learned in any more, and is dropped.
 */
function becomeLearning(state: GossipState, replica: Replica, out: Out): void {
  state.round++;
  if (state.options.order === "average-then-adapt") send(state, replica, out);
  out.push(learnEffect(state.options, state.row.ranks.length, "mean"));
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
  const isNeighbour = state.row.ranks.includes(from) && from !== state.rank;
  const shares = state.inbox.get(body.round) ?? new Map<number, Share>();
  if (!isNeighbour || body.round < state.round || shares.has(from)) {
    return out.push({ kind: "drop", from, reason: "stale share" });
  }
  state.inbox.set(body.round, shares.set(from, body));
  if (state.update) becomeAveraged(state, replica, out);
}

/** Ends the round once the own update and all neighbours' models are here. */
function becomeAveraged(state: GossipState, replica: Replica, out: Out): void {
  const { row, options, update, round } = state;
  const shares = state.inbox.get(round);
  if (row.ranks.length > 1) {
    if ((shares?.size ?? 0) < row.ranks.length - 1) return;
    average(state, replica, shares!);
  }
  if (options.order === "average-then-adapt") replica.apply(update!);
  state.inbox.delete(round);
  state.update = null;
  out.push({
    kind: "report",
    report: { kind: "applied", from: state.rank, clock: round, staleness: 0 },
  });
  becomeLearning(state, replica, out);
}

/** x_i <- sum_j W_ij x_j, in rank order; T likewise. */
function average(state: GossipState, replica: Replica, shares: ReadonlyMap<number, Share>): void {
  const { ranks, weights } = state.row;
  const all = ranks.map((rank) => (rank === state.rank ? state.sent! : shares.get(rank)!));
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

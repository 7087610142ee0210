/**
 * AllReduce: every worker learns, all updates are merged, every worker applies the same merged update.
 * The merging is a reduction (reduction.ts), on a ring or a binary tree.
 *
 * Merging: `sum` or `anticipate`, or the row-weighted mean (each worker weighs its own part by its rows, the total divides).
 * Updates travel as dense vectors: 2(n-1)/n * d values a worker and round on the ring.
 *
 * Source: algorithms.md, section 4.
 * Invariant: the summation order is fixed by the topology, so all replicas are bitwise equal after each
 * round.
 * Invariant: the merged update equals bsp's up to n units of rounding of the sum of the absolute parts.
 */
import type { Replica } from "../math/replica.ts";
import { toDense, type Update } from "../math/update.ts";
import {
  absorbPart,
  beginRound,
  createReduction,
  type Part,
  type Reduction,
  type Round,
  refusesReduction,
} from "./reduction.ts";
import {
  learnEffect,
  type NodeEvent,
  type Outbox,
  type Seat,
  type Strategy,
  type StrategyOptions,
} from "./strategy.ts";
import { refusesThinning } from "./thinning.ts";

interface ReduceState {
  readonly options: StrategyOptions;
  readonly rank: number;
  readonly workers: number;
  readonly width: number;
  readonly reduction: Reduction;
}

/** Merged updates, by reduce-scatter and all-gather on a ring or up and down a binary tree. */
export const allreduce: Strategy<ReduceState, Part> = {
  name: "allreduce",
  sharing: "messages",
  pace: "lockstep",
  merges: ["sum", "mean", "anticipate"],
  conserves: ({ merge }) => (merge === "mean" ? "mean" : "sum"),
  refuses: (_, options) =>
    refusesReduction("allreduce", options) ??
    refusesThinning("allreduce", "sums are rounded again at every hop of their way", options),
  init,
  step,
};

function init(seat: Seat, options: StrategyOptions): ReduceState {
  const { rank, workers, width } = seat;
  return { options, rank, workers, width, reduction: createReduction(seat, options.topology) };
}

function step(
  state: ReduceState,
  replica: Replica,
  event: NodeEvent<Part>,
  out: Outbox<Part>,
): void {
  switch (event.kind) {
    case "start":
      return out.push(learnEffect(state.options, state.workers));
    case "learned":
      return becomeReducing(state, replica, event.update, out);
    case "message":
      return conclude(state, replica, absorbPart(state.reduction, event, out), out);
    case "exhausted":
      return out.push({ kind: "finish" });
    case "wake":
    case "lost":
    case "view":
    case "predicted":
      return;
    default:
      event satisfies never;
  }
}

function becomeReducing(
  state: ReduceState,
  replica: Replica,
  update: Update,
  out: Outbox<Part>,
): void {
  const { workers, width, options, reduction } = state;
  // Alone there is nothing to merge, and the update is applied as it is: bit for bit what serial does.
  if (workers === 1) {
    reduction.clock++;
    return becomeLearning(state, replica, update, out);
  }
  const { rows, delta } = update;
  const values = toDense(delta, width);
  if (options.merge === "mean") for (let i = 0; i < values.length; i++) values[i]! *= rows;
  conclude(state, replica, beginRound(reduction, { values, rows }, out), out);
}

function conclude(
  state: ReduceState,
  replica: Replica,
  round: Round | null,
  out: Outbox<Part>,
): void {
  if (round) becomeLearning(state, replica, mergedUpdate(state, round), out);
}

/** The merged update: the sum of all parts, or divided by all rows the row-weighted mean. */
function mergedUpdate({ options }: ReduceState, { values, counts }: Round): Update {
  const { rows, squares } = counts;
  if (options.merge !== "mean") return { rows, delta: values };
  if (rows === 0) return { rows: 0, delta: values };
  for (let i = 0; i < values.length; i++) values[i]! /= rows;
  return { rows: squares / rows, delta: values };
}

function becomeLearning(
  state: ReduceState,
  replica: Replica,
  merged: Update,
  out: Outbox<Part>,
): void {
  replica.apply(merged);
  const { rank, reduction, workers, options } = state;
  const report = { kind: "applied", from: rank, clock: reduction.clock, staleness: 0 } as const;
  out.push({ kind: "report", report });
  out.push(learnEffect(options, workers));
}

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
 * Members come and go between rounds and within them (rounds.ts).
 * Invariant: the merged update equals bsp's up to n units of rounding of the sum of the absolute parts.
 */
import type { Replica } from "../math/replica.ts";
import { emptyUpdate, toDense, type Update } from "../math/update.ts";
import {
  becomeDone,
  createEnding,
  type Ending,
  type EndingMessage,
  endingShapes,
  followMembers,
} from "./ending.ts";
import { refusesReduction, usualReductionTopology } from "./reduction.ts";
import { type RoundMessage, roundShapes } from "./round-messages.ts";
import {
  absorbTogether,
  becomeAwake,
  contribute,
  copyToNewcomers,
  createRounds,
  enterRounds,
  followView,
  isSettled,
  leaveWill,
  type RoundRule,
  type Rounds,
  roundOf,
} from "./rounds.ts";
import {
  learnEffect,
  type NodeEvent,
  type Outbox,
  type Seat,
  type Strategy,
  type StrategyOptions,
  viewOf,
} from "./strategy.ts";
import { refusesThinning } from "./thinning.ts";

interface ReduceState {
  readonly options: StrategyOptions;
  readonly rank: number;
  readonly width: number;
  readonly rounds: Rounds;
  readonly ending: Ending;
  /** `joining`: without a model; `parting`: contributes nothing any more. */
  phase: "joining" | "learning" | "parting";
  leaving: boolean;
}

type ReduceMessage = RoundMessage | EndingMessage;
type Out = Outbox<ReduceMessage>;

/** Merged updates, by reduce-scatter and all-gather on a ring or up and down a binary tree. */
export const allreduce: Strategy<ReduceState, ReduceMessage> = {
  name: "allreduce",
  sharing: "messages",
  pace: "lockstep",
  merges: ["anticipate", "sum", "mean"],
  conserves: ({ merge }) => (merge === "mean" ? "mean" : "sum"),
  usualTopology: usualReductionTopology,
  refuses: (_, options) =>
    refusesReduction("allreduce", options) ??
    refusesThinning("allreduce", "sums are rounded again at every hop of their way", options),
  shapes: {
    ...endingShapes,
    ...roundShapes(
      { type: "values", length: "whole", orEmpty: true },
      { type: "values", length: "whole" },
    ),
  },
  clockOf: ({ rounds }) => roundOf(rounds),
  init,
  step,
  parted({ rounds }, { replica, view }, out) {
    leaveWill(rounds, view, () => replica.snapshot(), out);
  },
};

function init(seat: Seat, options: StrategyOptions): ReduceState {
  const { rank, width } = seat;
  const view = viewOf(seat);
  return {
    options,
    rank,
    width,
    rounds: createRounds(seat, options.topology),
    ending: createEnding(rank, view.members),
    phase: view.id > 1 ? "joining" : "learning",
    leaving: false,
  };
}

function step(state: ReduceState, replica: Replica, event: NodeEvent<ReduceMessage>, out: Out) {
  const { rounds, ending } = state;
  switch (event.kind) {
    case "start":
      if (state.phase === "joining") enterRounds(rounds, { rule: ruleOf(state), replica }, out);
      else askToLearn(state, out);
      break;
    case "learned":
      conclude(state, replica, contribute(rounds, ruleOf(state), event.update, out), out);
      break;
    case "message":
      conclude(
        state,
        replica,
        absorbTogether(state, { rule: ruleOf(state), replica }, event, out),
        out,
      );
      break;
    case "view":
      conclude(
        state,
        replica,
        followView(rounds, { rule: ruleOf(state), replica }, event.view, out),
        out,
      );
      followMembers(ending, event.view.members, out);
      break;
    case "exhausted":
      becomeDone(ending, out);
      break;
    case "leave":
      state.leaving = true;
      break;
    case "wake":
      becomeAwake(rounds, { rule: ruleOf(state), replica }, out);
      break;
    case "predicted":
      return;
    default:
      event satisfies never;
  }
  if (state.phase === "joining" && isSettled(rounds)) becomeLearning(state, replica, out);
  if (isSettled(rounds)) copyToNewcomers(rounds, () => replica.snapshot(), out);
}

function ruleOf({ width, options }: ReduceState): RoundRule {
  const isMean = options.merge === "mean";
  return {
    vectorOf({ rows, delta }) {
      const values = toDense(delta, width);
      if (isMean) for (let i = 0; i < values.length; i++) values[i]! *= rows;
      return values;
    },
    /** The merged update: the sum of all parts, or divided by all rows the row-weighted mean. */
    mergedOf({ values, counts: { rows, squares } }) {
      if (!isMean) return { rows, delta: values };
      if (rows === 0) return { rows: 0, delta: values };
      for (let i = 0; i < values.length; i++) values[i]! /= rows;
      return { rows: squares / rows, delta: values };
    },
  };
}

/** A round is over: applies its merged update, and goes on. */
function conclude(state: ReduceState, replica: Replica, merged: Update | null, out: Out): void {
  if (merged === null) return;
  replica.apply(merged);
  if (state.phase === "parting") return out.push({ kind: "finish" });
  const { rank, rounds } = state;
  const report = { kind: "applied", from: rank, clock: rounds.completed, staleness: 0 } as const;
  out.push({ kind: "report", report });
  becomeLearning(state, replica, out);
}

function becomeLearning(state: ReduceState, replica: Replica, out: Out): void {
  const { rounds, ending } = state;
  state.phase = "learning";
  if (!state.leaving) return askToLearn(state, out);
  state.phase = "parting";
  if (rounds.ranks.length === 1) return out.push({ kind: "finish" });
  becomeDone(ending, out);
  conclude(state, replica, contribute(rounds, ruleOf(state), emptyUpdate, out), out);
}

function askToLearn({ options, rounds }: ReduceState, out: Out): void {
  const workers = rounds.ranks.length;
  out.push(learnEffect(options, { workers, round: rounds.completed + 1 }));
}

/**
 * AllReduce: every worker learns, all updates are merged, every worker applies the same merged update.
 * The two ways to merge are two tables of moves: ring-reduce.ts and tree-reduce.ts.
 *
 * Merging: `sum`, or the row-weighted mean (each worker weighs its own part by its rows, the total divides).
 * Updates travel as dense vectors: 2(n-1)/n * d values a worker and round on the ring.
 *
 * Source: algorithms.md, section 4.
 * Invariant: the summation order is fixed by the topology, so all replicas are bitwise equal after each
 * round.
 * Invariant: the merged update equals bsp's up to n units of rounding of the sum of the absolute parts.
 */
import type { Replica } from "../math/replica.ts";
import { toDense, type Update } from "../math/update.ts";
import { ringMoves } from "./ring-reduce.ts";
import {
  learnEffect,
  type NodeEvent,
  type Outbox,
  type Seat,
  type Strategy,
  type StrategyOptions,
} from "./strategy.ts";
import { treeMoves } from "./tree-reduce.ts";

/** A part of the vector on its way: partial sums on the way in, finished ones on the way out. */
export interface Part {
  readonly kind: "reduce" | "gather";
  readonly round: number;
  readonly step: number;
  readonly values: Float32Array;
  /** Sums over the workers in `values`: of rows, and of rows squared (for the row-weighted mean). */
  readonly rows: number;
  readonly squares: number;
}

/** Counts of workers' rows: whole numbers, exact in whatever order they are added. */
export interface Counts {
  rows: number;
  squares: number;
}

/** Where and how big; what a table of moves needs of a worker. */
export interface Place {
  readonly rank: number;
  readonly workers: number;
  readonly width: number;
}

/** An open round of one worker. */
export interface Round {
  readonly number: number;
  readonly own: Update;
  readonly ownCounts: Counts;
  /** The own part, then partial sums, in the end the whole sum. */
  readonly values: Float32Array;
  counts: Counts;
  /** How many of the expected parts were taken. */
  taken: number;
}

/** A way to merge: the parts a worker awaits, in the order it takes them, and what it sends when. */
export interface Moves {
  /** Steps of the parts that a worker takes in every round, in this order. */
  steps(place: Place): readonly number[];
  begin(place: Place, round: Round, out: Outbox<Part>): void;
  take(place: Place, round: Round, part: Part, out: Outbox<Part>): void;
}

interface ReduceState {
  readonly options: StrategyOptions;
  readonly place: Place;
  readonly steps: readonly number[];
  /** Rounds begun. */
  clock: number;
  round: Round | null;
  /** Parts that came before their turn, by round and step. */
  readonly early: Map<string, Part>;
}

/** Merged updates, by reduce-scatter and all-gather on a ring or up and down a binary tree. */
export const allreduce: Strategy<ReduceState, Part> = {
  name: "allreduce",
  sharing: "messages",
  pace: "lockstep",
  conserves: ({ merge }) => merge,
  refuses: (_, { topology }) =>
    topology === "ring" || topology === "tree"
      ? null
      : `allreduce runs on topology ring or tree: current value is ${topology}`,
  init,
  step,
};

function init({ rank, workers, width }: Seat, options: StrategyOptions): ReduceState {
  const place = { rank, workers, width };
  const steps = workers === 1 ? [] : movesOf(options).steps(place);
  return { options, place, steps, clock: 0, round: null, early: new Map() };
}

function movesOf({ topology }: StrategyOptions): Moves {
  return topology === "tree" ? treeMoves : ringMoves;
}

function step(
  state: ReduceState,
  replica: Replica,
  event: NodeEvent<Part>,
  out: Outbox<Part>,
): void {
  switch (event.kind) {
    case "start":
      return out.push(learnEffect(state.options, state.place.workers));
    case "learned":
      return becomeReducing(state, replica, event.update, out);
    case "message":
      return absorb(state, replica, event, out);
    case "exhausted":
      return out.push({ kind: "finish" });
    case "wake":
    case "lost":
    case "view":
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
  state.clock++;
  // Alone there is nothing to merge, and the update is applied as it is: bit for bit what serial does.
  if (state.place.workers === 1) return becomeLearning(state, replica, update, out);
  state.round = openRound(state, update);
  movesOf(state.options).begin(state.place, state.round, out);
  proceed(state, replica, out);
}

function openRound({ clock, options, place }: ReduceState, update: Update): Round {
  const { rows, delta } = update;
  const values = toDense(delta, place.width);
  if (options.merge === "mean") for (let i = 0; i < values.length; i++) values[i]! *= rows;
  const ownCounts = { rows, squares: rows * rows };
  return { number: clock, own: update, ownCounts, values, counts: { ...ownCounts }, taken: 0 };
}

function absorb(
  state: ReduceState,
  replica: Replica,
  { from, body }: { from: number; body: Part },
  out: Outbox<Part>,
): void {
  const key = keyOf(body.round, body.step);
  if (isPast(state, body) || state.early.has(key)) {
    return out.push({ kind: "drop", from, reason: "stale part" });
  }
  state.early.set(key, body);
  proceed(state, replica, out);
}

function isPast({ clock, round, steps }: ReduceState, part: Part): boolean {
  if (part.round !== clock) return part.round < clock;
  return round === null || steps.indexOf(part.step) < round.taken;
}

/** Takes the parts of this round in the order of their steps, as far as they are here. */
function proceed(state: ReduceState, replica: Replica, out: Outbox<Part>): void {
  const { round, steps, early, place } = state;
  if (round === null) return;
  while (round.taken < steps.length) {
    const key = keyOf(round.number, steps[round.taken]!);
    const part = early.get(key);
    if (part === undefined) return;
    early.delete(key);
    round.taken++;
    movesOf(state.options).take(place, round, part, out);
  }
  state.round = null;
  becomeLearning(state, replica, mergedUpdate(state, round), out);
}

/** The merged update: the sum of all parts, or divided by all rows the row-weighted mean. */
function mergedUpdate({ options }: ReduceState, { values, counts }: Round): Update {
  const { rows, squares } = counts;
  if (options.merge === "sum") return { rows, delta: values };
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
  const { clock, place } = state;
  out.push({
    kind: "report",
    report: { kind: "applied", from: place.rank, clock, staleness: 0 },
  });
  out.push(learnEffect(state.options, place.workers));
}

function keyOf(round: number, step: number): string {
  return `${round}:${step}`;
}

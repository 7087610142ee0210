/**
 * A reduction: every worker gives a vector, all get the sum of them, in rounds. The ways to move the
 * parts are tables: ring-reduce.ts, tree-reduce.ts and complete-reduce.ts. Parts that come before their turn wait, so
 * a worker takes them in one fixed order whatever the delays.
 *
 * Source: algorithms.md, section 4.
 * Invariant: the summation order is fixed by the topology, so all workers get the same bits.
 */
import { completeMoves } from "./complete-reduce.ts";
import { ringMoves } from "./ring-reduce.ts";
import type { Outbox, StrategyOptions } from "./strategy.ts";
import { treeMoves } from "./tree-reduce.ts";

/** A part of the vector on its way: partial sums on the way in, finished ones on the way out. */
export interface Part {
  readonly kind: "reduce" | "gather";
  /** The view whose ring or tree it is on. */
  readonly view: number;
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
  /** Counts the workers that take part, from 0; `ranks` are their names. */
  readonly rank: number;
  readonly workers: number;
  readonly view: number;
  readonly ranks: readonly number[];
  /** Length of the vector. */
  readonly width: number;
}

/** An open round of one worker. */
export interface Round {
  readonly place: Place;
  readonly ownCounts: Counts;
  /** The own part, then partial sums, in the end the whole sum. */
  readonly values: Float32Array;
  readonly number: number;
  counts: Counts;
  /** How many of the expected parts were taken. */
  taken: number;
}

/** What a part must be that a worker takes in a step. */
export interface DuePart {
  readonly kind: Part["kind"];
  readonly length: number;
}

/** A way to merge: the parts a worker awaits, in the order it takes them, and what it sends when. */
export interface Moves {
  due(place: Place, step: number): DuePart;
  /** Steps of the parts that a worker takes in every round, in this order. */
  steps(place: Pick<Place, "rank" | "workers">): readonly number[];
  begin(place: Place, round: Round, out: Outbox<Part>): void;
  take(place: Place, round: Round, part: Part, out: Outbox<Part>): void;
}

const moves = { ring: ringMoves, tree: treeMoves, complete: completeMoves } as const;

/** What a reduction can run on. */
export type ReductionTopology = keyof typeof moves;

/** One worker's rounds: plain data. */
export interface Reduction {
  readonly topology: ReductionTopology;
  place: Omit<Place, "width">;
  steps: readonly number[];
  /** Rounds begun. */
  clock: number;
  round: Round | null;
  /** Parts that came before their turn, by view, round and step. */
  readonly early: Map<string, { readonly from: number; readonly body: Part }>;
}

const completeWorkersMax = 8;
/** Parts that wait, by worker: of two rounds of each view that is not settled yet there are fewer. */
const earlyPartsMax = 64;

/** Why a reduction can't run on a topology; null when it can. */
export function refusesReduction(
  strategy: string,
  { topology }: Pick<StrategyOptions, "topology">,
): string | null {
  return isReductionTopology(topology)
    ? null
    : `${strategy} runs on topology ${Object.keys(moves).join(", ")}: current value is ${topology}`;
}

/** Among few everybody has a link to everybody anyway, and two latencies a round are fewer than a ring's 2(n-1). */
export function usualReductionTopology(workers: number): {
  readonly topology: ReductionTopology;
  readonly reason: string;
} {
  return workers <= completeWorkersMax
    ? {
        topology: "complete",
        reason: `a round takes 2 latencies; the usual one for up to ${completeWorkersMax} workers`,
      }
    : {
        topology: "ring",
        reason: `each worker has 2 links; the usual one for more than ${completeWorkersMax} workers`,
      };
}

function isReductionTopology(topology: string): topology is ReductionTopology {
  return Object.hasOwn(moves, topology);
}

/** Before the first round, among these workers. */
export function createReduction(
  topology: StrategyOptions["topology"],
  formation: { readonly view: number; readonly ranks: readonly number[]; readonly own: number },
): Reduction {
  const form = isReductionTopology(topology) ? topology : "ring";
  const place = placeIn(formation);
  const steps = stepsOf(form, place);
  return { topology: form, place, steps, clock: 0, round: null, early: new Map() };
}

/** The ring or tree forms anew, over these workers; the open round is given up, `clock` rounds are done. */
export function reform(
  reduction: Reduction,
  formation: { readonly view: number; readonly ranks: readonly number[]; readonly own: number },
  clock: number,
): void {
  reduction.place = placeIn(formation);
  reduction.steps = stepsOf(reduction.topology, reduction.place);
  reduction.clock = clock;
  reduction.round = null;
  for (const [key, { body }] of reduction.early) {
    if (body.view < formation.view || body.round <= clock) reduction.early.delete(key);
  }
}

function placeIn({ view, ranks, own }: { view: number; ranks: readonly number[]; own: number }) {
  return { rank: ranks.indexOf(own), workers: ranks.length, view, ranks };
}

function stepsOf(topology: ReductionTopology, place: Reduction["place"]): readonly number[] {
  return place.workers === 1 ? [] : moves[topology].steps(place);
}

/** Gives the own vector of the next round, which now belongs to it; returns the round if it ends at once. */
export function beginRound(
  reduction: Reduction,
  { values, rows }: { values: Float32Array; rows: number },
  out: Outbox<Part>,
): Round | null {
  const { place, topology } = reduction;
  const ownCounts = { rows, squares: rows * rows };
  const round: Round = {
    place: { ...place, width: values.length },
    ownCounts,
    values,
    number: ++reduction.clock,
    counts: { ...ownCounts },
    taken: 0,
  };
  reduction.round = round;
  if (place.workers > 1) moves[topology].begin(round.place, round, out);
  return proceed(reduction, out);
}

/** Takes a part of another worker; returns the round if it ends by it. */
export function absorbPart(
  reduction: Reduction,
  { from, body }: { from: number; body: Part },
  out: Outbox<Part>,
): Round | null {
  const { round, place, steps, early } = reduction;
  const isNext =
    round !== null &&
    body.view === place.view &&
    body.round === round.number &&
    body.step === steps[round.taken];
  if (isNext) {
    return take(reduction, round, { from, body }, out) ? proceed(reduction, out) : null;
  }
  const key = keyOf(body.view, body.round, body.step);
  if (isPast(reduction, body) || early.has(key)) {
    out.push({ kind: "drop", from, reason: "stale part" });
    return null;
  }
  if (early.size > earlyPartsMax * (1 + place.workers)) {
    out.push({ kind: "drop", from, reason: "too many parts before their turn", blame: true });
    return null;
  }
  early.set(key, { from, body });
  return null;
}

/** Takes a part in its turn; false for one that is none of this step's. */
function take(
  { topology }: Reduction,
  round: Round,
  { from, body }: { from: number; body: Part },
  out: Outbox<Part>,
): boolean {
  const { due, take: move } = moves[topology];
  const { kind, length } = due(round.place, body.step);
  if (body.kind !== kind || body.values.length !== length) {
    const reason = `part of ${body.values.length} values where ${length} are due`;
    out.push({ kind: "drop", from, reason, blame: true });
    return false;
  }
  round.taken++;
  move(round.place, round, body, out);
  return true;
}

function isPast({ clock, round, steps, place }: Reduction, part: Part): boolean {
  if (part.view !== place.view) return part.view < place.view;
  if (part.round !== clock) return part.round < clock;
  return round === null || steps.indexOf(part.step) < round.taken;
}

/** Takes the parts of this round in the order of their steps, as far as they are here. */
function proceed(reduction: Reduction, out: Outbox<Part>): Round | null {
  const { round, steps, early, place } = reduction;
  if (round === null) return null;
  while (round.taken < steps.length) {
    if (early.size === 0) return null;
    const key = keyOf(place.view, round.number, steps[round.taken]!);
    const part = early.get(key);
    if (part === undefined) return null;
    early.delete(key);
    if (!take(reduction, round, part, out)) return null;
  }
  reduction.round = null;
  return round;
}

function keyOf(view: number, round: number, step: number): string {
  return `${view}:${round}:${step}`;
}

/**
 * Merging on a binary tree: every rank adds the sums of its children to its own part, left before right,
 * and sends the result to its parent; the root's total goes back down. 2 log2(n) hops of d values.
 *
 * The step of a part is the rank it comes from.
 * Source: algorithms.md, section 4.
 * Invariant: after the broadcast every worker holds the same bits.
 */
import { parentOf } from "../topology/topology.ts";
import type { Moves, Part, Place, Round } from "./reduction.ts";
import type { Outbox } from "./strategy.ts";

export const treeMoves: Moves = {
  steps: (place) => (place.rank === 0 ? childrenOf(place) : [...childrenOf(place), parent(place)]),
  due(place, step) {
    const isFromParent = place.rank > 0 && step === parent(place);
    return { kind: isFromParent ? "gather" : "reduce", length: place.width };
  },
  begin(place, round, out) {
    if (childrenOf(place).length === 0) sendUp(place, round, out);
  },
  take(place, round, part, out) {
    if (part.kind === "reduce") reduce(place, round, part, out);
    else gather(place, round, part, out);
  },
};

function reduce(place: Place, round: Round, part: Part, out: Outbox<Part>): void {
  const { values, counts } = round;
  for (let i = 0; i < values.length; i++) values[i]! += part.values[i]!;
  counts.rows += part.rows;
  counts.squares += part.squares;
  if (round.taken < childrenOf(place).length) return;
  if (place.rank === 0) sendDown(place, round, out);
  else sendUp(place, round, out);
}

function gather(place: Place, round: Round, part: Part, out: Outbox<Part>): void {
  round.values.set(part.values);
  round.counts = { rows: part.rows, squares: part.squares };
  sendDown(place, round, out);
}

function sendUp(place: Place, round: Round, out: Outbox<Part>): void {
  const to = place.ranks[parent(place)]!;
  out.push({ kind: "send", to, body: partOf(place, round, "reduce") });
}

function sendDown(place: Place, round: Round, out: Outbox<Part>): void {
  const body = partOf(place, round, "gather");
  for (const child of childrenOf(place)) {
    out.push({ kind: "send", to: place.ranks[child]!, body });
  }
}

function partOf({ rank, view }: Place, round: Round, kind: Part["kind"]): Part {
  const { number, values, counts } = round;
  return { kind, view, round: number, step: rank, values: values.slice(), ...counts };
}

function parent({ rank }: { rank: number }): number {
  return parentOf(rank);
}

function childrenOf({ rank, workers }: Pick<Place, "rank" | "workers">): number[] {
  return [2 * rank + 1, 2 * rank + 2].filter((child) => child < workers);
}

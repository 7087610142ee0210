/**
 * Merging on a ring: reduce-scatter, then all-gather, 2(n-1) steps of d/n values.
 *
 * Step k < n-1: rank r sends chunk (r - k) mod n to r + 1, which adds its own part to it; so chunk c is
 * summed in the order c, c+1, ..., c-1 (mod n). Step n-1+k: rank r sends the finished chunk
 * (r + 1 - k) mod n to r + 1, which stores it.
 *
 * Source: Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations".
 * Invariant: after 2(n-1) steps every worker holds the same bits.
 */
import { keyRange } from "../math/update.ts";
import type { Counts, Moves, Part, Place, Round } from "./reduction.ts";
import type { Outbox } from "./strategy.ts";

export const ringMoves: Moves = {
  steps: ({ workers }) => Array.from({ length: 2 * (workers - 1) }, (_, step) => step),
  due(place, step) {
    const isReduce = step < place.workers - 1;
    const { from, to } = chunkRange(
      place,
      isReduce ? reducedIn(place, step) : gatheredIn(place, step),
    );
    return { kind: isReduce ? "reduce" : "gather", length: to - from };
  },
  begin(place, round, out) {
    sendChunk(place, round, { step: 0, chunk: place.rank, counts: round.ownCounts }, out);
  },
  take(place, round, part, out) {
    if (part.step < place.workers - 1) reduce(place, round, part, out);
    else gather(place, round, part, out);
  },
};

/** Adds the own part to the chunk that came, and passes it on. */
function reduce(place: Place, round: Round, part: Part, out: Outbox<Part>): void {
  const chunk = reducedIn(place, part.step);
  const { from } = chunkRange(place, chunk);
  const { values } = round;
  for (let i = 0; i < part.values.length; i++) {
    values[from + i] = part.values[i]! + values[from + i]!;
  }
  const counts = {
    rows: part.rows + round.ownCounts.rows,
    squares: part.squares + round.ownCounts.squares,
  };
  sendChunk(place, round, { step: part.step + 1, chunk, counts }, out);
}

/** Stores the finished chunk that came, and passes it on unless the next worker finished it. */
function gather(place: Place, round: Round, part: Part, out: Outbox<Part>): void {
  const n = place.workers;
  const chunk = gatheredIn(place, part.step);
  round.values.set(part.values, chunkRange(place, chunk).from);
  const { rows, squares } = part;
  round.counts = { rows, squares };
  if (part.step === 2 * (n - 1) - 1) return;
  sendChunk(place, round, { step: part.step + 1, chunk, counts: round.counts }, out);
}

function sendChunk(
  place: Place,
  round: Round,
  { step, chunk, counts }: { step: number; chunk: number; counts: Counts },
  out: Outbox<Part>,
): void {
  const { from, to } = chunkRange(place, chunk);
  const body: Part = {
    kind: step < place.workers - 1 ? "reduce" : "gather",
    view: place.view,
    round: round.number,
    step,
    values: round.values.slice(from, to),
    rows: counts.rows,
    squares: counts.squares,
  };
  out.push({ kind: "send", to: place.ranks[(place.rank + 1) % place.workers]!, body });
}

/** The chunk that comes in a step. */
function reducedIn({ rank, workers }: Place, step: number): number {
  return modulo(rank - 1 - step, workers);
}

function gatheredIn({ rank, workers }: Place, step: number): number {
  return modulo(rank - (step - (workers - 1)), workers);
}

function chunkRange({ workers, width }: Place, chunk: number) {
  return keyRange(chunk, { parts: workers, width });
}

function modulo(value: number, n: number): number {
  return ((value % n) + n) % n;
}

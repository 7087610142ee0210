/**
 * Merging with everybody at once: reduce-scatter, then all-gather, each in one step of n - 1 messages of d/n
 * values. As many bytes as on the ring, 2 latencies instead of 2(n-1); but everybody has a link to everybody.
 *
 * In step s < n rank s sends chunk c to rank c, which adds the parts in rank order to its own. In step n + s rank s
 * sends its finished chunk to all others, which store it.
 *
 * Source: Thakur, Rabenseifner and Gropp 2005, "Optimization of collective communication operations in MPICH",
 * section 4 (reduce-scatter by pairwise exchange; here all exchanges are under way at once).
 * Invariant: after both steps every worker holds the same bits.
 */
import { keyRange } from "../math/update.ts";
import type { Moves, Part, Place, Round } from "./reduction.ts";
import type { Outbox } from "./strategy.ts";

export const completeMoves: Moves = {
  steps(place) {
    const others = othersOf(place);
    return [...others, ...others.map((rank) => place.workers + rank)];
  },
  due(place, step) {
    const isReduce = step < place.workers;
    const { from, to } = chunkOf(place, isReduce ? place.rank : step - place.workers);
    return { kind: isReduce ? "reduce" : "gather", length: to - from };
  },
  begin(place, round, out) {
    for (const other of othersOf(place)) {
      const { from, to } = chunkOf(place, other);
      send(place, round, { other, values: round.values.slice(from, to), kind: "reduce" }, out);
    }
  },
  take(place, round, part, out) {
    if (part.kind === "reduce") reduce(place, round, part, out);
    else round.values.set(part.values, chunkOf(place, part.step - place.workers).from);
  },
};

/** Adds a part to the own chunk; hands the chunk out once all parts are in it. */
function reduce(place: Place, round: Round, part: Part, out: Outbox<Part>): void {
  const { values, counts } = round;
  const { from, to } = chunkOf(place, place.rank);
  addTo(values.subarray(from, to), part.values);
  counts.rows += part.rows;
  counts.squares += part.squares;
  if (round.taken < place.workers - 1) return;
  const finished = values.slice(from, to);
  for (const other of othersOf(place)) {
    send(place, round, { other, values: finished, kind: "gather" }, out);
  }
}

function send(
  { rank, view, workers, ranks }: Place,
  round: Round,
  { other, values, kind }: { other: number } & Pick<Part, "values" | "kind">,
  out: Outbox<Part>,
): void {
  const step = kind === "reduce" ? rank : workers + rank;
  const { rows, squares } = round.counts;
  const body: Part = { kind, view, round: round.number, step, values, rows, squares };
  out.push({ kind: "send", to: ranks[other]!, body });
}

function addTo(sum: Float32Array, part: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += part[i]!;
}

function othersOf({ rank, workers }: Pick<Place, "rank" | "workers">): number[] {
  return Array.from({ length: workers }, (_, other) => other).filter((other) => other !== rank);
}

function chunkOf({ workers, width }: Place, chunk: number) {
  return keyRange(chunk, { parts: workers, width });
}

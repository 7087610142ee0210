/**
 * Mixing weights: x_i <- sum_j W_ij x_j, with Metropolis weights
 *   W_ij = 1 / (1 + max(degree_i, degree_j)) for neighbours, W_ii = 1 - sum_j W_ij.
 *
 * Source: algorithms.md, section 6; Xiao and Boyd 2004, "Fast linear iterations for distributed
 * averaging", section 4 (Metropolis-Hastings weights).
 * Invariant: W is symmetric and doubly stochastic, with no negative weight.
 * Invariant: averaging leaves the mean of the replicas unchanged.
 */
import type { Topology } from "./topology.ts";

/** One row of W: ranks ascending, own rank included. */
export interface MixingRow {
  readonly ranks: readonly number[];
  readonly weights: readonly number[];
}

/** Row `rank` of the mixing matrix. */
export function mixingRow(topology: Topology, rank: number, n: number): MixingRow {
  const near = topology.neighbours(rank, n);
  const shares = near.map((other) => {
    const degree = topology.neighbours(other, n).length;
    return 1 / (1 + Math.max(near.length, degree));
  });
  const own = 1 - shares.reduce((sum, share) => sum + share, 0);
  const place = near.filter((other) => other < rank).length;
  return {
    ranks: [...near.slice(0, place), rank, ...near.slice(place)],
    weights: [...shares.slice(0, place), own, ...shares.slice(place)],
  };
}

/** sum_j weights_j * vectors_j, in the order given, in f64, rounded once. */
export function mix(vectors: readonly Float32Array[], weights: readonly number[]): Float32Array {
  const result = new Float32Array(vectors[0]!.length);
  for (let i = 0; i < result.length; i++) {
    let sum = 0;
    for (let k = 0; k < vectors.length; k++) sum += weights[k]! * vectors[k]![i]!;
    result[i] = sum;
  }
  return result;
}

/** Longest shortest path between two members. */
export function diameter(topology: Topology, n: number): number {
  let longest = 0;
  for (let rank = 0; rank < n; rank++) longest = Math.max(longest, eccentricity(topology, rank, n));
  return longest;
}

/** Steps from `rank` to the member farthest from it; Infinity when one can't be reached. */
export function eccentricity(topology: Topology, rank: number, n: number): number {
  const seen = new Set([rank]);
  let front = [rank];
  let steps = 0;
  for (;;) {
    const next: number[] = [];
    for (const member of front) {
      for (const other of topology.neighbours(member, n)) {
        if (seen.has(other)) continue;
        seen.add(other);
        next.push(other);
      }
    }
    if (next.length === 0) return seen.size === n ? steps : Number.POSITIVE_INFINITY;
    front = next;
    steps++;
  }
}

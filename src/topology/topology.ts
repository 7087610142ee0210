/**
 * Topologies: who exchanges with whom. `neighbours(rank, n)` is all a topology defines; degree, mixing
 * weights and spectral gap are derived (mixing.ts).
 *
 * Source: algorithms.md, sections 6 and 12 (D-PSGD's exponential graph: hops of plus and minus 2^i).
 * Invariant: neighbourhood is symmetric, and nobody is its own neighbour.
 * Invariant: every topology is connected.
 */

export const topologyNames = [
  "ring",
  "torus",
  "exponential",
  "hypercube",
  "tree",
  "star",
  "complete",
] as const;

/** The name of a topology. */
export type TopologyName = (typeof topologyNames)[number];

/** A way to connect n members. */
export interface Topology {
  readonly name: TopologyName;
  /** Ranks that `rank` exchanges with, ascending. */
  neighbours(rank: number, n: number): number[];
  /** Why n members can't be connected so; null when they can. */
  refuses(n: number): string | null;
}

/** Each with the next and the one before. Diameter n/2. */
export const ring: Topology = {
  name: "ring",
  neighbours: (rank, n) => others(rank, n, [rank + 1, rank - 1 + n]),
  refuses: () => null,
};

/** Rows and columns, both closed, of the most nearly square factorisation of n. */
export const torus: Topology = {
  name: "torus",
  neighbours(rank, n) {
    const { columns, rows } = torusShape(n);
    const column = rank % columns;
    const row = (rank - column) / columns;
    const at = (r: number, c: number) => ((r + rows) % rows) * columns + ((c + columns) % columns);
    return others(rank, n, [
      at(row, column + 1),
      at(row, column - 1),
      at(row + 1, column),
      at(row - 1, column),
    ]);
  },
  refuses: () => null,
};

/** Hops of plus and minus 2^i: degree and diameter grow with log n. */
export const exponential: Topology = {
  name: "exponential",
  neighbours(rank, n) {
    const hops: number[] = [];
    for (let hop = 1; hop < n; hop *= 2) hops.push(rank + hop, rank - hop + n);
    return others(rank, n, hops);
  },
  refuses: () => null,
};

/** Ranks that differ in one bit; n must be a power of two. */
export const hypercube: Topology = {
  name: "hypercube",
  neighbours(rank, n) {
    const flipped: number[] = [];
    for (let bit = 1; bit < n; bit *= 2) flipped.push(rank ^ bit);
    return others(rank, n, flipped);
  },
  refuses: (n) =>
    isPowerOfTwo(n)
      ? null
      : `Cannot build hypercube as members must be a power of two: current value is ${n}`,
};

/** A binary tree: the parent of r is (r - 1) / 2 rounded down. */
export const tree: Topology = {
  name: "tree",
  neighbours(rank, n) {
    const near = [2 * rank + 1, 2 * rank + 2].filter((child) => child < n);
    if (rank > 0) near.push(parentOf(rank));
    return others(rank, n, near);
  },
  refuses: () => null,
};

/** Everyone with rank 0. */
export const star: Topology = {
  name: "star",
  neighbours: (rank, n) => (rank === 0 ? others(rank, n, range(n)) : [0]),
  refuses: () => null,
};

/** Everyone with everyone. */
export const complete: Topology = {
  name: "complete",
  neighbours: (rank, n) => others(rank, n, range(n)),
  refuses: () => null,
};

const table: Record<TopologyName, Topology> = {
  ring,
  torus,
  exponential,
  hypercube,
  tree,
  star,
  complete,
};

/** The topology of that name. */
export function topologyOf(name: TopologyName): Topology {
  return table[name];
}

/** Rows and columns of the torus of n members: rows <= columns, as nearly square as n allows. */
export function torusShape(n: number): { rows: number; columns: number } {
  let rows = Math.floor(Math.sqrt(n));
  while (n % rows !== 0) rows--;
  return { rows, columns: n / rows };
}

/** The parent of a rank in the binary tree. */
export function parentOf(rank: number): number {
  return (rank - 1) >> 1;
}

function others(rank: number, n: number, candidates: readonly number[]): number[] {
  const ranks = new Set(candidates.map((candidate) => candidate % n));
  ranks.delete(rank);
  return [...ranks].sort((a, b) => a - b);
}

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

function isPowerOfTwo(n: number): boolean {
  return n > 0 && Number.isInteger(Math.log2(n));
}

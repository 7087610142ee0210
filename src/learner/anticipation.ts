/** How often own steps count, by coordinate, as a vector in the arena that kernels read (math/anticipation.ts). */
import type { Arena } from "../kernels/arena.ts";
import { type Concurrency, stepsCounted, strideCounted } from "../math/anticipation.ts";
import type { BlockRows } from "./rows.ts";

/** How a private copy is learned. */
export interface Counted {
  /** sigma: how often steps count, by coordinate; in the arena. */
  readonly sigma: Float32Array;
  /** How far T advances a row. */
  readonly stride: number;
}

/** Answers for those who learn at the same time; one vector, kept until another is asked for. */
export type StepsCounted = (anticipate: Concurrency) => Counted;

/** Share of the rows that have each feature; of each window only while it is looked at. */
export function featureShares(
  windows: Iterable<readonly BlockRows[]>,
  width: number,
): Float32Array {
  const counts = new Uint32Array(width);
  let total = 0;
  for (const parts of windows) {
    for (const part of parts) total += countFeatures(part, counts);
  }
  return Float32Array.from(counts, (count) => (total === 0 ? 0 : count / total));
}

/** Adds the features of the rows, and says how many rows there are. */
function countFeatures({ block, rows }: BlockRows, counts: Uint32Array): number {
  const { rowStart, index } = block;
  for (let i = 0; i < rows.length; i++) {
    const end = rowStart[rows[i]! + 1]!;
    for (let k = rowStart[rows[i]!]!; k < end; k++) counts[index[k]!]!++;
  }
  return rows.length;
}

/** @param sharesOf is asked once, when the first update anticipates. */
export function createStepsCounted(arena: Arena, sharesOf: () => Float32Array): StepsCounted {
  let shares: Float32Array | null = null;
  let sigma: Float32Array | null = null;
  let stride = 1;
  let known: Concurrency | null = null;
  return (anticipate) => {
    shares ??= sharesOf();
    sigma ??= arena.allocateF32(shares.length);
    const { workers, rowsPerUpdate } = anticipate;
    if (known?.workers !== workers || known.rowsPerUpdate !== rowsPerUpdate) {
      for (let j = 0; j < sigma.length; j++) sigma[j] = stepsCounted(shares[j]!, anticipate);
      stride = strideCounted(shares, sigma);
      known = anticipate;
    }
    return { sigma, stride };
  };
}

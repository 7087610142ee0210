/** How often own steps count, by coordinate, as a vector in the arena that kernels read (math/anticipation.ts). */
import type { Arena } from "../kernels/arena.ts";
import { type Concurrency, stepsCounted } from "../math/anticipation.ts";
import type { BlockRows } from "./rows.ts";

/** Answers with sigma for those who learn at the same time; one vector, kept until another is asked for. */
export type StepsCounted = (anticipate: Concurrency) => Float32Array;

/** Share of the rows that have each feature. */
export function featureShares(parts: Iterable<BlockRows>, width: number): Float32Array {
  const counts = new Uint32Array(width);
  let total = 0;
  for (const { block, rows } of parts) {
    const { rowStart, index } = block;
    total += rows.length;
    for (let i = 0; i < rows.length; i++) {
      const end = rowStart[rows[i]! + 1]!;
      for (let k = rowStart[rows[i]!]!; k < end; k++) counts[index[k]!]!++;
    }
  }
  return Float32Array.from(counts, (count) => (total === 0 ? 0 : count / total));
}

/** @param sharesOf is asked once, when the first update anticipates. */
export function createStepsCounted(arena: Arena, sharesOf: () => Float32Array): StepsCounted {
  let shares: Float32Array | null = null;
  let steps: Float32Array | null = null;
  let known: Concurrency | null = null;
  return (anticipate) => {
    shares ??= sharesOf();
    steps ??= arena.allocateF32(shares.length);
    const { workers, rowsPerUpdate } = anticipate;
    if (known?.workers === workers && known.rowsPerUpdate === rowsPerUpdate) return steps;
    for (let j = 0; j < steps.length; j++) steps[j] = stepsCounted(shares[j]!, anticipate);
    known = anticipate;
    return steps;
  };
}

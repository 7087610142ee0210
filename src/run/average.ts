/**
 * The polynomially weighted average of snapshots (Shamir and Zhang 2013, section 4, eta = 3): snapshot k moves
 * the average by a share 4/(k + 3) towards itself, so early ones fade like k^-4 and no burn-in need be chosen.
 */
import type { LearnContext } from "../learner/context.ts";
import type { Weights } from "../learner/solver.ts";

export interface Average {
  /** Takes a snapshot into the average. */
  add(weights: Weights): void;
  weights(): Weights;
  reset(weights: Float32Array, snapshots?: number): void;
  /** Snapshots taken in. */
  readonly snapshots: number;
  release(): void;
}

const eta = 3;

export function createAverage(context: LearnContext, width: number): Average {
  const average = context.arena.allocateF32(width);
  average.fill(0);
  let snapshots = 0;
  return {
    add({ address, scale }) {
      snapshots++;
      const share = (1 + eta) / (snapshots + eta);
      context.kernels.moveAverage(share, scale, address, average.byteOffset, width);
    },
    weights: () => ({ address: average.byteOffset, scale: 1, width }),
    reset(weights, taken = 0) {
      average.set(weights);
      snapshots = taken;
    },
    get snapshots() {
      return snapshots;
    },
    release: () => context.arena.release(average.byteOffset, average.byteLength),
  };
}

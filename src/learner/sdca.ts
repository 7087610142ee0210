/**
 * Stochastic dual coordinate ascent (Shalev-Shwartz and Zhang 2013) as a solver, and the certificate it
 * gives: for any dual variables, P(w) - D(b) bounds the distance of P(w) to the optimum.
 */
import type { SdcaKernel } from "../kernels/exports.ts";
import type { LearnContext } from "./context.ts";
import { type BlockRows, countRows, shuffleEpoch, shuffleShape } from "./rows.ts";
import { judge, penaltyOf } from "./sgd.ts";
import type { Solver, Weights } from "./solver.ts";

/** A proven bound: optimum >= dual, so objective - optimum <= objective - dual. */
export interface Certificate {
  readonly objective: number;
  readonly dual: number;
  /** (objective - dual) / dual: the distance to the optimum is at most this share of it. */
  readonly relative: number;
}

export interface SdcaSolver extends Solver {
  readonly name: "sdca";
  /** Recomputes w from the duals in f64 and proves how far it is from the optimum; two passes over the rows. */
  certify(): Certificate;
}

export function createSdcaSolver(
  context: LearnContext,
  options: { parts: readonly BlockRows[]; width: number; seed: number },
): SdcaSolver {
  const { arena, l2, threshold } = context;
  const { parts, width, seed } = options;
  const epochRows = countRows(parts);
  const places = parts.reduce((sum, { block }) => sum + block.rows, 0);
  const room = arena.allocateU32(2 * epochRows);
  const positions = arena.allocateU32(epochRows);
  const norms = arena.allocateF32(places);
  const dual = arena.allocateF32(places);
  const u = arena.allocateF32(width);
  dual.fill(0);
  u.fill(0);
  const shape = shuffleShape(parts.map(({ block }) => block));
  const lambdaN = l2 * epochRows;
  const kernel = sdcaKernelOf(context);
  let rows = 0;
  const shuffled = (epoch: number) => shuffleEpoch(parts, shape, { seed, epoch }, room, positions);
  let list = shuffled(0);
  context.kernels.rowNorms(list.address, positions.byteOffset, list.count, norms.byteOffset);
  const weights = (): Weights => ({ address: u.byteOffset, scale: 1 / lambdaN, width });
  return {
    name: "sdca",
    epochRows,
    get rows() {
      return rows;
    },
    learn(count) {
      for (let left = count; left > 0; ) {
        const taken = rows % epochRows;
        if (taken === 0 && rows > 0) list = shuffled(rows / epochRows);
        const some = Math.min(left, epochRows - taken);
        kernel(
          list.address + 8 * taken,
          positions.byteOffset + 4 * taken,
          some,
          u.byteOffset,
          norms.byteOffset,
          dual.byteOffset,
          lambdaN,
          threshold,
        );
        rows += some;
        left -= some;
      }
    },
    weights,
    restart() {
      throw new Error("Dual ascent never diverges: this is a bug in glissade");
    },
    certify() {
      const exact = arena.allocateF64(width);
      exact.fill(0);
      const { kernels, loss } = context;
      const sum = kernels.dualRows(
        loss.code,
        list.address,
        positions.byteOffset,
        list.count,
        exact.byteOffset,
        dual.byteOffset,
        threshold,
      );
      let norm = 0;
      for (let j = 0; j < width; j++) {
        norm += exact[j]! * exact[j]!;
        u[j] = exact[j]!;
      }
      arena.release(exact.byteOffset, exact.byteLength);
      const value = sum / epochRows - norm / (2 * l2 * epochRows * epochRows);
      const objective = judge(context, weights(), list).loss + penaltyOf(context, weights());
      return { objective, dual: value, relative: (objective - value) / Math.abs(value) };
    },
  };
}

function sdcaKernelOf({ kernels, loss }: LearnContext): SdcaKernel {
  switch (loss.name) {
    case "hinge":
      return kernels.sdcaHinge;
    case "squared-hinge":
      return kernels.sdcaSquaredHinge;
    case "log":
      return kernels.sdcaLog;
    case "squared":
      return kernels.sdcaSquared;
    default:
      return loss.name satisfies never;
  }
}

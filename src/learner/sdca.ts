/**
 * Stochastic dual coordinate ascent (Shalev-Shwartz and Zhang 2013) as a solver, and the certificate it
 * gives: for any dual variables, P(w) - D(b) bounds the distance of P(w) to the optimum.
 */
import type { SdcaKernel } from "../kernels/exports.ts";
import type { LearnContext } from "./context.ts";
import { createOrder, type TakenRows } from "./order.ts";
import { judgeStore, listsOfStore } from "./row-pass.ts";
import type { RowStore } from "./row-store.ts";
import { penaltyOf } from "./sgd.ts";
import { placeIn, type Solver, type Weights } from "./solver.ts";

/** A proven bound: optimum >= dual, so objective - optimum <= objective - dual. */
export interface Certificate {
  /** Mean loss and accuracy of the proved weights over the training rows. */
  readonly loss: number;
  readonly accuracy: number;
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

/** What is kept a row and a column: b and ||x||^2 of every row, u = sum of b_i*y_i*x_i. */
export interface DualVectors {
  readonly u: Float32Array;
  readonly norms: Float32Array;
  readonly dual: Float32Array;
  readonly lambdaN: number;
}

/** Who does the steps. */
export interface DualStepper {
  /** Where u lies. */
  readonly u: Float32Array;
  /** Rows to take at once, of `left` asked for. */
  rowsOf(left: number): number;
  /** Takes one step a row, changing u and the rows' duals. */
  learn(vectors: DualVectors, rows: TakenRows): void;
  /** u was given other values than `learn` left it with. */
  replaced(): void;
}

function serialStepper(context: LearnContext, width: number): DualStepper {
  const kernel = sdcaKernelOf(context);
  return {
    u: context.arena.allocateF32(width).fill(0),
    rowsOf: (left) => left,
    learn({ u, norms, dual, lambdaN }, { address, positions, count }) {
      const addresses = [u.byteOffset, norms.byteOffset, dual.byteOffset] as const;
      kernel(address, positions, count, ...addresses, lambdaN, context.threshold);
    },
    replaced() {},
  };
}

export function createSdcaSolver(
  context: LearnContext,
  options: { store: RowStore; width: number; seed: number; stepper?: DualStepper },
): SdcaSolver {
  const { arena, kernels, l2 } = context;
  const { store, width, seed } = options;
  const epochRows = store.rows;
  const order = createOrder(arena, store, { seed, positions: true, kernels });
  const norms = arena.allocateF32(store.places);
  const dual = arena.allocateF32(store.places);
  dual.fill(0);
  const stepper = options.stepper ?? serialStepper(context, width);
  const { u } = stepper;
  const lambdaN = l2 * epochRows;
  const vectors = { u, norms, dual, lambdaN };
  let rows = 0;
  const weights = (): Weights => ({ address: u.byteOffset, scale: 1 / lambdaN, width });
  return {
    name: "sdca",
    epochRows,
    get rows() {
      return rows;
    },
    learn(count) {
      for (let left = count; left > 0; ) {
        const some = order.take(stepper.rowsOf(left));
        const { address, positions } = some;
        // The first epoch meets every row once, when its block is in memory anyway.
        if (order.epoch === 0) kernels.rowNorms(address, positions, some.count, norms.byteOffset);
        stepper.learn(vectors, some);
        rows += some.count;
        left -= some.count;
      }
      order.settle();
    },
    weights,
    state() {
      const { epoch, taken } = order;
      return { numbers: { rows, epoch, taken }, vectors: { dual: dual.slice(), u: u.slice() } };
    },
    resume({ numbers, vectors: kept }) {
      rows = numbers.rows!;
      dual.set(kept.dual!);
      u.set(kept.u!);
      stepper.replaced();
      fillNorms(context, store, norms);
      order.seek(placeIn(numbers));
    },
    restart() {
      throw new Error("Dual ascent never diverges: this is a bug in glissade");
    },
    certify() {
      const proof = certificateOf(context, store, { dual, u, weights });
      stepper.replaced();
      return proof;
    },
  };
}

function certificateOf(
  context: LearnContext,
  store: RowStore,
  { dual, u, weights }: { dual: Float32Array; u: Float32Array; weights: () => Weights },
): Certificate {
  const rows = store.rows;
  const { sum, squaredNorm } = weightsFromDuals(context, store, { dual, u });
  const value = sum / rows - squaredNorm / (2 * context.l2 * rows * rows);
  const { loss, accuracy } = judgeStore(context, weights(), store);
  const objective = loss + penaltyOf(context, weights());
  const relative = (objective - value) / Math.abs(value);
  return { objective, loss, accuracy, dual: value, relative };
}

/** Norms of all rows, where no first epoch fills them in. */
function fillNorms({ arena, kernels }: LearnContext, store: RowStore, norms: Float32Array): void {
  for (const { address, positions, count } of listsOfStore(arena, store)) {
    kernels.rowNorms(address, positions, count, norms.byteOffset);
  }
}

/** Recomputes u from the duals in f64; returns its squared norm and the sum of the rows' dual values. */
function weightsFromDuals(
  { arena, kernels, loss, threshold }: LearnContext,
  store: RowStore,
  { dual, u }: { dual: Float32Array; u: Float32Array },
): { sum: number; squaredNorm: number } {
  const exact = arena.allocateF64(u.length);
  exact.fill(0);
  let sum = 0;
  for (const { address, positions, count } of listsOfStore(arena, store)) {
    const { byteOffset } = exact;
    sum += kernels.dualRows(
      loss.code,
      address,
      positions,
      count,
      byteOffset,
      dual.byteOffset,
      threshold,
    );
  }
  let squaredNorm = 0;
  for (let j = 0; j < u.length; j++) {
    squaredNorm += exact[j]! * exact[j]!;
    u[j] = exact[j]!;
  }
  arena.release(exact.byteOffset, exact.byteLength);
  return { sum, squaredNorm };
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

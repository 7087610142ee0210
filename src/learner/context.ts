/** What learning needs beside a replica and rows: kernels, loss, schedule, and room for a chunk's scales. */
import type { Arena } from "../kernels/arena.ts";
import type { EvaluateKernel, KernelExports, SgdKernel } from "../kernels/exports.ts";
import { type Loss, type LossName, losses } from "../model/losses.ts";
import { fillSchedule, type Schedule } from "../model/schedule.ts";
import type { RowList } from "./rows.ts";

/** Rows that one call of a kernel learns: its scales and coefficients stay in the first-level cache. */
export const chunkRows = 1024;

/** What losses over rows add up to. */
export interface LossSums {
  readonly loss: number;
  readonly errors: number;
}

/** Sums losses of w = scale * v over rows, on several threads; null where one is as quick. */
export type SumTogether = (
  context: LearnContext,
  weights: { address: number; scale: number },
  list: RowList,
) => LossSums | null;

export interface LearnContext {
  readonly arena: Arena;
  readonly kernels: KernelExports;
  readonly loss: Loss;
  readonly l2: number;
  /** Labels above it are the positive class; blocks keep the labels of their source. */
  readonly threshold: number;
  readonly scale: Float64Array;
  readonly coefficient: Float64Array;
  /** Loss sum and error count of an evaluation. */
  readonly results: Float64Array;
  /** Predictions of a chunk. */
  readonly predictions: Float32Array;
  readonly sumTogether: SumTogether | null;
}

export function createContext(
  arena: Arena,
  kernels: KernelExports,
  options: { loss: LossName; l2: number; threshold: number; sumTogether?: SumTogether | null },
): LearnContext {
  return {
    arena,
    kernels,
    loss: losses[options.loss],
    l2: options.l2,
    threshold: options.threshold,
    scale: arena.allocateF64(chunkRows),
    coefficient: arena.allocateF64(chunkRows),
    results: arena.allocateF64(2),
    predictions: arena.allocateF32(chunkRows),
    sumTogether: options.sumTogether ?? null,
  };
}

export function sgdKernelOf({ kernels, loss }: LearnContext): SgdKernel {
  switch (loss.name) {
    case "hinge":
      return kernels.sgdHinge;
    case "squared-hinge":
      return kernels.sgdSquaredHinge;
    case "log":
      return kernels.sgdLog;
    case "squared":
      return kernels.sgdSquared;
    default:
      return loss.name satisfies never;
  }
}

export function evaluateKernelOf({ kernels, loss }: LearnContext): EvaluateKernel {
  switch (loss.name) {
    case "hinge":
      return kernels.evaluateHinge;
    case "squared-hinge":
      return kernels.evaluateSquaredHinge;
    case "log":
      return kernels.evaluateLog;
    case "squared":
      return kernels.evaluateSquared;
    default:
      return loss.name satisfies never;
  }
}

/** Scales and coefficients of the next `count` rows, whatever the schedule. */
export function fillChunk(
  context: LearnContext,
  schedule: Schedule,
  options: { t: number; stride: number; base: number; count: number; frozen: boolean },
): void {
  const { scale, coefficient, l2, kernels } = context;
  const { t, stride, count, frozen } = options;
  const { t0 } = schedule;
  if (t0 !== undefined && options.base === 0) {
    const step = frozen ? 0 : stride;
    const rooms = [scale.byteOffset, coefficient.byteOffset] as const;
    kernels.fillOptimal(t0, t, step, 1 / (l2 * t0), count, ...rooms);
  } else {
    fillSchedule(schedule, options, scale, coefficient);
  }
}

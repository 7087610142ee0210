/**
 * Sequential SGD over a list of rows, and the judgement of its weights. `learnInPlace` is the fused path: rows
 * change the replica itself, nothing is handed out. `learnUpdate` (update.ts) is the path of all strategies.
 */
import { headerField } from "../data/block.ts";
import type { Schedule } from "../model/schedule.ts";
import {
  chunkRows,
  evaluateKernelOf,
  fillChunk,
  type LearnContext,
  type LossSums,
  sgdKernelOf,
} from "./context.ts";
import { type Replica, rebase } from "./replica.ts";
import type { RowList } from "./rows.ts";

/** Learns the rows in order on the replica itself; T advances by one a row. */
export function learnInPlace(
  context: LearnContext,
  schedule: Schedule,
  replica: Replica,
  list: RowList,
): void {
  const kernel = sgdKernelOf(context);
  for (let start = 0; start < list.count; start += chunkRows) {
    const count = Math.min(chunkRows, list.count - start);
    rebase(replica, schedule, context.kernels);
    const { t, base, address } = replica;
    fillChunk(context, schedule, { t, stride: 1, base, count, frozen: false });
    const rows = list.address + 8 * start;
    const { scale, coefficient, threshold } = context;
    kernel(rows, count, address, address, scale.byteOffset, coefficient.byteOffset, threshold);
    replica.t += count;
  }
}

/** Loss and errors of weights over rows; the loss is the unregularised mean. */
export interface Judgement {
  readonly rows: number;
  readonly loss: number;
  readonly accuracy: number;
}

/**
 * Rows whose losses are summed at a time. These sums are added in order, so a judgement has the same bits
 * whether one thread makes it or many.
 */
export const judgeChunkRows = 2048;

/** Judges w = scale * v over the rows of the list. */
export function judge(
  context: LearnContext,
  weights: { address: number; scale: number },
  list: RowList,
): Judgement {
  const { loss, errors } =
    context.sumTogether?.(context, weights, list) ?? sumAlone(context, weights, list);
  const rows = list.count;
  return { rows, loss: loss / rows, accuracy: 1 - errors / rows };
}

function sumAlone(
  context: LearnContext,
  { address, scale }: { address: number; scale: number },
  list: RowList,
): LossSums {
  const { results, threshold } = context;
  const kernel = evaluateKernelOf(context);
  let [loss, errors] = [0, 0];
  for (let start = 0; start < list.count; start += judgeChunkRows) {
    const count = Math.min(judgeChunkRows, list.count - start);
    results.fill(0);
    kernel(list.address + 8 * start, count, address, scale, results.byteOffset, threshold);
    loss += results[0]!;
    errors += results[1]!;
  }
  return { loss, errors };
}

/** Predictions w.x of the rows, copied out. */
export function predictList(
  context: LearnContext,
  weights: { address: number; scale: number },
  list: RowList,
): Float32Array {
  const out = new Float32Array(list.count);
  const { predictions, kernels } = context;
  for (let start = 0; start < list.count; start += chunkRows) {
    const count = Math.min(chunkRows, list.count - start);
    const rows = list.address + 8 * start;
    kernels.predictRows(rows, count, weights.address, weights.scale, predictions.byteOffset);
    out.set(predictions.subarray(0, count), start);
  }
  return out;
}

/** The labels y of the rows: -1 or +1 for a classifier, the source's own for regression. */
export function labelsOfList(context: LearnContext, list: RowList): Float32Array {
  const out = new Float32Array(list.count);
  const words = new Uint32Array(context.arena.buffer);
  const floats = new Float32Array(context.arena.buffer);
  for (let k = 0; k < list.count; k++) {
    const block = list.pairs[2 * k]!;
    const label = words[(block + headerField.label) >> 2]!;
    const raw = floats[((block + label) >> 2) + list.pairs[2 * k + 1]!]!;
    out[k] = context.loss.classifies ? (raw > context.threshold ? 1 : -1) : raw;
  }
  return out;
}

/** (l2/2) * ||w||^2 of w = scale * v. */
export function penaltyOf(
  context: LearnContext,
  weights: { address: number; scale: number; width: number },
): number {
  const norm = context.kernels.squaredNorm(weights.address, weights.width);
  return (context.l2 / 2) * weights.scale * weights.scale * norm;
}

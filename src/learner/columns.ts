/**
 * Column blocks: a worker's columns of all rows, copied out of the blocks they came in, and learning from them.
 * Rows, their order and the shuffle of an epoch are those of serial, so the batches are the same everywhere.
 *
 * Source: algorithms.md, section 8.
 * Invariant: the non-zeros of all workers' column blocks together are those of the rows.
 */
import { type Block, blockByteLength, createBlock } from "../data/block.ts";
import type { Arena } from "../kernels/arena.ts";
import type { KeyRange } from "../math/update.ts";
import type { Schedule } from "../model/schedule.ts";
import { chunkRows, fillChunk, type LearnContext } from "./context.ts";
import type { ColumnLearner } from "./learner.ts";
import { type BlockRows, countRows, shuffleEpoch, shuffleShape, sliceRows } from "./rows.ts";
import { predictList } from "./sgd.ts";
import { createUpdateRoom, deltaIn } from "./update.ts";

/** Non-zeros by column: by which columns are dealt out. */
export function columnLoads(parts: readonly BlockRows[], width: number): Uint32Array {
  const loads = new Uint32Array(width);
  for (const { block, rows } of parts) {
    const { rowStart, index } = block;
    for (const row of rows) {
      for (let k = rowStart[row]!; k < rowStart[row + 1]!; k++) loads[index[k]!]!++;
    }
  }
  return loads;
}

/** The rows with the columns of that range only, numbered from its start; labels stay. */
export function cutColumns(arena: Arena, { block, rows }: BlockRows, range: KeyRange): BlockRows {
  const nonZeros = countInside({ block, rows }, range);
  const shape = { rows: rows.length, nonZeros, width: range.to - range.from, rowIdBase: 0 };
  const address = arena.allocate(blockByteLength(shape));
  const cut = createBlock(arena.buffer, address, shape);
  let at = 0;
  rows.forEach((row, k) => {
    cut.rowStart[k] = at;
    at = copyInside(block, row, range, cut, at);
    cut.label[k] = block.label[row]!;
    cut.rowId[k] = block.rowId[row]!;
  });
  cut.rowStart[rows.length] = at;
  return { block: cut, rows: Uint32Array.from(rows, (_, k) => k) };
}

function countInside({ block, rows }: BlockRows, { from, to }: KeyRange): number {
  const { rowStart, index } = block;
  let count = 0;
  for (const row of rows) {
    for (let k = rowStart[row]!; k < rowStart[row + 1]!; k++) {
      if (index[k]! >= from && index[k]! < to) count++;
    }
  }
  return count;
}

function copyInside(
  { rowStart, index, value }: Block,
  row: number,
  { from, to }: KeyRange,
  cut: Block,
  start: number,
): number {
  let at = start;
  for (let k = rowStart[row]!; k < rowStart[row + 1]!; k++) {
    const column = index[k]!;
    if (column < from || column >= to) continue;
    cut.index[at] = column - from;
    cut.value[at++] = value[k]!;
  }
  return at;
}

/** A learner over the columns of that range of all rows. */
export function createColumnsLearner(
  context: LearnContext,
  schedule: Schedule,
  parts: readonly BlockRows[],
  { range, seed }: { readonly range: KeyRange; readonly seed: number },
): ColumnLearner {
  const { arena } = context;
  const rows = countRows(parts);
  // The order of the uncut blocks, at rank 0: every worker's, and serial's.
  const shape = shuffleShape(parts.map(({ block }) => block));
  const cut = parts.map((part) => cutColumns(arena, part, range));
  const order = arena.allocateU32(2 * rows);
  const room = createUpdateRoom(context, range.to - range.from);
  let epoch = -1;
  let list = sliceRows({ address: order.byteOffset, count: rows, pairs: order }, 0, 0);
  const listOf = (span: { epoch: number; from: number; to: number }) => {
    if (span.epoch !== epoch) {
      epoch = span.epoch;
      list = shuffleEpoch(cut, shape, { seed, rank: 0, epoch }, order);
    }
    return sliceRows(list, span.from, span.to);
  };
  return {
    rows,
    predict({ values, rows: before }, span) {
      const scale = Math.exp(schedule.logScale(before));
      const weights = { address: values.byteOffset, scale, width: values.length };
      return predictList(context, weights, listOf(span));
    },
    adjust(replica, span, margins) {
      room.copy.fill(0);
      const batch = listOf(span);
      const { predictions, coefficient, kernels, threshold, loss } = context;
      for (let start = 0; start < batch.count; start += chunkRows) {
        const chunk = sliceRows(batch, start, Math.min(batch.count, start + chunkRows));
        const t = replica.rows + start;
        fillChunk(context, schedule, { t, stride: 1, base: 0, count: chunk.count, frozen: true });
        predictions.set(margins.subarray(start, start + chunk.count));
        kernels.adjustRows(
          loss.code,
          chunk.address,
          chunk.count,
          predictions.byteOffset,
          coefficient.byteOffset,
          threshold,
          room.copy.byteOffset,
        );
      }
      return { rows: margins.length, delta: deltaIn(context, room) };
    },
  };
}

/**
 * The coordinator's side of rows: the training rows are numbered in their order and cut into segments, 16 a
 * worker; a member asks for segments and gets their rows, copied into blocks of their own, one for each block
 * of the source. So a member's memory holds its own rows only.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Block, blockByteLength, createBlock, viewBlock } from "../../data/block.ts";
import { Arena } from "../../kernels/arena.ts";
import type { KernelTaskSpec } from "../../learner/kernel-task.ts";
import { type BlockRows, countRows } from "../../learner/rows.ts";
import { segmentRuns } from "../../learner/segments.ts";
import type { RowsPartSchema } from "./generated/glissade/cluster/v1/cluster_pb.ts";

/** Rows of some segments, block by block. */
export function* rowParts(
  spec: KernelTaskSpec,
  segments: number,
  wanted: ReadonlySet<number>,
): Generator<MessageInitShape<typeof RowsPartSchema>> {
  const parts = viewParts(spec);
  const total = countRows(parts);
  let first = 0;
  for (let source = 0; source < parts.length; source++) {
    const { block, rows } = parts[source]!;
    const runs = segmentRuns({ first, count: rows.length, total, segments });
    const mine = runs.filter(({ segment }) => wanted.has(segment));
    if (mine.length > 0) {
      const chosen = mine.flatMap(({ from, to }) => [...rows.subarray(from, to)]);
      yield {
        source,
        block: copyRows(block, chosen),
        segment: mine.map(({ segment }) => segment),
        rows: mine.map(({ from, to }) => to - from),
      };
    }
    first += rows.length;
  }
}

/** The training rows a task's description names. */
function viewParts(spec: KernelTaskSpec): BlockRows[] {
  const arena = new Arena(spec.memory);
  return spec.train.map(({ block, rows, count }) => ({
    block: viewBlock(arena.buffer, block),
    rows: arena.u32(rows, count),
  }));
}

/** A block of these rows only, in a buffer of its own. */
export function copyRows(block: Block, rows: readonly number[]): Uint8Array {
  const { rowStart, index, value, label, rowId, width, rowIdBase } = block;
  let nonZeros = 0;
  for (const row of rows) nonZeros += rowStart[row + 1]! - rowStart[row]!;
  const shape = { rows: rows.length, nonZeros };
  const buffer = new ArrayBuffer(blockByteLength(shape));
  const copy = createBlock(buffer, 0, { ...shape, width, rowIdBase });
  let at = 0;
  for (let k = 0; k < rows.length; k++) {
    const row = rows[k]!;
    const [from, to] = [rowStart[row]!, rowStart[row + 1]!];
    copy.rowStart[k] = at;
    copy.index.set(index.subarray(from, to), at);
    copy.value.set(value.subarray(from, to), at);
    copy.label[k] = label[row]!;
    copy.rowId[k] = rowId[row]!;
    at += to - from;
  }
  copy.rowStart[rows.length] = at;
  return new Uint8Array(buffer);
}

/** Splits a block's rows into training and validation rows; the rule is in data/split.ts. */
import type { Block } from "../data/block.ts";
import type { Arena } from "../kernels/arena.ts";
import type { KernelExports } from "../kernels/exports.ts";

export interface SplitRows {
  /** Numbers of the block's rows, ascending. */
  readonly training: Uint32Array;
  readonly validation: Uint32Array;
}

export function splitRows(
  arena: Arena,
  kernels: KernelExports,
  block: Block,
  { share, seed }: { share: number; seed: number },
): SplitRows {
  const training = arena.allocateU32(block.rows);
  const validation = arena.allocateU32(block.rows);
  const kept = kernels.splitBlock(
    block.rowId.byteOffset,
    block.rows,
    block.rowIdBase,
    seed,
    share,
    training.byteOffset,
    validation.byteOffset,
  );
  const parts = {
    training: training.slice(0, kept),
    validation: validation.slice(0, block.rows - kept),
  };
  arena.release(validation.byteOffset, validation.byteLength);
  arena.release(training.byteOffset, training.byteLength);
  return parts;
}

/** Splits a block's rows into training and validation rows; the rule is in data/split.ts. */
import type { RowIds } from "../data/block-source.ts";
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
  ids: RowIds,
  { share, seed }: { share: number; seed: number },
): SplitRows {
  const training = arena.allocateU32(ids.rows);
  const validation = arena.allocateU32(ids.rows);
  const kept = kernels.splitBlock(
    ids.address,
    ids.rows,
    ids.base,
    seed,
    share,
    training.byteOffset,
    validation.byteOffset,
  );
  const parts = {
    training: training.slice(0, kept),
    validation: validation.slice(0, ids.rows - kept),
  };
  arena.release(validation.byteOffset, validation.byteLength);
  arena.release(training.byteOffset, training.byteLength);
  return parts;
}

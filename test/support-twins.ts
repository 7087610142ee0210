/** One task twice over the same rows in the same order: by the kernels, and by the plain reference learner. */
import { blockByteLength, createBlock } from "../src/data/block.ts";
import { Arena } from "../src/kernels/arena.ts";
import {
  createKernelTask,
  describeKernelTask,
  type KernelTaskSpec,
  ownedParts,
} from "../src/learner/kernel-task.ts";
import type { LearnerSeat, Task } from "../src/learner/learner.ts";
import { type LinearRows, linearTask } from "../src/learner/linear-task.ts";
import { allRows, listRows, shuffleEpoch, shuffleShape } from "../src/learner/rows.ts";
import { nextBelow, nextNormal, nextUniform, randomStream } from "../src/math/random.ts";
import type { LossName } from "../src/model/losses.ts";

/** Rows whose first columns are in nearly all of them, and whose last are rare. */
export function drawRows({
  seed,
  rows,
  width,
}: {
  seed: number;
  rows: number;
  width: number;
}): LinearRows {
  const stream = randomStream({ seed, purpose: "merging test" });
  const rowStart = [0];
  const [index, value, label] = [[], [], []] as [number[], number[], number[]];
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < width; j++) {
      if (nextUniform(stream) > 1 / (1 + j)) continue;
      index.push(j);
      value.push(nextNormal(stream) / 2);
    }
    rowStart.push(index.length);
    label.push(nextBelow(stream, 2) === 0 ? -1 : 1);
  }
  return {
    rowStart: Uint32Array.from(rowStart),
    index: Uint32Array.from(index),
    value: Float32Array.from(value),
    label: Float32Array.from(label),
  };
}

/** @param train rows of one block; labels -1 and +1 */
export function twinTasks(
  train: LinearRows,
  { width, loss, l2, t0 }: { width: number; loss: LossName; l2: number; t0: number },
): { reference: Task; kernel: Task; spec: KernelTaskSpec } {
  const arena = new Arena();
  const shape = { rows: train.label.length, nonZeros: train.index.length };
  const address = arena.allocate(blockByteLength(shape));
  const block = createBlock(arena.buffer, address, { ...shape, width, rowIdBase: 0 });
  for (const column of ["rowStart", "index", "value", "label"] as const) {
    block[column].set(train[column]);
  }
  const parts = [allRows(block)];
  const spec = describeKernelTask(arena, {
    ...{ width, loss, l2, threshold: 0 },
    schedule: { name: "optimal", l2, t0 },
    train: parts,
    judged: listRows(arena, parts),
  });
  const orderOf = (seat: LearnerSeat, epoch: number) => {
    const own = ownedParts(parts, seat);
    const count = own.reduce((sum, { rows }) => sum + rows.length, 0);
    const order = arena.allocateU32(2 * count);
    const { rank, seed } = seat;
    const shape = shuffleShape(own.map((part) => part.block));
    const { pairs } = shuffleEpoch(own, shape, { seed, rank, epoch }, order);
    return Uint32Array.from({ length: count }, (_, k) => pairs[2 * k + 1]!);
  };
  return {
    spec,
    kernel: createKernelTask(spec),
    reference: linearTask({ train, width, loss, l2, t0, orderOf }),
  };
}

/** Passes over all training rows in their own order, block by block: for scores and certificates. */
import type { Arena } from "../kernels/arena.ts";
import type { LearnContext } from "./context.ts";
import type { TakenRows } from "./order.ts";
import type { RowStore } from "./row-store.ts";
import { type Judgement, judge } from "./sgd.ts";

/** Rows listed at a time. */
const listRowsMax = 65_536;

/** All rows as lists, each valid until the next is asked for. */
export function* listsOfStore(arena: Arena, store: RowStore): Generator<TakenRows> {
  const pairs = arena.allocateU32(2 * listRowsMax);
  const positions = arena.allocateU32(listRowsMax);
  let number = 0;
  try {
    for (const { block, rows } of store.each()) {
      const { rowsBefore } = store.parts[number++]!;
      for (let start = 0; start < rows.length; start += listRowsMax) {
        const count = Math.min(listRowsMax, rows.length - start);
        for (let k = 0; k < count; k++) {
          const row = rows[start + k]!;
          pairs[2 * k] = block.byteOffset;
          pairs[2 * k + 1] = row;
          positions[k] = rowsBefore + row;
        }
        yield {
          address: pairs.byteOffset,
          count,
          pairs: pairs.subarray(0, 2 * count),
          positions: positions.byteOffset,
        };
      }
    }
  } finally {
    arena.release(positions.byteOffset, positions.byteLength);
    arena.release(pairs.byteOffset, pairs.byteLength);
  }
}

/** Judges w = scale * v over all rows of the store. */
export function judgeStore(
  context: LearnContext,
  weights: { address: number; scale: number },
  store: RowStore,
): Judgement {
  let [loss, errors, rows] = [0, 0, 0];
  for (const list of listsOfStore(context.arena, store)) {
    const judged = judge(context, weights, list);
    loss += judged.loss * list.count;
    errors += (1 - judged.accuracy) * list.count;
    rows += list.count;
  }
  return { rows, loss: loss / rows, accuracy: 1 - errors / rows };
}

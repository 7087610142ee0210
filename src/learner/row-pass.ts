/** Passes over all training rows in their own order, block by block: for scores and certificates. */
import type { Arena } from "../kernels/arena.ts";
import type { LearnContext } from "./context.ts";
import type { TakenRows } from "./order.ts";
import type { RowStore } from "./row-store.ts";
import type { BlockRows } from "./rows.ts";
import { type Judgement, judge } from "./sgd.ts";

/** Rows listed at a time. */
const listRowsMax = 65_536;

/** All rows as lists, each valid until the next is asked for. */
export function* listsOfStore(arena: Arena, store: RowStore): Generator<TakenRows> {
  const pairs = arena.allocateU32(2 * listRowsMax);
  const positions = arena.allocateU32(listRowsMax);
  const listOf = (count: number): TakenRows => ({
    address: pairs.byteOffset,
    count,
    pairs: pairs.subarray(0, 2 * count),
    positions: positions.byteOffset,
  });
  let number = 0;
  try {
    for (const window of store.windows()) {
      let count = 0;
      for (const part of window) {
        const { rowsBefore } = store.parts[number++]!;
        for (let start = 0; start < part.rows.length; ) {
          const end = Math.min(part.rows.length, start + listRowsMax - count);
          addRows(part, { start, end }, rowsBefore, { pairs, positions, count });
          count += end - start;
          start = end;
          if (count < listRowsMax) continue;
          yield listOf(count);
          count = 0;
        }
      }
      // The blocks of a window go with it.
      if (count > 0) yield listOf(count);
    }
  } finally {
    arena.release(positions.byteOffset, positions.byteLength);
    arena.release(pairs.byteOffset, pairs.byteLength);
  }
}

function addRows(
  { block, rows }: BlockRows,
  { start, end }: { start: number; end: number },
  rowsBefore: number,
  { pairs, positions, count }: { pairs: Uint32Array; positions: Uint32Array; count: number },
): void {
  const { byteOffset } = block;
  for (let k = start, at = count; k < end; k++, at++) {
    const row = rows[k]!;
    pairs[2 * at] = byteOffset;
    pairs[2 * at + 1] = row;
    positions[at] = rowsBefore + row;
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

/** Rows for tests: small random blocks in an arena. */
import { type Block, blockByteLength, createBlock } from "../src/data/block.ts";
import type { Arena } from "../src/kernels/arena.ts";
import { nextBelow, nextNormal, nextUniform, type RandomState } from "../src/math/random.ts";

export interface PlainRow {
  readonly label: number;
  readonly index: readonly number[];
  readonly value: readonly number[];
}

/** Writes rows into a block of the arena. */
export function blockOf(arena: Arena, rows: readonly PlainRow[], rowIdBase = 0): Block {
  const nonZeros = rows.reduce((sum, row) => sum + row.index.length, 0);
  const width = 1 + Math.max(-1, ...rows.flatMap((row) => row.index));
  const shape = { rows: rows.length, nonZeros, width, rowIdBase };
  const address = arena.allocate(blockByteLength(shape));
  const block = createBlock(arena.buffer, address, shape);
  let at = 0;
  rows.forEach((row, r) => {
    block.rowStart[r] = at;
    block.label[r] = row.label;
    block.rowId[r] = r;
    row.index.forEach((j, k) => {
      block.index[at] = j;
      block.value[at++] = row.value[k]!;
    });
  });
  block.rowStart[rows.length] = at;
  return block;
}

/** Rows of a hidden linear model with noise: labels -1 or +1, ids 1..columns. */
export function randomRows(
  state: RandomState,
  { rows, columns, perRow }: { rows: number; columns: number; perRow: number },
): PlainRow[] {
  const hidden = Array.from({ length: columns + 1 }, () => nextNormal(state));
  return Array.from({ length: rows }, () => {
    const chosen = new Set<number>();
    const count = nextBelow(state, perRow + 1);
    for (let k = 0; k < count; k++) chosen.add(1 + nextBelow(state, columns));
    const index = [...chosen].sort((a, b) => a - b);
    const value = index.map(() => Math.fround(nextNormal(state)));
    const p = index.reduce((sum, j, k) => sum + hidden[j]! * value[k]!, 0);
    return {
      index,
      value,
      label: p + 0.3 * nextNormal(state) > 0 === nextUniform(state) < 0.98 ? 1 : -1,
    };
  });
}

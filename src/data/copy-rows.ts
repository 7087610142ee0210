import { type Block, blockByteLength, createBlock } from "./block.ts";
import type { BlockArena } from "./parser.ts";

/** A new block of some of a block's rows, in the order given. */
export function copyRows(arena: BlockArena, block: Block, rows: ArrayLike<number>): Block {
  let nonZeros = 0;
  for (let k = 0; k < rows.length; k++) nonZeros += lengthOf(block, rows[k]!);
  const shape = { rows: rows.length, nonZeros, width: block.width, rowIdBase: block.rowIdBase };
  // The address first: allocating may move the end of the arena's buffer.
  const address = arena.allocate(blockByteLength(shape));
  const copy = createBlock(arena.buffer, address, shape);
  const { index, value } = copy;
  const { index: fromIndex, value: fromValue } = block;
  let at = 0;
  copy.rowStart[0] = 0;
  for (let k = 0; k < rows.length; k++) {
    const row = rows[k]!;
    const end = block.rowStart[row + 1]!;
    // Rows are short: a loop is cheaper than two views of each.
    for (let entry = block.rowStart[row]!; entry < end; entry++, at++) {
      index[at] = fromIndex[entry]!;
      value[at] = fromValue[entry]!;
    }
    copy.label[k] = block.label[row]!;
    copy.rowId[k] = block.rowId[row]!;
    copy.rowStart[k + 1] = at;
  }
  return copy;
}

function lengthOf({ rowStart }: Block, row: number): number {
  return rowStart[row + 1]! - rowStart[row]!;
}

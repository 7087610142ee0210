/**
 * `--bias`: every row gets one more entry, the value 1 at the id behind the last. The column is learned and
 * regularised like any other, so that everything said of linear models without a bias holds.
 */
import { type Block, blockByteLength, createBlock } from "../data/block.ts";
import type { Arena } from "../kernels/arena.ts";

/** A copy of the block with the constant column at id `width`; the block itself stays as it is. */
export function withConstantColumn(arena: Arena, block: Block, width: number): Block {
  const { rows, rowIdBase } = block;
  const shape = { rows, rowIdBase, nonZeros: block.nonZeros + rows, width: width + 1 };
  // The address first: allocating may move the end of the arena's buffer.
  const address = arena.allocate(blockByteLength(shape));
  const wider = createBlock(arena.buffer, address, shape);
  wider.label.set(block.label);
  wider.rowId.set(block.rowId);
  for (let row = 0; row < rows; row++) {
    const start = block.rowStart[row]!;
    const end = block.rowStart[row + 1]!;
    wider.index.set(block.index.subarray(start, end), start + row);
    wider.value.set(block.value.subarray(start, end), start + row);
    wider.index[end + row] = width;
    wider.value[end + row] = 1;
    wider.rowStart[row + 1] = end + row + 1;
  }
  return wider;
}

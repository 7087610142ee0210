import { type Block, blockLayout, createBlock } from "./block.ts";

/**
 * Drops the entries whose id is not below `widthLimit`, in place; the block becomes shorter, not its rows.
 * @returns the block, and how many entries were dropped.
 */
export function clipBlock(block: Block, widthLimit: number): { block: Block; dropped: number } {
  if (block.width <= widthLimit) return { block, dropped: 0 };
  const { rows, rowStart, index, value } = block;
  let kept = 0;
  let width = 0;
  let start = rowStart[0]!;
  for (let row = 0; row < rows; row++) {
    const end = rowStart[row + 1]!;
    for (let k = start; k < end && index[k]! < widthLimit; k++) {
      width = Math.max(width, index[k]! + 1);
      index[kept] = index[k]!;
      value[kept++] = value[k]!;
    }
    start = end;
    rowStart[row + 1] = kept;
  }
  const layout = blockLayout({ rows, nonZeros: kept });
  const bytes = new Uint8Array(block.buffer, block.byteOffset, block.byteLength);
  const move = (column: Uint32Array | Float32Array, to: number, length: number) => {
    const from = column.byteOffset - block.byteOffset;
    bytes.copyWithin(to, from, from + 4 * length);
  };
  move(value, layout.value, kept);
  move(block.label, layout.label, rows);
  move(block.rowId, layout.rowId, rows);
  const { rowIdBase } = block;
  const shape = { rows, nonZeros: kept, width, rowIdBase };
  return {
    block: createBlock(block.buffer, block.byteOffset, shape),
    dropped: block.nonZeros - kept,
  };
}

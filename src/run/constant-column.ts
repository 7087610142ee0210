/**
 * `--bias`: every row gets one more entry, the value 1 at the id behind the last. The column is learned and
 * regularised like any other, so that everything said of linear models without a bias holds.
 */
import { type Block, blockByteLength, createBlock } from "../data/block.ts";
import { type BlockSource, residentBlocks } from "../data/block-source.ts";
import type { Arena } from "../kernels/arena.ts";

/** The same blocks with the constant column at id `width`. */
export function withConstantColumns(arena: Arena, source: BlockSource, width: number): BlockSource {
  if (source.resident) {
    const blocks = source.acquire([...source.summaries.keys()]);
    return residentBlocks(blocks.map((block) => withConstantColumn(arena, block, width)));
  }
  return widenWhenAcquired(arena, source, width);
}

/** Blocks that come and go are widened when they come; the narrow ones go at once. */
function widenWhenAcquired(arena: Arena, source: BlockSource, width: number): BlockSource {
  const held = new Map<number, { block: Block; times: number }>();
  function acquire(number: number): Block {
    const known = held.get(number);
    if (known) {
      known.times++;
      return known.block;
    }
    const [narrow] = source.acquire([number]);
    const block = withConstantColumn(arena, narrow!, width);
    source.release([number]);
    held.set(number, { block, times: 1 });
    return block;
  }
  function release(number: number): void {
    const known = held.get(number)!;
    if (--known.times > 0) return;
    held.delete(number);
    arena.release(known.block.byteOffset, known.block.byteLength);
  }
  return {
    resident: false,
    heldMax: source.heldMax,
    summaries: source.summaries.map(({ rows, nonZeros }) => {
      const shape = { rows, nonZeros: nonZeros + rows };
      return { ...shape, byteLength: blockByteLength(shape) };
    }),
    acquire: (numbers) => numbers.map(acquire),
    release: (numbers) => numbers.forEach(release),
    expect: (numbers) => source.expect(numbers),
    rowIds: (number) => source.rowIds(number),
    close: () => source.close(),
  };
}

/** A copy of the block with the constant column at id `width`; the block itself stays as it is. */
export function withConstantColumn(arena: Arena, block: Block, width: number): Block {
  const { rows, rowIdBase } = block;
  const shape = { rows, rowIdBase, nonZeros: block.nonZeros + rows, width: width + 1 };
  // The address first: allocating may move the end of the arena's buffer.
  const address = arena.allocate(blockByteLength(shape));
  const wider = createBlock(arena.buffer, address, shape);
  wider.label.set(block.label);
  wider.rowId.set(block.rowId);
  wider.rowStart[0] = 0; // a room that is given out again is not empty
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

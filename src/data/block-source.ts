/**
 * Where blocks come from while a run goes on: from memory, where all of them stay, or from a block file, of
 * which only some are in memory at a time. Blocks are named by their number in the data set.
 */
import type { Block, BlockShape } from "./block.ts";

/** What is known of a block that need not be in memory. */
export interface BlockSummary extends BlockShape {
  readonly byteLength: number;
}

/** A block's row ids, in the arena. */
export interface RowIds {
  readonly address: number;
  readonly rows: number;
  /** Ordinal that the ids count from. */
  readonly base: number;
}

export interface BlockSource {
  /** All blocks stay where they are: acquiring costs nothing, and addresses never change. */
  readonly resident: boolean;
  readonly summaries: readonly BlockSummary[];
  /** Blocks that can be held at once. */
  readonly heldMax: number;
  /** Waits until the blocks are in memory; they stay there until they are released as often. */
  acquire(numbers: readonly number[]): Block[];
  release(numbers: readonly number[]): void;
  /** Says which blocks will be wanted next, in that order, so that they can be read meanwhile. */
  expect(numbers: readonly number[]): void;
  /** Row ids of a block without the rest of it; valid until the next call. */
  rowIds(number: number): RowIds;
  close(): void;
}

/** The row ids of a block that is in memory. */
export function rowIdsOf({ rowId, rows, rowIdBase }: Block): RowIds {
  return { address: rowId.byteOffset, rows, base: rowIdBase };
}

/** Blocks that are in memory. */
export function residentBlocks(blocks: readonly Block[]): BlockSource {
  return {
    resident: true,
    summaries: blocks,
    heldMax: Number.POSITIVE_INFINITY,
    acquire: (numbers) => numbers.map((k) => blocks[k]!),
    release() {},
    expect() {},
    rowIds: (number) => rowIdsOf(blocks[number]!),
    close() {},
  };
}

/** Blocks that a pass holds at a time; as many are read meanwhile. */
const passBlocks = 4;

/** A block and its number. */
export interface NumberedBlock {
  readonly number: number;
  readonly block: Block;
}

/** Blocks in their order, a few at a time, in memory until the next are asked for. */
export function* blockWindows(source: BlockSource): Generator<NumberedBlock[]> {
  const numbers = [...source.summaries.keys()];
  const step = Math.max(1, Math.min(passBlocks, source.heldMax));
  for (let start = 0; start < numbers.length; start += step) {
    const window = numbers.slice(start, start + step);
    const blocks = source.acquire(window);
    source.expect(numbers.slice(start + step, start + 2 * step));
    try {
      yield blocks.map((block, k) => ({ number: window[k]!, block }));
    } finally {
      source.release(window);
    }
  }
}

/** Blocks one after the other, each in memory while it is looked at. */
export function* eachBlock(source: BlockSource): Generator<NumberedBlock> {
  for (const window of blockWindows(source)) yield* window;
}

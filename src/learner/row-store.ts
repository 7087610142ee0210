/**
 * The training rows of a data set, block by block. Blocks may have to be read before their rows can be learned:
 * `acquire` waits for them, `release` lets their memory go to others.
 */
import type { Block } from "../data/block.ts";
import { type BlockSource, blockWindows, rowIdsOf } from "../data/block-source.ts";
import type { Arena } from "../kernels/arena.ts";
import type { KernelExports } from "../kernels/exports.ts";
import type { BlockRows } from "./rows.ts";
import { splitRows } from "./split.ts";

/** Rows of a block that are learned from, known before the block is in memory. */
export interface PartShape {
  /** Training rows. */
  readonly rows: number;
  /** All rows of the block. */
  readonly blockRows: number;
  /** Rows of all blocks before this one. */
  readonly rowsBefore: number;
  readonly byteLength: number;
}

export interface RowStore {
  /** All blocks stay in memory where they are. */
  readonly resident: boolean;
  readonly parts: readonly PartShape[];
  /** Training rows of all parts. */
  readonly rows: number;
  /** Rows of all blocks, whatever they are for. */
  readonly places: number;
  /** Parts that can be held at once. */
  readonly heldMax: number;
  acquire(numbers: readonly number[]): BlockRows[];
  release(numbers: readonly number[]): void;
  expect(numbers: readonly number[]): void;
  /** All parts in their own order, a few at a time, valid until the next are asked for. */
  windows(): Generator<BlockRows[]>;
}

export interface SplitRule {
  /** Share of the rows, by hash, that is not learned from. */
  readonly share: number;
  readonly seed: number;
}

/** The rows of a source that the split leaves for training. */
export function createRowStore(
  arena: Arena,
  kernels: KernelExports,
  source: BlockSource,
  split: SplitRule,
): RowStore {
  const rowsOf = (number: number, ids = source.rowIds(number)) =>
    splitRows(arena, kernels, ids, split).training;
  // Streamed blocks are split anew whenever they come: a nanosecond a row, and nothing is kept a row.
  const kept = source.resident ? source.summaries.map((_, number) => rowsOf(number)) : null;
  let rows = 0;
  let places = 0;
  const parts = source.summaries.map((summary, number): PartShape => {
    const count = kept
      ? kept[number]!.length
      : split.share === 0
        ? summary.rows
        : rowsOf(number).length;
    const part = { rows: count, blockRows: summary.rows, rowsBefore: places };
    rows += count;
    places += summary.rows;
    return { ...part, byteLength: summary.byteLength };
  });
  const partOf = (number: number, block: Block): BlockRows => ({
    block,
    rows: kept?.[number] ?? rowsOf(number, rowIdsOf(block)),
  });
  return {
    resident: source.resident,
    parts,
    rows,
    places,
    heldMax: source.heldMax,
    acquire: (numbers) => source.acquire(numbers).map((block, k) => partOf(numbers[k]!, block)),
    release: (numbers) => source.release(numbers),
    expect: (numbers) => source.expect(numbers),
    *windows() {
      for (const window of blockWindows(source)) {
        yield window.map(({ number, block }) => partOf(number, block));
      }
    },
  };
}

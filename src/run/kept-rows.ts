/**
 * Rows that are looked at again and again and so stay in memory for the whole run: validation rows, and a sample of the
 * training rows. They are chosen by hash, block by block on one pass; where blocks come and go, and where data
 * are so large that rows far apart cost a wait each, they are copied close together.
 */

import { blockByteLength, createBlock } from "../data/block.ts";
import { type BlockSource, eachBlock, type NumberedBlock, rowIdsOf } from "../data/block-source.ts";
import type { Arena } from "../kernels/arena.ts";
import type { KernelExports } from "../kernels/exports.ts";
import { cachedBytesMax, type RowList } from "../learner/rows.ts";
import { splitRows } from "../learner/split.ts";
import { randomStream, shuffle } from "../math/random.ts";

export interface KeepRule {
  /** The split, and the share of rows that is kept of what it holds back. */
  readonly split: { readonly share: number; readonly seed: number };
  readonly heldShare: number;
  /** Rows that the split leaves, and how many of them to draw. */
  readonly trainingRows: number;
  readonly sampleRows: number;
  /** Rows of the sample to try rates on, at most. */
  readonly triedRows: number;
  readonly seed: number;
}

export interface KeptRows {
  readonly held: RowList;
  /** About as many as asked for, in their own order. */
  readonly sample: RowList;
  /** Some of the sample in random order, close together: rates are tried on them again and again. */
  readonly tried: () => RowList;
}

export function keepRows(
  arena: Arena,
  kernels: KernelExports,
  source: BlockSource,
  rule: KeepRule,
): KeptRows {
  const bytes = source.summaries.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const copied = !source.resident || bytes > cachedBytesMax;
  const [held, sample] = [createPairs(), createPairs()];
  const room = arena.allocateU32(
    source.summaries.reduce((most, { rows }) => Math.max(most, rows), 0),
  );
  const close = (list: RowList) => (copied ? copyOf(arena, kernels, list) : list);
  for (const numbered of eachBlock(source)) {
    const { byteOffset } = numbered.block;
    held.add(close(listOf(arena, byteOffset, heldOf(arena, kernels, numbered, rule))));
    sample.add(close(listOf(arena, byteOffset, drawnOf(kernels, numbered, rule, room))));
  }
  arena.release(room.byteOffset, room.byteLength);
  const all = sample.list(arena);
  let tried: RowList | null = null;
  return {
    held: held.list(arena),
    sample: all,
    tried() {
      tried ??= close(drawFrom(arena, all, rule));
      return tried;
    },
  };
}

/** Rows of a list in random order, up to as many as rates are tried on. */
function drawFrom(arena: Arena, list: RowList, { seed, triedRows }: KeepRule): RowList {
  const order = shuffle(ascending(list.count), randomStream({ seed, purpose: "sample" }));
  const drawn = emptyList(arena, Math.min(triedRows, list.count));
  for (let k = 0; k < drawn.count; k++) {
    drawn.pairs[2 * k] = list.pairs[2 * order[k]!]!;
    drawn.pairs[2 * k + 1] = list.pairs[2 * order[k]! + 1]!;
  }
  return drawn;
}

function heldOf(
  arena: Arena,
  kernels: KernelExports,
  { block }: NumberedBlock,
  { heldShare: share, split: { seed } }: KeepRule,
): Uint32Array {
  if (share === 0) return new Uint32Array(0);
  return splitRows(arena, kernels, rowIdsOf(block), { share, seed }).validation;
}

function drawnOf(
  kernels: KernelExports,
  { block }: NumberedBlock,
  { split, trainingRows, sampleRows, seed }: KeepRule,
  room: Uint32Array,
): Uint32Array {
  const { address, rows, base } = rowIdsOf(block);
  const share = Math.min(1, sampleRows / trainingRows);
  const seeds = [split.seed, split.share, seed, share] as const;
  const count = kernels.drawRows(address, rows, base, ...seeds, room.byteOffset);
  return room.slice(0, count);
}

/** Copies the rows of a list to a block of their own, in their order; the list then names the copies. */
function copyOf(arena: Arena, kernels: KernelExports, list: RowList): RowList {
  const { address: from, count: rows } = list;
  if (rows === 0) return list;
  const nonZeros = kernels.countEntries(from, rows);
  const shape = { rows, nonZeros, width: 0, rowIdBase: 0 };
  // The address first: allocating may move the end of the arena's buffer.
  const address = arena.allocate(blockByteLength(shape));
  createBlock(arena.buffer, address, shape);
  kernels.copyRows(from, rows, address);
  for (let k = 0; k < rows; k++) {
    list.pairs[2 * k] = address;
    list.pairs[2 * k + 1] = k;
  }
  return list;
}

/** Lists, as they come, made into one. */
function createPairs() {
  const lists: RowList[] = [];
  return {
    add(list: RowList): void {
      lists.push(list);
    },
    list(arena: Arena): RowList {
      const all = emptyList(
        arena,
        lists.reduce((sum, { count }) => sum + count, 0),
      );
      let at = 0;
      for (const { pairs } of lists) {
        all.pairs.set(pairs, at);
        at += pairs.length;
        arena.release(pairs.byteOffset, pairs.byteLength);
      }
      return all;
    },
  };
}

function listOf(arena: Arena, block: number, rows: Uint32Array): RowList {
  const list = emptyList(arena, rows.length);
  for (let k = 0; k < rows.length; k++) {
    list.pairs[2 * k] = block;
    list.pairs[2 * k + 1] = rows[k]!;
  }
  return list;
}

function emptyList(arena: Arena, count: number): RowList {
  const pairs = arena.allocateU32(2 * count);
  return { address: pairs.byteOffset, count, pairs };
}

function ascending(length: number): Uint32Array {
  const numbers = new Uint32Array(length);
  for (let k = 0; k < length; k++) numbers[k] = k;
  return numbers;
}

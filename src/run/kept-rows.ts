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
  readonly seed: number;
}

export interface KeptRows {
  readonly held: RowList;
  /** About as many as asked for, in their own order. */
  readonly sample: RowList;
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
  const rooms = arena.allocateU32(
    source.summaries.reduce((most, { rows }) => Math.max(most, rows), 0),
  );
  for (const numbered of eachBlock(source)) {
    const { byteOffset } = numbered.block;
    const heldRows = heldOf(arena, kernels, numbered, rule);
    const drawnRows = drawnOf(kernels, numbered, rule, rooms);
    if (copied) {
      const address = copyOf(arena, kernels, numbered, [heldRows, drawnRows]);
      held.add(address, ascending(heldRows.length, 0));
      sample.add(address, ascending(drawnRows.length, heldRows.length));
    } else {
      held.add(byteOffset, heldRows);
      sample.add(byteOffset, drawnRows);
    }
  }
  arena.release(rooms.byteOffset, rooms.byteLength);
  return { held: held.list(arena), sample: sample.list(arena) };
}

/** At most `count` rows of a list, in random order. */
export function drawFrom(arena: Arena, list: RowList, count: number, seed: number): RowList {
  const order = shuffle(ascending(list.count, 0), randomStream({ seed, purpose: "sample" }));
  const drawn = Math.min(count, list.count);
  const pairs = arena.allocateU32(2 * drawn);
  for (let k = 0; k < drawn; k++) {
    pairs[2 * k] = list.pairs[2 * order[k]!]!;
    pairs[2 * k + 1] = list.pairs[2 * order[k]! + 1]!;
  }
  return { address: pairs.byteOffset, count: drawn, pairs };
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

/** Copies rows of a block to one of their own; returns its address. */
function copyOf(
  arena: Arena,
  kernels: KernelExports,
  { block }: NumberedBlock,
  lists: readonly Uint32Array[],
): number {
  const { rowStart, width, rowIdBase } = block;
  const rows = lists.reduce((sum, { length }) => sum + length, 0);
  if (rows === 0) return 0;
  const numbers = arena.allocateU32(rows);
  let [at, nonZeros] = [0, 0];
  for (const list of lists) {
    numbers.set(list, at);
    at += list.length;
    for (const row of list) nonZeros += rowStart[row + 1]! - rowStart[row]!;
  }
  const shape = { rows, nonZeros, width, rowIdBase };
  // The address first: allocating may move the end of the arena's buffer.
  const address = arena.allocate(blockByteLength(shape));
  createBlock(arena.buffer, address, shape);
  kernels.copyRows(block.byteOffset, numbers.byteOffset, rows, address);
  arena.release(numbers.byteOffset, numbers.byteLength);
  return address;
}

/** Pairs of block and row, as they come. */
function createPairs() {
  const parts: { address: number; rows: Uint32Array }[] = [];
  let count = 0;
  return {
    add(address: number, rows: Uint32Array): void {
      parts.push({ address, rows });
      count += rows.length;
    },
    list(arena: Arena): RowList {
      const pairs = arena.allocateU32(2 * count);
      let at = 0;
      for (const { address, rows } of parts) {
        for (let k = 0; k < rows.length; k++) {
          pairs[at++] = address;
          pairs[at++] = rows[k]!;
        }
      }
      return { address: pairs.byteOffset, count, pairs };
    },
  };
}

function ascending(length: number, from: number): Uint32Array {
  const numbers = new Uint32Array(length);
  for (let k = 0; k < length; k++) numbers[k] = from + k;
  return numbers;
}

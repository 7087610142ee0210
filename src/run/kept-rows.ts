/**
 * Rows that are looked at again and again (validation rows, the sample that rates are tried on) and so stay in
 * memory for the whole run: as they are where all blocks are in memory, else copied on one pass.
 */
import { type BlockSource, eachBlock, rowIdsOf } from "../data/block-source.ts";
import { copyRows } from "../data/copy-rows.ts";
import type { Arena } from "../kernels/arena.ts";
import type { KernelExports } from "../kernels/exports.ts";
import type { RowStore } from "../learner/row-store.ts";
import type { RowList } from "../learner/rows.ts";
import { splitRows } from "../learner/split.ts";
import { nextBelow, randomStream } from "../math/random.ts";

/** Numbers of blocks and of rows in them, alternating. */
export type Picks = Uint32Array;

/** The rows that the split holds back, in their own order. */
export function pickHeldRows(
  arena: Arena,
  kernels: KernelExports,
  source: BlockSource,
  split: { share: number; seed: number },
): Picks {
  if (split.share === 0) return new Uint32Array(0);
  const held = source.summaries.map(
    (_, number) => splitRows(arena, kernels, source.rowIds(number), split).validation,
  );
  const picks = new Uint32Array(2 * held.reduce((sum, rows) => sum + rows.length, 0));
  let at = 0;
  for (const [number, rows] of held.entries()) {
    for (const row of rows) {
      picks[at++] = number;
      picks[at++] = row;
    }
  }
  return picks;
}

/** `count` training rows drawn at random, in random order; numbers of rows count training rows only. */
export function drawTrainingRows(store: RowStore, count: number, seed: number): Picks {
  const state = randomStream({ seed, purpose: "sample" });
  const total = store.rows;
  const drawn = Math.min(count, total);
  const picks = new Uint32Array(2 * drawn);
  // Fisher and Yates' shuffle cut short.
  const places = total <= drawnPlainlyMax * drawn ? plainPlaces(total) : sparsePlaces();
  for (let k = 0; k < drawn; k++) {
    picks[2 * k + 1] = places.swap(k, k + nextBelow(state, total - k));
  }
  nameParts(store, picks);
  return picks;
}

/** Up to so many times the rows drawn, a list of all places is quicker than a map of the changed. */
const drawnPlainlyMax = 32;

/** What stands at the places of a shuffle; at first each its own number. */
interface Places {
  /** Puts what stands at `k`, which is never looked at again, to `other`; returns what stood there. */
  swap(k: number, other: number): number;
}

function plainPlaces(total: number): Places {
  const places = new Uint32Array(total);
  for (let k = 0; k < total; k++) places[k] = k;
  return {
    swap(k, other) {
      const taken = places[other]!;
      places[other] = places[k]!;
      return taken;
    },
  };
}

function sparsePlaces(): Places {
  const moved = new Map<number, number>();
  return {
    swap(k, other) {
      const taken = moved.get(other) ?? other;
      moved.set(other, moved.get(k) ?? k);
      moved.delete(k);
      return taken;
    },
  };
}

/** Turns positions among all training rows into numbers of parts and of rows in them. */
function nameParts({ parts }: RowStore, picks: Picks): void {
  const first = new Float64Array(parts.length + 1);
  for (const [k, { rows }] of parts.entries()) first[k + 1] = first[k]! + rows;
  for (let at = 0; at < picks.length; at += 2) {
    const position = picks[at + 1]!;
    let [low, high] = [0, parts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (first[middle]! <= position) low = middle;
      else high = middle;
    }
    picks[at] = low;
    picks[at + 1] = position - first[low]!;
  }
}

/** What is kept: rows of blocks by their number, and training rows by their number among those. */
export interface Wanted {
  readonly held: Picks;
  readonly sample: Picks;
}

export interface KeptRows {
  readonly held: RowList;
  readonly sample: RowList;
}

export function keepRows(
  arena: Arena,
  kernels: KernelExports,
  source: BlockSource,
  { wanted, split }: { wanted: Wanted; split: { share: number; seed: number } },
): KeptRows {
  const heldOf = groupByBlock(wanted.held, source.summaries.length);
  const sampleOf = groupByBlock(wanted.sample, source.summaries.length);
  const held = emptyList(arena, wanted.held.length / 2);
  const sample = emptyList(arena, wanted.sample.length / 2);
  for (const { number, block } of eachBlock(source)) {
    const [ofHeld, ofSample] = [heldOf[number]!, sampleOf[number]!];
    if (ofHeld.length + ofSample.length === 0) continue;
    const { training } = splitRows(arena, kernels, rowIdsOf(block), split);
    const heldRows = ofHeld.map((at) => wanted.held[2 * at + 1]!);
    const sampleRows = ofSample.map((at) => training[wanted.sample[2 * at + 1]!]!);
    const kept = source.resident
      ? { address: block.byteOffset, numberOf: (row: number) => row }
      : copyOf(arena, block, [...heldRows, ...sampleRows]);
    writeRows(held.pairs, ofHeld, heldRows, kept);
    writeRows(sample.pairs, ofSample, sampleRows, kept);
  }
  return { held, sample };
}

interface KeptBlock {
  readonly address: number;
  readonly numberOf: (row: number) => number;
}

function copyOf(
  arena: Arena,
  block: Parameters<typeof copyRows>[1],
  rows: readonly number[],
): KeptBlock {
  const numbers = new Map(rows.map((row, number) => [row, number]));
  const copy = copyRows(arena, block, rows);
  return { address: copy.byteOffset, numberOf: (row) => numbers.get(row)! };
}

function writeRows(
  pairs: Uint32Array,
  places: readonly number[],
  rows: readonly number[],
  { address, numberOf }: KeptBlock,
): void {
  for (const [k, at] of places.entries()) {
    pairs[2 * at] = address;
    pairs[2 * at + 1] = numberOf(rows[k]!);
  }
}

function groupByBlock(picks: Picks, blocks: number): number[][] {
  const groups: number[][] = Array.from({ length: blocks }, () => []);
  for (let at = 0; at < picks.length; at += 2) groups[picks[at]!]!.push(at / 2);
  return groups;
}

function emptyList(arena: Arena, count: number): RowList {
  const pairs = arena.allocateU32(2 * count);
  return { address: pairs.byteOffset, count, pairs };
}

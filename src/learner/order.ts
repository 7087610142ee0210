/**
 * The order in which rows come, epoch after epoch, window by window: only the blocks of the present window need
 * be in memory, while those of the next are read.
 */
import type { Arena } from "../kernels/arena.ts";
import type { KernelExports } from "../kernels/exports.ts";
import type { RowStore } from "./row-store.ts";
import {
  fillWindow,
  planEpoch,
  type RowList,
  type ShuffleShape,
  shuffleShape,
  type WindowPlan,
} from "./rows.ts";

/** Rows taken from an order; valid until the next are taken. */
export interface TakenRows extends RowList {
  /** Address of each row's place among all rows of the data set (u32); 0 where places are not kept. */
  readonly positions: number;
}

export interface RowOrder {
  readonly store: RowStore;
  readonly epochRows: number;
  /** The present epoch. */
  readonly epoch: number;
  /** Rows of the present epoch that were taken. */
  readonly taken: number;
  /** The next rows: at most `count`, and none beyond the end of a window or an epoch. */
  take(count: number): TakenRows;
  /** The next `count` rows, less only at the end of an epoch: several windows' blocks may be held for it. */
  takeWhole(count: number): TakenRows;
  /** What was taken has been learned: blocks that are done with may go before the next rows are taken. */
  settle(): void;
  /** Goes to any place of any epoch; the rows from there on are the same however the place was reached. */
  seek(place: { epoch: number; taken: number }): void;
  close(): void;
}

/** Rows whose blocks are held: up to row `end` of the room. */
interface HeldWindow {
  readonly parts: readonly number[];
  end: number;
}

/** What an order is made with. */
export interface OrderOptions {
  readonly seed: number;
  /** Also list each row's place, for what is kept a row. */
  readonly positions?: boolean;
  /** Lists runs of rows quicker; the order is the same without. */
  readonly kernels?: Pick<KernelExports, "listRun">;
}

export function createOrder(arena: Arena, store: RowStore, options: OrderOptions): RowOrder {
  return new WindowedOrder(arena, store, options);
}

class WindowedOrder implements RowOrder {
  readonly store: RowStore;
  readonly #arena: Arena;
  readonly #seed: number;
  readonly #shape: ShuffleShape;
  readonly #rowsOfParts: readonly number[];
  readonly #keepsPositions: boolean;
  readonly #listRun: KernelExports["listRun"] | undefined;
  #pairs: Uint32Array;
  #positions: Uint32Array | null;
  #epoch = 0;
  #taken = 0;
  /** Rows of the room that were taken, and that are filled. */
  #start = 0;
  #filled = 0;
  #held: HeldWindow[] = [];
  #plans: Generator<WindowPlan>;
  #next: WindowPlan | null;

  constructor(arena: Arena, store: RowStore, options: OrderOptions) {
    this.store = store;
    this.#arena = arena;
    this.#seed = options.seed;
    this.#shape = shuffleShape(store.parts);
    this.#rowsOfParts = store.parts.map(({ rows }) => rows);
    this.#keepsPositions = options.positions === true;
    this.#listRun = options.kernels?.listRun;
    const roomRows = largestSum(this.#rowsOfParts, this.#shape.windowBlocks);
    this.#pairs = arena.allocateU32(2 * roomRows);
    this.#positions = this.#keepsPositions ? arena.allocateU32(roomRows) : null;
    this.#plans = this.#plansOf(0);
    this.#next = this.#nextPlan();
  }

  get epochRows(): number {
    return this.store.rows;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get taken(): number {
    return this.#taken;
  }

  take(count: number): TakenRows {
    this.#beginTake();
    while (this.#start === this.#filled && this.#next) this.#fillNext();
    return this.#hand(count);
  }

  takeWhole(count: number): TakenRows {
    this.#beginTake();
    while (this.#filled - this.#start < count && this.#next) this.#fillNext();
    return this.#hand(count);
  }

  settle(): void {
    this.#letGo(this.#start);
  }

  seek({ epoch, taken }: { epoch: number; taken: number }): void {
    this.#letGo(Number.POSITIVE_INFINITY);
    this.#start = 0;
    this.#filled = 0;
    this.#epoch = epoch;
    this.#taken = 0;
    this.#plans = this.#plansOf(epoch);
    this.#next = this.#nextPlan();
    while (this.#next && this.#taken + this.#next.rows <= taken) {
      this.#taken += this.#next.rows;
      this.#next = this.#nextPlan();
    }
    if (this.#taken === taken) return;
    this.#fillNext();
    this.#start = taken - this.#taken;
    this.#taken = taken;
  }

  close(): void {
    this.#letGo(Number.POSITIVE_INFINITY);
    this.#arena.release(this.#pairs.byteOffset, this.#pairs.byteLength);
    if (this.#positions) {
      this.#arena.release(this.#positions.byteOffset, this.#positions.byteLength);
    }
  }

  /** What was handed out last has been learned: its windows' blocks may go. */
  #beginTake(): void {
    this.settle();
    if (this.#taken === this.epochRows) this.seek({ epoch: this.#epoch + 1, taken: 0 });
  }

  #hand(count: number): TakenRows {
    const start = this.#start;
    const end = Math.min(this.#filled, start + count);
    this.#start = end;
    this.#taken += end - start;
    return {
      address: this.#pairs.byteOffset + 8 * start,
      count: end - start,
      pairs: this.#pairs.subarray(2 * start, 2 * end),
      positions: this.#positions ? this.#positions.byteOffset + 4 * start : 0,
    };
  }

  #fillNext(): void {
    const plan = this.#next!;
    this.#makeRoom(plan.rows);
    const { store } = this;
    const parts = store.acquire(plan.parts);
    const rowsBefore = plan.parts.map((k) => store.parts[k]!.rowsBefore);
    const room = { pairs: this.#pairs, positions: this.#positions, listRun: this.#listRun };
    const { runRows } = this.#shape;
    fillWindow(plan, parts, { runRows, rowsBefore, start: this.#filled }, room);
    this.#filled += plan.rows;
    this.#held.push({ parts: plan.parts, end: this.#filled });
    this.#next = this.#nextPlan();
    if (!store.resident) store.expect(this.#next?.parts ?? this.#firstPartsOf(this.#epoch + 1));
  }

  /** Moves what is left to the front of the room, or to a larger room. */
  #makeRoom(rows: number): void {
    const left = this.#filled - this.#start;
    const needed = left + rows;
    this.#pairs = this.#moved(this.#pairs, needed, 2);
    if (this.#positions) this.#positions = this.#moved(this.#positions, needed, 1);
    for (const held of this.#held) held.end -= this.#start;
    this.#start = 0;
    this.#filled = left;
  }

  #moved(room: Uint32Array, rows: number, wordsPerRow: number): Uint32Array {
    const [from, to] = [wordsPerRow * this.#start, wordsPerRow * this.#filled];
    if (wordsPerRow * rows <= room.length) {
      room.copyWithin(0, from, to);
      return room;
    }
    const larger = this.#arena.allocateU32(2 * wordsPerRow * rows);
    larger.set(room.subarray(from, to));
    this.#arena.release(room.byteOffset, room.byteLength);
    return larger;
  }

  #letGo(upTo: number): void {
    while (this.#held.length > 0 && this.#held[0]!.end <= upTo) {
      this.store.release(this.#held.shift()!.parts);
    }
  }

  #plansOf(epoch: number): Generator<WindowPlan> {
    return planEpoch(this.#rowsOfParts, this.#shape, { seed: this.#seed, epoch });
  }

  #nextPlan(): WindowPlan | null {
    return this.#plans.next().value ?? null;
  }

  #firstPartsOf(epoch: number): readonly number[] {
    return this.#plansOf(epoch).next().value?.parts ?? [];
  }
}

/** The sum of the `count` largest numbers. */
function largestSum(numbers: readonly number[], count: number): number {
  const largest = numbers.toSorted((a, b) => b - a).slice(0, count);
  return largest.reduce((sum, number) => sum + number, 0);
}

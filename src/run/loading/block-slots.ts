/**
 * The blocks of a file, of which only some are in memory: in slots of one size, each holding one block at a
 * time. A slot that nobody holds keeps its block until the slot is needed for another.
 */
import { type Block, viewBlock } from "../../data/block.ts";
import type { BlockSource } from "../../data/block-source.ts";
import type { Arena } from "../../kernels/arena.ts";
import type { BlockFile } from "./block-open.ts";
import { damagedBlocks } from "./block-open.ts";
import type { BlockReader, BlockRequest } from "./block-reader.ts";

interface Slot {
  readonly address: number;
  /** The block it holds or is being filled with. */
  number: number | null;
  holders: number;
  /** Being filled; `reader.wait` ends that. */
  loading: boolean;
  usedAt: number;
}

/** Bytes of one slot for blocks of this file. */
export function slotBytes({ manifest }: BlockFile): number {
  return manifest.blocks.reduce((most, { byteLength }) => Math.max(most, byteLength), 0);
}

/** @param slots how many blocks may be in memory at once. */
export function slotSource(
  arena: Arena,
  file: BlockFile,
  reader: BlockReader,
  slots: number,
): BlockSource {
  return new SlotSource(arena, file, reader, slots);
}

class SlotSource implements BlockSource {
  readonly resident = false;
  readonly summaries: BlockSource["summaries"];
  readonly heldMax: number;
  readonly #arena: Arena;
  readonly #file: BlockFile;
  readonly #reader: BlockReader;
  readonly #room: { address: number; byteLength: number };
  readonly #slots: Slot[];
  readonly #slotOf = new Map<number, Slot>();
  readonly #idsRoom: number;
  readonly #idsBytes: number;
  #expected = new Set<number>();
  #now = 0;

  constructor(arena: Arena, file: BlockFile, reader: BlockReader, slots: number) {
    const { blocks } = file.manifest;
    this.summaries = blocks;
    this.heldMax = Math.min(slots, blocks.length);
    this.#arena = arena;
    this.#file = file;
    this.#reader = reader;
    const size = Math.ceil(slotBytes(file) / 64) * 64;
    const byteLength = this.heldMax * size;
    this.#room = { address: arena.allocate(byteLength), byteLength };
    this.#slots = Array.from({ length: this.heldMax }, (_, k) => ({
      address: this.#room.address + k * size,
      number: null,
      holders: 0,
      loading: false,
      usedAt: 0,
    }));
    this.#idsBytes = 4 * blocks.reduce((most, { rows }) => Math.max(most, rows), 0);
    this.#idsRoom = arena.allocate(this.#idsBytes);
  }

  acquire(numbers: readonly number[]): Block[] {
    // Those that are here first, so that none of them makes room for another.
    const here = numbers.map((number) => this.#hold(this.#slotOf.get(number)));
    const wanted: BlockRequest[] = [];
    const slots = here.map((slot, k) => {
      return slot ?? this.#hold(this.#assign(numbers[k]!, this.#take(), wanted))!;
    });
    if (wanted.length > 0) this.#reader.begin(wanted);
    for (const number of numbers) this.#expected.delete(number);
    return slots.map((slot, k) => this.#view(slot, numbers[k]!));
  }

  release(numbers: readonly number[]): void {
    for (const number of numbers) this.#slotOf.get(number)!.holders--;
  }

  expect(numbers: readonly number[]): void {
    if (!this.#reader.readsAhead) return;
    this.#expected = new Set(numbers);
    const wanted: BlockRequest[] = [];
    for (const number of numbers) {
      if (this.#slotOf.has(number)) continue;
      const slot = this.#idle();
      if (slot === null) break;
      this.#assign(number, slot, wanted);
    }
    if (wanted.length > 0) this.#reader.begin(wanted);
  }

  rowIds(number: number) {
    const { offset, rows } = this.#file.manifest.blocks[number]!;
    const base = this.#reader.readRowIds(number, this.#idsRoom, offset);
    return { address: this.#idsRoom, rows, base };
  }

  close(): void {
    this.#reader.close();
    this.#arena.release(this.#idsRoom, this.#idsBytes);
    this.#arena.release(this.#room.address, this.#room.byteLength);
    this.#file.close();
  }

  #assign(number: number, slot: Slot, wanted: BlockRequest[]): Slot {
    if (slot.number !== null) {
      // Nobody waited for what it was being filled with.
      if (slot.loading) this.#reader.wait(slot.number);
      this.#slotOf.delete(slot.number);
    }
    slot.number = number;
    slot.loading = true;
    slot.usedAt = ++this.#now;
    this.#slotOf.set(number, slot);
    wanted.push({ number, address: slot.address });
    return slot;
  }

  #view(slot: Slot, number: number): Block {
    if (slot.loading) {
      const problem = this.#reader.wait(number);
      slot.loading = false;
      if (problem !== null) throw damagedBlocks(this.#file.path, `block ${number}: ${problem}`);
    }
    return viewBlock(this.#arena.buffer, slot.address);
  }

  #hold(slot: Slot | undefined): Slot | undefined {
    if (slot === undefined) return undefined;
    slot.holders++;
    slot.usedAt = ++this.#now;
    return slot;
  }

  /** A slot for a block that is wanted now: blocks that are only expected give way. */
  #take(): Slot {
    const slot = this.#idle() ?? this.#slots.findLast(({ holders }) => holders === 0);
    if (slot) return slot;
    throw new RangeError(
      `Cannot hold more than ${this.heldMax} blocks in memory: give more --memory, or fewer --rows-per-update`,
    );
  }

  /** A slot that nobody holds or expects: an empty one, else the one that was not wanted for longest. */
  #idle(): Slot | null {
    let best: Slot | null = null;
    for (const slot of this.#slots) {
      if (slot.holders > 0) continue;
      if (slot.number === null) return slot;
      if (this.#expected.has(slot.number)) continue;
      if (best === null || slot.usedAt < best.usedAt) best = slot;
    }
    return best;
  }
}

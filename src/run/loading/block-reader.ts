/**
 * Reads blocks of a file into given places. What is asked for is done by whoever comes first: a thread that reads
 * ahead, or the caller when it needs the block and nobody has begun.
 */
import { readSync } from "node:fs";
import { headerField, rowsFault, viewBlock } from "../../data/block.ts";
import type { BlockPlace } from "../../data/block-file.ts";
import type { Arena } from "../../kernels/arena.ts";
import { createBlockChecksum } from "../../kernels/block-checksum.ts";
import { loadKernels } from "../../kernels/loader.ts";

/** A block, and where it is to be. */
export interface BlockRequest {
  readonly number: number;
  readonly address: number;
}

export interface BlockReader {
  /** Whether anything happens between `begin` and `wait`. */
  readonly readsAhead: boolean;
  /** Asks for blocks at addresses; nobody else may use these places until `wait` returns. */
  begin(requests: readonly BlockRequest[]): void;
  /** Waits until the block is there; a text says what is wrong with it. */
  wait(number: number): string | null;
  /** Reads the row ids of the block at `offset` to an address; returns what they count from. */
  readRowIds(number: number, address: number, offset: number): number;
  close(): void;
}

/** One block's way from file to memory, checked when it comes for the first time. */
export class BlockLoad {
  readonly #arena: Arena;
  readonly #descriptor: number;
  readonly #checksum: ReturnType<typeof createBlockChecksum>;
  readonly #checked: Uint8Array;

  /** @param checked one byte a block, shared by all threads: 1 once its checksum was found right. */
  constructor(arena: Arena, descriptor: number, checked: Uint8Array) {
    this.#arena = arena;
    this.#descriptor = descriptor;
    this.#checksum = createBlockChecksum(arena, loadKernels(arena));
    this.#checked = checked;
  }

  /** Returns what is wrong, or null. */
  read(number: number, place: BlockPlace, address: number): string | null {
    const { offset, byteLength } = place;
    try {
      const bytes = this.#view(address, byteLength);
      for (let at = 0; at < byteLength; ) {
        const count = readSync(this.#descriptor, bytes, at, byteLength - at, offset + at);
        if (count === 0) return "the file ends before it";
        at += count;
      }
    } catch (error) {
      return (error as Error).message;
    }
    if (this.#checked[number] === 1) return null;
    if (!this.#checksum.holds({ byteOffset: address, byteLength })) return "its checksum is wrong";
    const problem = this.#problemOf(place, address);
    if (problem !== null) return problem;
    this.#checked[number] = 1;
    return null;
  }

  /** A checksum shows damage, not intent: what kernels rely on is looked at too. */
  #problemOf({ rows, nonZeros, widthMax = 0 }: BlockPlace, address: number): string | null {
    try {
      const block = viewBlock(this.#arena.buffer, address);
      if (block.rows !== rows || block.nonZeros !== nonZeros) return "another block's header";
      if (block.width > widthMax) return "it has more columns than its file";
      return rowsFault(block);
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** Reads the row ids; they are checked with their block. */
  readRowIds(rows: number, address: number, offset: number): number {
    const head = new DataView(new ArrayBuffer(headerField.labelList));
    readSync(this.#descriptor, head, 0, head.byteLength, offset);
    const place = offset + head.getUint32(headerField.rowId, true);
    readSync(this.#descriptor, this.#view(address, 4 * rows), 0, 4 * rows, place);
    return head.getFloat64(headerField.rowIdBase, true);
  }

  /** The place may lie where another thread made the memory grow. */
  #view(address: number, byteLength: number): Uint8Array {
    if (address + byteLength > this.#arena.buffer.byteLength) this.#arena.refresh();
    return this.#arena.bytesAt(address, byteLength);
  }
}

/** A reader without a thread: all is done in `wait`. */
export function plainReader(
  arena: Arena,
  descriptor: number,
  places: readonly BlockPlace[],
): BlockReader {
  const load = new BlockLoad(arena, descriptor, new Uint8Array(places.length));
  const addresses = new Map<number, number>();
  return {
    readsAhead: false,
    begin(requests) {
      for (const { number, address } of requests) addresses.set(number, address);
    },
    wait: (number) => load.read(number, places[number]!, addresses.get(number)!),
    readRowIds: (number, address, offset) => load.readRowIds(places[number]!.rows, address, offset),
    close() {},
  };
}

/**
 * Reads a source of unknown size into memory, as long as it fits; as soon as it does not, all blocks move
 * to a block file, and those that follow go there one by one.
 */
import { rmSync } from "node:fs";
import type { Block } from "../../data/block.ts";
import type { CacheOrigin } from "../../data/block-file.ts";
import { type Collected, Collector } from "../../data/collector.ts";
import type { BlockArena } from "../../data/parser.ts";
import { openSlot, type Slot } from "../../data/slot.ts";
import type { Arena } from "../../kernels/arena.ts";
import { BlockFileWriter } from "./block-writer.ts";
import type { DataSource, LoadOptions } from "./options.ts";
import { checkNotEmpty, prepareReading } from "./prepare.ts";
import { readBlocks } from "./read.ts";

/** Where blocks go when memory is full. */
export interface SpillTarget {
  readonly arena: Arena;
  /** Bytes of blocks that fit. */
  readonly bytesMax: number;
  /** Opens the file only when it is needed. @throws FileError */
  readonly path: () => string;
  readonly origin: CacheOrigin | null;
}

/** Blocks in memory, or the name of the file that holds them. */
export type Spilled =
  | { readonly kind: "fits"; readonly collected: Collected; readonly fingerprint: string }
  | { readonly kind: "spilled"; readonly path: string };

export async function readOrSpill(
  source: DataSource,
  options: LoadOptions,
  target: SpillTarget,
): Promise<Spilled> {
  const { arena, bytesMax } = target;
  const skipBadRows = options.skipBadRows ?? 0;
  const collector = new Collector(arena, { skipBadRows, keepBlocks: false });
  const room = new SpillRoom(arena);
  const kept: Block[] = [];
  let writer: BlockFileWriter | null = null;
  try {
    const setup = { arena, blockArena: room, collector, threads: 1 };
    const reading = await prepareReading(setup, options);
    for await (const block of readBlocks(source, reading)) {
      if (writer) {
        writer.add(block);
        continue;
      }
      kept.push(block);
      if (room.bytes <= bytesMax) continue;
      writer = new BlockFileWriter(arena, target.path());
      for (const early of kept) writer.add(early);
      room.useSlot();
    }
    const collected = collector.finish();
    checkNotEmpty(source, collected);
    const fingerprint = reading.fingerprint.digest();
    if (!writer) return { kind: "fits", collected: { ...collected, blocks: kept }, fingerprint };
    const { blocks: _, unseenIds: __, ...facts } = collected;
    writer.finish({ ...facts, fingerprint, origin: target.origin }, { flush: false });
    room.close();
    return { kind: "spilled", path: writer.path };
  } catch (error) {
    writer?.abandon();
    room.close();
    throw error;
  }
}

/** Removes a file that stays open: its bytes last as long as somebody reads them. */
export function removeOpened(path: string): void {
  try {
    rmSync(path);
  } catch {
    // Windows keeps open files; this one is removed when the process ends.
    process.once("exit", () => rmSync(path, { force: true }));
  }
}

/** Gives out rooms of the arena until it is told to use one room again and again. */
class SpillRoom implements BlockArena {
  readonly #arena: Arena;
  readonly #given: { address: number; byteLength: number }[] = [];
  #slot: Slot | null = null;
  /** Bytes given out. */
  bytes = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  get buffer(): ArrayBufferLike {
    return this.#arena.buffer;
  }

  allocate(byteLength: number): number {
    if (this.#slot) return this.#slot.allocate(byteLength);
    const address = this.#arena.allocate(byteLength);
    this.#given.push({ address, byteLength });
    this.bytes += byteLength;
    return address;
  }

  release(): void {}

  /** Last given, first back: so the arena becomes as small as it was. */
  useSlot(): void {
    for (const { address, byteLength } of this.#given.toReversed()) {
      this.#arena.release(address, byteLength);
    }
    this.#given.length = 0;
    this.#slot = openSlot(this.#arena);
  }

  close(): void {
    this.useSlot();
    this.#slot?.close();
  }
}

/** From any source to a block file. */
import type { BlockFileManifest, CacheOrigin } from "../../data/block-file.ts";
import { Collector } from "../../data/collector.ts";
import { openSlot } from "../../data/slot.ts";
import { Arena } from "../../kernels/arena.ts";
import { BlockFileWriter } from "./block-writer.ts";
import type { DataSource, LoadOptions } from "./options.ts";
import { checkNotEmpty, prepareReading } from "./prepare.ts";
import { readBlocks } from "./read.ts";

/**
 * Reads a source block by block into a block file; memory is that of one block.
 * @throws InputError for anything that is wrong with the input, FileError when the file cannot be written.
 */
export async function pourBlocks(
  source: DataSource,
  path: string,
  options: LoadOptions,
  origin: CacheOrigin | null,
): Promise<BlockFileManifest> {
  const arena = options.arena ?? new Arena();
  const collector = new Collector(arena, {
    skipBadRows: options.skipBadRows ?? 0,
    keepBlocks: false,
  });
  const slot = openSlot(arena);
  const writer = new BlockFileWriter(arena, path);
  try {
    const target = { arena, blockArena: slot, collector, threads: 1 };
    const reading = await prepareReading(target, options);
    for await (const block of readBlocks(source, reading)) writer.add(block);
    const { blocks: _, unseenIds: __, ...collected } = collector.finish();
    checkNotEmpty(source, collector.finish());
    const fingerprint = reading.fingerprint.digest();
    return writer.finish({ ...collected, fingerprint, origin }).manifest;
  } finally {
    writer.abandon();
    slot.close();
  }
}

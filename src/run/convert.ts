/** Text to a block file, by all threads where the memory allows it, else block by block. */
import type { BlockFileManifest } from "../data/block-file.ts";
import { type DataSource, type LoadOptions, loadDataset } from "./load.ts";
import { cacheEntry, writeBlocks } from "./loading/cached.ts";
import { estimateFit } from "./loading/estimate.ts";
import { pourBlocks } from "./loading/pour.ts";

/**
 * Writes the rows of a source as a block file.
 * @param options.memoryBytes what blocks may take; without it all of them are held.
 * @throws InputError for anything that is wrong with the input, FileError when the file cannot be written.
 */
export async function convertToBlocks(
  source: DataSource,
  path: string,
  options: LoadOptions,
): Promise<BlockFileManifest> {
  const origin = (await cacheEntry(source, options))?.origin ?? null;
  const fit = await estimateFit(source, { ...options, residence: "auto" });
  if (fit !== "fits") return pourBlocks(source, path, options, origin);
  const dataset = await loadDataset(source, { ...options, residence: "memory" });
  return writeBlocks(path, dataset, origin, { flush: true }).manifest;
}

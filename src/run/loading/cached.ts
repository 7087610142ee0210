/** Reading and writing the cache of a source; trouble with it is told, and costs time only. */
import { randomUUID } from "node:crypto";
import { accessSync, constants } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CacheOrigin } from "../../data/block-file.ts";
import { eachBlock } from "../../data/block-source.ts";
import type { Dataset } from "../../data/dataset.ts";
import { InputError } from "../../data/input-error.ts";
import type { Arena } from "../../kernels/arena.ts";
import { FileError } from "../files.ts";
import { type BlockFileDataset, loadBlockFile } from "./block-dataset.ts";
import { damagedBlocks } from "./block-open.ts";
import { BlockFileWriter, type WrittenFile } from "./block-writer.ts";
import { type CacheEntry, type CacheFound, findCaches } from "./cache.ts";
import { openCacheFolder, spilledStart } from "./cache-folder.ts";
import type { LoadOptions } from "./options.ts";

export { type CacheEntry, cacheEntry } from "./cache.ts";

type CachedDataset = Omit<BlockFileDataset, "cache"> & {
  readonly cache: { readonly path: string; readonly created: string };
};

/** What looking for a cache came to. */
export interface CacheLook {
  /** The data set from a cache that fits, every block of it checked. */
  readonly loaded: CachedDataset | null;
  /** There was a cache once, of another state or damaged: it is made again unasked. */
  readonly renew: boolean;
}

/** Tries the caches that are there, one after the other; a damaged one is told of and hides no other. */
export function loadFromCache(entry: CacheEntry, options: LoadOptions): CacheLook {
  const found = findCaches(entry);
  const renew = found.some(({ path }) => path === entry.path);
  for (const cache of found) {
    try {
      const loaded = loadFound(cache, options);
      if (loaded) return { loaded, renew };
    } catch (error) {
      if (!(error instanceof InputError && error.code === "damaged-file")) throw error;
      const isOwn = cache.path === entry.path;
      const advice = isOwn ? "it is made again" : "make it again with glissade convert";
      options.onWarning?.(
        `${cache.path}: the cache is damaged (${error.found}): it is not used; ${advice}`,
      );
    }
  }
  return { loaded: null, renew };
}

function loadFound(found: CacheFound, options: LoadOptions): CachedDataset | null {
  const { path } = found;
  if (found.kind === "stale") return null;
  if (found.kind === "damaged") throw damagedBlocks(path, found.problem);
  const { topic: _, topics: __, ...rest } = options;
  const loaded = loadBlockFile(path, rest);
  if (!loaded.source.resident) for (const _ of eachBlock(loaded.source));
  return { ...loaded, cache: { path, created: found.manifest.created } };
}

/** Writes what is in memory, and says where to; a cache that cannot be written (null) is no reason to stop. */
export function writeCache(
  { path, origin }: CacheEntry,
  dataset: ResidentDataset,
  { onWarning }: LoadOptions,
): BlockFileDataset["file"] | null {
  try {
    openCacheFolder();
    const { manifestChecksum } = writeBlocks(path, dataset, origin, { flush: false });
    return { path, manifestChecksum };
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    onWarning?.(`the cache could not be written: ${error.message}; the run goes on without it`);
    return null;
  }
}

type ResidentDataset = Dataset & { readonly arena: Arena };

/** Writes a data set that is in memory as a block file. @throws FileError */
export function writeBlocks(
  path: string,
  { blocks, arena, ...facts }: ResidentDataset,
  origin: CacheOrigin | null,
  options: { flush: boolean },
): WrittenFile {
  const writer = new BlockFileWriter(arena, path);
  try {
    for (const block of blocks) writer.add(block);
    const { rows, nonZeros, width, indexBase, labels, sources, skippedRows, fingerprint } = facts;
    const known = { rows, nonZeros, width, indexBase, labels, sources, skippedRows, fingerprint };
    return writer.finish({ ...known, origin }, options);
  } finally {
    writer.abandon();
  }
}

/** The file for blocks that do not fit the memory: the cache's, else one with a name of its own. */
export function spillPath(entry: CacheEntry | null): string {
  const folder = spillFolder();
  return entry?.path ?? join(folder, `${spilledStart}${randomUUID().slice(0, 8)}.blocks`);
}

/** The folder of the caches is on a disk, which the folder for temporary files often is not. */
function spillFolder(): string {
  try {
    const folder = openCacheFolder();
    accessSync(folder, constants.W_OK);
    return folder;
  } catch {
    return tmpdir();
  }
}

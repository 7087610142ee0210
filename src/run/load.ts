/** From any source to a data set in an arena, or to one block after the other. */
import type { Block } from "../data/block.ts";
import { type BlockSource, residentBlocks } from "../data/block-source.ts";
import { type Collected, Collector } from "../data/collector.ts";
import type { Dataset } from "../data/dataset.ts";
import { InputError } from "../data/input-error.ts";
import { openSlot } from "../data/slot.ts";
import { Arena } from "../kernels/arena.ts";
import { blocksOfFile, loadBlockFile } from "./loading/block-dataset.ts";
import { isBlockFile } from "./loading/block-open.ts";
import {
  type CacheEntry,
  cacheEntry,
  loadFromCache,
  spillPath,
  writeCache,
} from "./loading/cached.ts";
import { estimateFit } from "./loading/estimate.ts";
import { type DataSource, isInMemory, type LoadOptions } from "./loading/options.ts";
import { arenaFull, checkNotEmpty, likeTraining, prepareReading } from "./loading/prepare.ts";
import { readBlocks } from "./loading/read.ts";
import { readOrSpill, removeOpened } from "./loading/spill.ts";
import { usableCores } from "./machine.ts";

/** More threads than this wait for memory more than they parse. */
const threadsMax = 16;

export type { DataSource, LoadOptions } from "./loading/options.ts";

/** A data set whose blocks live in an arena: a block's byteOffset is its address for the kernels. */
export interface LoadedDataset extends Dataset {
  readonly arena: Arena;
  /** The blocks as a run asks for them: in memory, or read from a block file again and again. */
  readonly source: BlockSource;
  /** The cache that was read in place of the sources, and when it was made. */
  readonly cache: { readonly path: string; readonly created: string } | null;
  /** The block file that holds these very blocks, and which it is; null without one that others could read. */
  readonly file: { readonly path: string; readonly manifestChecksum: string } | null;
  /** Entries dropped because their id is not below the width of `like`. */
  readonly unseenIds: number;
}

type OpenOptions = LoadOptions & { readonly arena: Arena };

/** Blocks one after the other, in the memory of one: each is valid until the next is asked for. */
export interface BlockStream extends AsyncIterable<Block> {
  /** What was seen so far; complete after the last block. */
  summary(): Omit<Collected, "blocks">;
}

/**
 * Reads a data set into blocks.
 *
 * @example
 * const data = await loadDataset("news.svm.gz");
 * const same = await loadDataset([{ label: 1, index: [1, 7], value: [0.5, 0.25] }, ...]);
 * const test = await loadDataset("test.svm", { like: data, arena: data.arena });
 *
 * @throws InputError for anything that is wrong with the input.
 */
export async function loadDataset(
  source: DataSource,
  options: LoadOptions = {},
): Promise<LoadedDataset> {
  const started = performance.now();
  const loaded = await loadSomehow(source, { ...options, arena: options.arena ?? new Arena() });
  return { ...loaded, loadSeconds: (performance.now() - started) / 1000 };
}

/** From a block file or a cache where there is one, else from the sources themselves. */
async function loadSomehow(source: DataSource, options: OpenOptions): Promise<LoadedDataset> {
  const converted = blockFileOf(source);
  if (converted !== null) return loadBlockFile(converted, options);
  refuseBlockFileAmongOthers(source);
  const entry = (options.cache ?? "off") === "off" ? null : await cacheEntry(source, options);
  const look = entry && loadFromCache(entry, options);
  if (look?.loaded) return look.loaded;
  // A cache holds all columns and labels there are.
  const wanted = (options.cache === "on" || look?.renew === true) && options.like === undefined;
  const written = wanted ? entry : null;
  const { memoryBytes = Number.POSITIVE_INFINITY } = options;
  const fit = await estimateFit(source, options);
  if (fit !== "fits") {
    return loadOrSpill(source, options, { written, bytesMax: fit === "unsure" ? memoryBytes : 0 });
  }
  try {
    const loaded = await loadIntoMemory(source, options);
    if (!written) return loaded;
    return { ...loaded, file: writeCache(written, loaded, options) };
  } catch (error) {
    const full = error instanceof InputError && error.code === "too-large";
    if (!full || options.residence !== "auto" || isInMemory(source)) throw error;
    return loadOrSpill(source, options, { written, bytesMax: memoryBytes });
  }
}

async function loadIntoMemory(source: DataSource, options: OpenOptions): Promise<LoadedDataset> {
  const { arena } = options;
  const collector = new Collector(arena, {
    skipBadRows: options.skipBadRows ?? 0,
    keepBlocks: true,
  });
  const threads = options.threads ?? Math.min(usableCores().count, threadsMax);
  const reading = await prepareReading({ arena, blockArena: arena, collector, threads }, options);
  try {
    for await (const _ of readBlocks(source, reading));
    checkNotEmpty(source, collector.finish());
  } catch (error) {
    collector.release();
    throw arenaFull(error, source);
  }
  return residentDataset(collector.finish(), reading.fingerprint.digest(), options);
}

/** In memory if it turns out to fit, else in a file: the cache's, or one that nobody else sees. */
async function loadOrSpill(
  source: DataSource,
  options: OpenOptions,
  { written: entry, bytesMax }: { written: CacheEntry | null; bytesMax: number },
): Promise<LoadedDataset> {
  const spilled = await readOrSpill(source, options, {
    arena: options.arena,
    bytesMax,
    path: () => spillPath(entry),
    origin: entry?.origin ?? null,
  });
  if (spilled.kind === "fits") {
    const loaded = residentDataset(spilled.collected, spilled.fingerprint, options);
    return entry ? { ...loaded, file: writeCache(entry, loaded, options) } : loaded;
  }
  const loaded = loadBlockFile(spilled.path, options);
  if (entry) return loaded;
  removeOpened(spilled.path);
  return { ...loaded, file: null };
}

function residentDataset(
  collected: Collected,
  fingerprint: string,
  options: OpenOptions,
): LoadedDataset {
  const { blocks, ...rest } = likeTraining(collected, options);
  const { arena } = options;
  const source = residentBlocks(blocks);
  const kept = { cache: null, file: null };
  return { ...rest, ...kept, blocks, arena, source, fingerprint, loadSeconds: 0 };
}

/**
 * Reads a source block by block, for predictions and evaluation: memory is that of one block.
 *
 * @throws InputError for anything that is wrong with the input, when the block is reached.
 */
export function streamBlocks(source: DataSource, options: LoadOptions = {}): BlockStream {
  const arena = options.arena ?? new Arena();
  const collector = new Collector(arena, {
    skipBadRows: options.skipBadRows ?? 0,
    keepBlocks: false,
  });
  async function* blocks() {
    const slot = openSlot(arena);
    try {
      const converted = blockFileOf(source);
      const target = { arena, blockArena: slot, collector, threads: 1 };
      if (converted !== null) yield* blocksOfFile(converted, options, collector);
      else yield* readBlocks(source, await prepareReading(target, options));
    } finally {
      slot.close();
    }
  }
  return {
    [Symbol.asyncIterator]: blocks,
    summary: () => likeTraining(collector.finish(), options),
  };
}

/** A block file has row ids of its own, from 0. */
function refuseBlockFileAmongOthers(source: DataSource): void {
  if (typeof source === "string" || isInMemory(source)) return;
  const names = source as readonly string[];
  const file = names.find(isBlockFile);
  if (file === undefined) return;
  throw new InputError({
    code: "unreadable-file",
    file,
    found: `a block file among ${names.length} sources`,
    expected: "a block file alone",
    hint: "convert all sources together into one: glissade convert FILES -o all.blocks",
  });
}

/** The name of the block file that the source is, or null. */
function blockFileOf(source: DataSource): string | null {
  const name = Array.isArray(source) && source.length === 1 ? source[0] : source;
  return typeof name === "string" && isBlockFile(name) ? name : null;
}

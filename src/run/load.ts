/** From any source to a data set in an arena, or to one block after the other. */
import type { Block } from "../data/block.ts";
import { type BlockSource, residentBlocks } from "../data/block-source.ts";
import { type Collected, Collector } from "../data/collector.ts";
import type { Dataset } from "../data/dataset.ts";
import { InputError } from "../data/input-error.ts";
import { openSlot } from "../data/slot.ts";
import { Arena } from "../kernels/arena.ts";
import { loadKernels } from "../kernels/loader.ts";
import { kernelParser } from "../kernels/parser.ts";
import { Fingerprint } from "./loading/fingerprint.ts";
import {
  type DataSource,
  isInMemory,
  type LoadOptions,
  parseOptions,
  topicChoice,
} from "./loading/options.ts";
import { type Reading, readBlocks } from "./loading/read.ts";
import { loadTopics } from "./loading/topics.ts";
import { usableCores } from "./machine.ts";

/** More threads than this wait for memory more than they parse. */
const threadsMax = 16;

export type { DataSource, LoadOptions } from "./loading/options.ts";

/** A data set whose blocks live in an arena: a block's byteOffset is its address for the kernels. */
export interface LoadedDataset extends Dataset {
  readonly arena: Arena;
  /** The blocks as a run asks for them: in memory, or read from a block file again and again. */
  readonly source: BlockSource;
  /** Entries dropped because their id is not below the width of `like`. */
  readonly unseenIds: number;
}

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
  const arena = options.arena ?? new Arena();
  const collector = new Collector(arena, {
    skipBadRows: options.skipBadRows ?? 0,
    keepBlocks: true,
  });
  const threads = options.threads ?? Math.min(usableCores().count, threadsMax);
  const reading = await prepare({ arena, blockArena: arena, collector, threads }, options);
  try {
    for await (const _ of readBlocks(source, reading));
    checkNotEmpty(source, collector.finish());
  } catch (error) {
    collector.release();
    throw arenaFull(error, source);
  }
  const collected = likeTraining(collector.finish(), options);
  return {
    ...collected,
    arena,
    source: residentBlocks(collected.blocks),
    fingerprint: reading.fingerprint.digest(),
    loadSeconds: (performance.now() - started) / 1000,
  };
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
      const target = { arena, blockArena: slot, collector, threads: 1 };
      yield* readBlocks(source, await prepare(target, options));
    } finally {
      slot.close();
    }
  }
  return {
    [Symbol.asyncIterator]: blocks,
    summary: () => likeTraining(collector.finish(), options),
  };
}

async function prepare(
  target: Pick<Reading, "arena" | "blockArena" | "collector" | "threads">,
  options: LoadOptions,
): Promise<Reading> {
  const choice = topicChoice(options);
  return {
    ...target,
    parser: kernelParser(target.arena, loadKernels(target.arena)),
    parsing: parseOptions(options),
    topics: choice && (await loadTopics(choice)),
    fingerprint: new Fingerprint(),
    options,
  };
}

/** Blocks live in one memory of 4 GiB: the words for data that does not fit. */
function arenaFull(error: unknown, source: DataSource): unknown {
  if (!(error instanceof RangeError && error.message.startsWith("Cannot allocate"))) return error;
  return new InputError({
    code: "too-large",
    file: isInMemory(source) ? "rows" : String(source),
    found: "more than 4 GiB of rows",
    expected: "data that fits into the 4 GiB of one WebAssembly memory",
    hint: "train on fewer files",
  });
}

/** Width, index base and labels are those of the training data where that is given. */
function likeTraining(collected: Collected, { like, indexBase }: LoadOptions): Collected {
  return {
    ...collected,
    width: like?.width ?? collected.width,
    indexBase: indexBase ?? like?.indexBase ?? collected.indexBase,
    labels: like?.labels ?? collected.labels,
  };
}

function checkNotEmpty(source: DataSource, { rows, sources, skippedRows }: Collected): void {
  if (rows > 0) return;
  const file = sources.length === 1 || isInMemory(source) ? sources[0]?.name : String(source);
  const empty = sources.every(({ bytes }) => bytes === 0);
  throw new InputError({
    code: "empty-input",
    file: file ?? "input",
    found: skippedRows > 0 ? `only bad rows (${skippedRows})` : empty ? "nothing" : "no rows",
    expected: "at least one row",
    hint: "check that this is the right file and that it was written completely",
  });
}

import { parseChunk } from "../data/chunk.ts";
import { Collector } from "../data/collector.ts";
import { cutChunks, LongLine } from "../data/cutter.ts";
import type { Dataset, LabelSet } from "../data/dataset.ts";
import type { ParseOptions, TextParser } from "../data/parser.ts";
import { Arena } from "../kernels/arena.ts";
import { loadKernels } from "../kernels/loader.ts";
import { kernelParser } from "../kernels/parser.ts";
import { type OpenSource, openSource } from "./loading/open.ts";

/** What to read: names of files, folders or patterns, or "-" for standard input. */
export type DataSource = string | readonly string[];

export interface LoadOptions {
  /** Where the blocks go; several data sets may share one arena. A new one by default. */
  readonly arena?: Arena;
  /** What the ids count from; by default 0 when id 0 occurs, else 1. */
  readonly indexBase?: 0 | 1;
  /** Bad rows to count and pass over before giving up. */
  readonly skipBadRows?: number;
  /** The data set that a model was trained on: ids it never saw are dropped and counted. */
  readonly like?: { readonly width: number; readonly indexBase: 0 | 1; readonly labels?: LabelSet };
  readonly format?: "auto" | "svmlight" | "lyrl";
  /** optional: rows may come without a label, which is then NaN. */
  readonly labels?: "required" | "optional";
  /** Called with bytes taken from the sources so far, and in all (undefined for streams). */
  readonly onProgress?: (bytes: number, totalBytes: number | undefined) => void;
  readonly signal?: AbortSignal;
}

/** A data set whose blocks live in an arena: a block's byteOffset is its address for the kernels. */
export interface LoadedDataset extends Dataset {
  readonly arena: Arena;
  /** Entries dropped because their id is not below the width of `like`. */
  readonly unseenIds: number;
}

/**
 * Reads a data set into blocks.
 * @throws InputError for anything that is wrong with the input.
 */
export async function loadDataset(
  source: DataSource,
  options: LoadOptions = {},
): Promise<LoadedDataset> {
  const started = performance.now();
  const arena = options.arena ?? new Arena();
  const parser = kernelParser(arena, loadKernels(arena));
  const collector = new Collector(arena, { skipBadRows: options.skipBadRows ?? 0 });
  const names = typeof source === "string" ? [source] : source;
  try {
    for (const name of names) await readSource(name, { arena, parser, collector, options });
  } catch (error) {
    collector.release();
    throw error;
  }
  const collected = collector.finish();
  return {
    ...collected,
    width: options.like?.width ?? collected.width,
    indexBase: options.indexBase ?? options.like?.indexBase ?? collected.indexBase,
    arena,
    fingerprint: "",
    loadSeconds: (performance.now() - started) / 1000,
  };
}

interface Reading {
  readonly arena: Arena;
  readonly parser: TextParser;
  readonly collector: Collector;
  readonly options: LoadOptions;
}

async function readSource(name: string, reading: Reading): Promise<void> {
  const source = await openSource(name);
  reading.collector.openSource(source.name);
  try {
    await readChunks(source, reading);
    await source.checkUnchanged();
    reading.collector.closeSource(source.bytesRead());
  } finally {
    await source.close();
  }
}

async function readChunks(source: OpenSource, reading: Reading): Promise<void> {
  const { arena, parser, collector, options } = reading;
  const parsing = parseOptions(options);
  try {
    for await (const text of cutChunks(arena, source)) {
      options.signal?.throwIfAborted();
      collector.absorb(parseChunk(arena, parser, text, parsing));
      options.onProgress?.(source.bytesRead(), source.size);
    }
  } catch (error) {
    throw error instanceof LongLine ? collector.longLine(error.linesBefore) : error;
  }
}

function parseOptions(options: LoadOptions): ParseOptions {
  return {
    format: "svmlight",
    labels: options.labels ?? "required",
    widthLimit: options.like?.width ?? 2 ** 28,
    badRowsMax: options.skipBadRows ?? 0,
  };
}

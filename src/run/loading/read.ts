/** The one way from any source to blocks: open, cut, parse, collect, in order. */
import type { Block } from "../../data/block.ts";
import { type ParsedChunk, parseChunk } from "../../data/chunk.ts";
import type { Collector } from "../../data/collector.ts";
import { cutChunks, LongLine } from "../../data/cutter.ts";
import { InputError } from "../../data/input-error.ts";
import type { BlockArena, ParseOptions, TextParser } from "../../data/parser.ts";
import { syntheticPrefix, syntheticRows } from "../../data/synthetic.ts";
import { labelByTopic, type TopicLabels } from "../../data/topics.ts";
import type { Arena } from "../../kernels/arena.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { resolveNames } from "./names.ts";
import { type OpenSource, openSource } from "./open.ts";
import { type DataSource, isInMemory, type LoadOptions } from "./options.ts";
import { planReading } from "./plan.ts";
import { readMemory, readRows } from "./rows-source.ts";
import { readTogether } from "./together.ts";

/** What reading needs. */
export interface Reading {
  readonly arena: Arena;
  /** Where blocks go: the arena, or a slot in it when they are used one by one. */
  readonly blockArena: BlockArena;
  readonly parser: TextParser;
  readonly parsing: ParseOptions;
  readonly collector: Collector;
  readonly topics: TopicLabels | undefined;
  readonly fingerprint: Fingerprint;
  /** Threads that may parse at the same time; 1 when blocks are used one by one. */
  readonly threads: number;
  readonly options: LoadOptions;
}

/**
 * The blocks of a source, in order, as they are parsed.
 * @throws InputError, or the signal's reason whatever went wrong because of it.
 */
export async function* readBlocks(source: DataSource, reading: Reading): AsyncGenerator<Block> {
  try {
    yield* readSource(source, reading);
  } catch (error) {
    reading.options.signal?.throwIfAborted();
    throw error;
  }
}

async function* readSource(source: DataSource, reading: Reading): AsyncGenerator<Block> {
  if (isInMemory(source)) {
    yield* readMemory(source, reading);
    return;
  }
  const names = await resolveNames(typeof source === "string" ? [source] : (source as string[]));
  const plan = await planReading(names, reading);
  for (const step of plan.steps) {
    if (step.kind === "together") {
      yield* readTogether(step.files, reading, plan.progress);
    } else {
      yield* step.name.startsWith(syntheticPrefix)
        ? readRows(step.name, syntheticRows(step.name), reading)
        : readAlone(step.name, reading, plan.progress);
    }
  }
}

/** One source from its start to its end, in this thread. */
async function* readAlone(
  name: string,
  reading: Reading,
  progress: (bytes: number) => void,
): AsyncGenerator<Block> {
  const { threads, options } = reading;
  const source = await openSource(name, {
    ...{ signal: options.signal, threads, growthMax: options.growthMax },
  });
  reading.collector.openSource(source.name);
  let told = 0;
  try {
    for await (const chunk of parsedChunks(source, reading)) {
      const block = absorb(chunk, source.name, reading);
      if (block) yield block;
      progress(source.bytesRead() - told);
      told = source.bytesRead();
    }
    await source.checkUnchanged();
    if (source.sampled) reading.fingerprint.addText(source.sampled());
    else await reading.fingerprint.addFile(name, reading.options.verify === true);
    reading.collector.closeSource(source.bytesRead());
  } catch (error) {
    // A file that changed explains any error: half a row, a broken checksum.
    if (error instanceof InputError) await source.checkUnchanged();
    throw error;
  } finally {
    await source.close();
  }
}

async function* parsedChunks(source: OpenSource, reading: Reading): AsyncGenerator<ParsedChunk> {
  const { arena, blockArena, parser, parsing, collector, options } = reading;
  try {
    for await (const text of cutChunks(arena, source)) {
      options.signal?.throwIfAborted();
      yield parseChunk(blockArena, parser, text, parsing);
    }
  } catch (error) {
    throw error instanceof LongLine ? collector.longLine(error.linesBefore) : error;
  }
}

/** Takes the next chunk of the open source into the data set; its labels are final then. */
export function absorb(chunk: ParsedChunk, source: string, reading: Reading): Block | undefined {
  const { collector, topics, parsing, options } = reading;
  const block = collector.absorb(chunk);
  if (block && topics) {
    labelByTopic(block, topics, source);
    collector.absorbLabels(new Set(block.label), false);
  } else if (block && parsing.format === "lyrl") {
    block.label.fill(Number.NaN);
  } else {
    checkLabels(chunk, source, options);
  }
  return block;
}

/** Data for a classifier may have no label that the training data had not. */
function checkLabels({ report }: ParsedChunk, source: string, { like }: LoadOptions): void {
  if (like?.labels?.kind !== "binary") return;
  const { negative, positive } = like.labels;
  const other = report.labels.find((label) => label !== negative && label !== positive);
  if (other === undefined) return;
  throw new InputError({
    code: "bad-labels",
    file: source,
    found: `label ${other}`,
    expected: `the labels of the training data, ${negative} and ${positive}`,
    hint: "write the labels as they were in training",
  });
}

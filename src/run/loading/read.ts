/** The one way from any source to blocks: open, cut, parse, collect, in order. */
import type { Block } from "../../data/block.ts";
import { type ParsedChunk, parseChunk } from "../../data/chunk.ts";
import type { Collector } from "../../data/collector.ts";
import { cutChunks, LongLine } from "../../data/cutter.ts";
import { InputError } from "../../data/input-error.ts";
import type { BlockArena, ParseOptions, TextParser } from "../../data/parser.ts";
import {
  badRow,
  type CsrArrays,
  memorySourceName,
  type Row,
  RowPacker,
  rowsOfCsr,
} from "../../data/rows.ts";
import { syntheticPrefix, syntheticRows } from "../../data/synthetic.ts";
import { labelByTopic, type TopicLabels } from "../../data/topics.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { resolveNames } from "./names.ts";
import { type OpenSource, openSource } from "./open.ts";
import { type DataSource, isInMemory, type LoadOptions } from "./options.ts";

/** What reading needs; text and blocks may live in different parts of one arena. */
export interface Reading {
  readonly textArena: BlockArena;
  readonly blockArena: BlockArena;
  readonly parser: TextParser;
  readonly parsing: ParseOptions;
  readonly collector: Collector;
  readonly topics: TopicLabels | undefined;
  readonly fingerprint: Fingerprint;
  readonly options: LoadOptions;
}

/** The blocks of a source, in order, as they are parsed. */
export async function* readBlocks(source: DataSource, reading: Reading): AsyncGenerator<Block> {
  if (isInMemory(source)) {
    yield* readRows(memorySourceName, rowsOf(source), reading);
    return;
  }
  const names = await resolveNames(typeof source === "string" ? [source] : (source as string[]));
  for (const name of names) {
    yield* name.startsWith(syntheticPrefix)
      ? readRows(name, syntheticRows(name), reading)
      : readFile(name, reading);
  }
}

async function* readFile(name: string, reading: Reading): AsyncGenerator<Block> {
  const source = await openSource(name);
  reading.collector.openSource(source.name);
  try {
    for await (const chunk of parsedChunks(source, reading)) {
      const block = absorb(chunk, source.name, reading);
      if (block) yield block;
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
  const { textArena, blockArena, parser, parsing, collector, options } = reading;
  try {
    for await (const text of cutChunks(textArena, source)) {
      options.signal?.throwIfAborted();
      yield parseChunk(blockArena, parser, text, parsing);
      options.onProgress?.(source.bytesRead(), source.size);
    }
  } catch (error) {
    throw error instanceof LongLine ? collector.longLine(error.linesBefore) : error;
  }
}

async function* readRows(
  name: string,
  rows: Iterable<Row> | AsyncIterable<Row>,
  reading: Reading,
): AsyncGenerator<Block> {
  const { collector, blockArena, parsing, fingerprint, options } = reading;
  const packer = new RowPacker(blockArena, parsing);
  collector.openSource(name);
  let bytes = 0;
  function take(chunk: ParsedChunk | undefined): Block | undefined {
    options.signal?.throwIfAborted();
    const block = chunk && collector.absorb(chunk);
    if (!block) return undefined;
    bytes += block.byteLength;
    fingerprint.addBlock(block);
    return block;
  }
  for await (const row of rows) {
    const block = take(packer.add(row));
    if (block) yield block;
  }
  const last = take(packer.flush());
  if (last) yield last;
  collector.closeSource(bytes);
}

function rowsOf(
  source: CsrArrays | Iterable<Row> | AsyncIterable<Row>,
): Iterable<Row> | AsyncIterable<Row> {
  if ("rowStart" in source) return rowsOfCsr(source);
  if (Symbol.asyncIterator in source || Symbol.iterator in source) return source;
  throw badRow(0, "a value that is no list of rows", "file names, CSR arrays or rows");
}

function absorb(chunk: ParsedChunk, source: string, reading: Reading): Block | undefined {
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

/** A block file as a data set: all of it in memory, or read block by block whenever it is needed. */
import { type Block, viewBlock } from "../../data/block.ts";
import { type BlockSource, residentBlocks } from "../../data/block-source.ts";
import { clipBlock } from "../../data/clip.ts";
import type { Collector } from "../../data/collector.ts";
import type { Dataset } from "../../data/dataset.ts";
import { InputError } from "../../data/input-error.ts";
import { Arena } from "../../kernels/arena.ts";
import { type BlockFile, damagedBlocks, openBlockFile } from "./block-open.ts";
import { BlockLoad, plainReader } from "./block-reader.ts";
import { slotBytes, slotSource } from "./block-slots.ts";
import { type LoadOptions, topicChoice } from "./options.ts";
import { readAhead } from "./read-ahead.ts";

/** Fewer bytes are read before another thread has started. */
const togetherBytesMin = 48 * 2 ** 20;

/** What a block file becomes. */
export interface BlockFileDataset extends Dataset {
  readonly arena: Arena;
  readonly source: BlockSource;
  readonly cache: null;
  readonly file: { readonly path: string; readonly manifestChecksum: string };
  readonly unseenIds: number;
}

/** Two windows of a shuffled epoch. More would be memory to touch for the first time, and nothing gained. */
const slots = 16;

/** @throws InputError when the file is damaged or does not fit what it is to be used with. */
export function loadBlockFile(path: string, options: LoadOptions): BlockFileDataset {
  const started = performance.now();
  const arena = options.arena ?? new Arena();
  const file = openBlockFile(arena, path);
  try {
    checkUse(file, options);
    const { manifest, manifestChecksum } = file;
    const { blocks, source, unseenIds } = isStreamed(file, options)
      ? { blocks: [], source: openSlots(arena, file), unseenIds: 0 }
      : readAll(arena, file, options);
    const { rows, nonZeros, fingerprint, sources, skippedRows } = manifest;
    return {
      blocks,
      source,
      arena,
      cache: null,
      file: { path, manifestChecksum },
      unseenIds,
      rows,
      nonZeros: nonZeros - unseenIds,
      width: options.like?.width ?? manifest.width,
      indexBase: options.indexBase ?? options.like?.indexBase ?? manifest.indexBase,
      labels: options.like?.labels ?? manifest.labels,
      sources,
      skippedRows,
      fingerprint,
      loadSeconds: (performance.now() - started) / 1000,
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The blocks of a file one by one, in one place of memory. */
export function* blocksOfFile(
  path: string,
  options: LoadOptions,
  collector: Collector,
): Generator<Block> {
  const arena = options.arena ?? new Arena();
  const file = openBlockFile(arena, path);
  const byteLength = slotBytes(file);
  const address = arena.allocate(byteLength);
  try {
    checkUse(file, options);
    const load = new BlockLoad(arena, file.descriptor, new Uint8Array(file.manifest.blocks.length));
    let unseenIds = 0;
    for (const number of file.manifest.blocks.keys()) {
      options.signal?.throwIfAborted();
      const { block, dropped } = readBlock(file, load, { number, address, arena, options });
      unseenIds += dropped;
      yield block;
    }
    const { manifest } = file;
    collector.adopt({ ...manifest, nonZeros: manifest.nonZeros - unseenIds, unseenIds });
  } finally {
    arena.release(address, byteLength);
    file.close();
  }
}

/** Only what does not fit: one copy for all passes takes less time than a copy a pass. */
function isStreamed({ manifest }: BlockFile, options: LoadOptions): boolean {
  const { residence, like, memoryBytes = Number.POSITIVE_INFINITY } = options;
  return residence === "auto" && like === undefined && sizeOf(manifest.blocks) > memoryBytes;
}

function sizeOf(blocks: readonly { readonly byteLength: number }[]): number {
  return blocks.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function openSlots(arena: Arena, file: BlockFile): BlockSource {
  const { blocks } = file.manifest;
  // What fits the slots is read once: nothing to read ahead of.
  const open = blocks.length > slots ? readAhead : plainReader;
  return slotSource(arena, file, open(arena, file.descriptor, blocks), slots);
}

/** All blocks at once, by two threads where that is worth starting one. */
function readAll(arena: Arena, file: BlockFile, options: LoadOptions) {
  const places = file.manifest.blocks;
  const addresses = places.map(({ byteLength }) => arena.allocate(byteLength));
  const open = sizeOf(places) >= togetherBytesMin ? readAhead : plainReader;
  const reader = open(arena, file.descriptor, places);
  try {
    reader.begin(addresses.map((address, number) => ({ number, address })));
    let unseenIds = 0;
    const blocks = addresses.map((address, number) => {
      options.signal?.throwIfAborted();
      const problem = reader.wait(number);
      if (problem !== null) throw damagedBlocks(file.path, `block ${number}: ${problem}`);
      const { block, dropped } = clippedAt(arena, address, options);
      unseenIds += dropped;
      return block;
    });
    reader.close();
    file.close();
    return { blocks, source: residentBlocks(blocks), unseenIds };
  } catch (error) {
    reader.close();
    for (const [k, address] of addresses.entries()) arena.release(address, places[k]!.byteLength);
    throw error;
  }
}

function readBlock(
  file: BlockFile,
  load: BlockLoad,
  where: { number: number; address: number; arena: Arena; options: LoadOptions },
) {
  const { number, address, arena, options } = where;
  const problem = load.read(number, file.manifest.blocks[number]!, address);
  if (problem !== null) throw damagedBlocks(file.path, `block ${number}: ${problem}`);
  return clippedAt(arena, address, options);
}

function clippedAt(arena: Arena, address: number, { like }: LoadOptions) {
  return clipBlock(viewBlock(arena.buffer, address), like?.width ?? Number.POSITIVE_INFINITY);
}

function checkUse({ path, manifest }: BlockFile, options: LoadOptions): void {
  if (topicChoice(options) !== undefined) {
    throw new InputError({
      code: "bad-topics",
      file: path,
      found: "--topics for a block file",
      expected: "rows whose labels are not decided yet",
      hint: "leave --topics and --topic away, or convert the rows again with them",
    });
  }
  const known = options.like?.labels;
  if (known?.kind !== "binary" || options.labels === "optional") return;
  const { labels } = manifest;
  const found =
    labels.kind === "binary"
      ? [labels.negative, labels.positive]
      : labels.kind === "single"
        ? [labels.label]
        : labels.examples;
  const other = found.find((label) => label !== known.negative && label !== known.positive);
  if (other === undefined) return;
  throw new InputError({
    code: "bad-labels",
    file: path,
    found: `label ${other}`,
    expected: `the labels of the training data, ${known.negative} and ${known.positive}`,
    hint: "write the labels as they were in training",
  });
}

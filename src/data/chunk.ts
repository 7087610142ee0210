import {
  type Block,
  type BlockShape,
  blockByteLength,
  blockLayout,
  createBlock,
  viewBlock,
} from "./block.ts";
import { describeFault, type FaultNote } from "./fault.ts";
import type { BlockArena, ParseOptions, ParseReport, TextParser, TextRange } from "./parser.ts";

/**
 * Text is cut at fixed places: chunk k holds the lines that start in [k * chunkBytes, (k + 1) * chunkBytes)
 * of the decompressed text. So blocks are the same whatever the threads, the memory or the compression.
 */
export const chunkBytes = 8 * 2 ** 20;

/** Longest line that is accepted. */
export const lineBytesMax = 64 * 2 ** 20;

/** One chunk after parsing. Plain data, so a thread can send it to another that shares the arena. */
export interface ParsedChunk {
  /** Address of the chunk's block in the arena; undefined when it has no rows. */
  readonly blockAt: number | undefined;
  readonly blockBytes: number;
  /** What the block was given beyond that; whoever takes the chunk gives it back to the arena. */
  readonly spare: TextRange;
  readonly report: Omit<ParseReport, "faults">;
  readonly newlines: number;
  readonly faults: readonly FaultNote[];
}

/**
 * Parses one chunk into a block of exactly its size. The block is laid out for the upper bounds that
 * counting gives, which are exact for text without comments, so that its memory is written once;
 * otherwise the columns move together afterwards.
 */
export function parseChunk(
  arena: BlockArena,
  parser: TextParser,
  text: TextRange,
  options: ParseOptions,
): ParsedChunk {
  const ended = endWithLineFeed(arena, text);
  const { newlines, colons } = parser.count(ended);
  const bound = { rows: newlines, nonZeros: colons };
  const address = arena.allocate(blockByteLength(bound));
  const block = createBlock(arena.buffer, address, { ...bound, width: 0, rowIdBase: 0 });
  const { faults, ...report } = parser.parse(ended, block, options);
  const bytes = new Uint8Array(arena.buffer, text.address, ended.byteLength);
  const notes = faults.map((fault) => describeFault(bytes, fault));
  return { ...fitBlock(block, report), report, newlines, faults: notes };
}

/** The view of a parsed chunk's block. */
export function blockOfChunk(arena: BlockArena, { blockAt }: ParsedChunk): Block | undefined {
  return blockAt === undefined ? undefined : viewBlock(arena.buffer, blockAt);
}

/** Gives back the blocks of chunks that are not used. */
export function releaseChunks(
  arena: BlockArena,
  chunks: readonly Pick<ParsedChunk, "blockAt" | "blockBytes">[],
): void {
  for (const { blockAt, blockBytes } of chunks) {
    if (blockAt !== undefined) arena.release(blockAt, blockBytes);
  }
}

/** Gives back what a chunk has beyond its block. */
export function releaseSpare(arena: BlockArena, { spare }: ParsedChunk): void {
  if (spare.byteLength > 0) arena.release(spare.address, spare.byteLength);
}

function endWithLineFeed(arena: BlockArena, { address, byteLength }: TextRange): TextRange {
  const bytes = new Uint8Array(arena.buffer, address, byteLength + 1);
  if (byteLength === 0 || bytes[byteLength - 1] === 10) return { address, byteLength };
  bytes[byteLength] = 10;
  return { address, byteLength: byteLength + 1 };
}

/** Moves the columns of a block that has fewer rows or entries than its layout; the rest is spare. */
function fitBlock(block: Block, report: Pick<ParseReport, "rows" | "nonZeros" | "width">) {
  const { rows, nonZeros, width } = report;
  const { byteOffset: address } = block;
  const given = roundUp(block.byteLength);
  if (rows === 0) {
    return { blockAt: undefined, blockBytes: 0, spare: { address, byteLength: given } };
  }
  if (rows !== block.rows || nonZeros !== block.nonZeros) moveColumns(block, { rows, nonZeros });
  const shape = { rows, nonZeros, width, rowIdBase: 0 };
  const { byteLength: blockBytes } = createBlock(block.buffer, address, shape);
  const kept = roundUp(blockBytes);
  const spare = { address: address + kept, byteLength: given - kept };
  return { blockAt: address, blockBytes, spare };
}

/** All move towards the start, so in this order none runs over one that has not moved yet. */
function moveColumns(block: Block, { rows, nonZeros }: BlockShape): void {
  const layout = blockLayout({ rows, nonZeros });
  const bytes = new Uint8Array(block.buffer, block.byteOffset, block.byteLength);
  const moves = [
    [block.index, layout.index, nonZeros],
    [block.value, layout.value, nonZeros],
    [block.label, layout.label, rows],
    [block.rowId, layout.rowId, rows],
  ] as const;
  for (const [column, to, length] of moves) {
    const from = column.byteOffset - block.byteOffset;
    bytes.copyWithin(to, from, from + 4 * length);
  }
}

/** Arenas give out multiples of a cache line. */
function roundUp(byteLength: number): number {
  return Math.ceil(byteLength / 64) * 64;
}

import { type Block, blockByteLength, blockLayout, createBlock, viewBlock } from "./block.ts";
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
  fitBlock(arena, block, report);
  return { blockAt: report.rows > 0 ? address : undefined, report, newlines, faults: notes };
}

/** The view of a parsed chunk's block. */
export function blockOfChunk(arena: BlockArena, { blockAt }: ParsedChunk): Block | undefined {
  return blockAt === undefined ? undefined : viewBlock(arena.buffer, blockAt);
}

function endWithLineFeed(arena: BlockArena, { address, byteLength }: TextRange): TextRange {
  const bytes = new Uint8Array(arena.buffer, address, byteLength + 1);
  if (byteLength === 0 || bytes[byteLength - 1] === 10) return { address, byteLength };
  bytes[byteLength] = 10;
  return { address, byteLength: byteLength + 1 };
}

/** Moves the columns of a block that has fewer rows or entries than its layout, and gives back the rest. */
function fitBlock(arena: BlockArena, block: Block, report: Omit<ParseReport, "faults">): void {
  const { rows, nonZeros, width } = report;
  const layout = blockLayout({ rows, nonZeros });
  const kept = rows > 0 ? Math.ceil(layout.byteLength / 64) * 64 : 0;
  if (rows > 0 && (rows !== block.rows || nonZeros !== block.nonZeros)) {
    const bytes = new Uint8Array(block.buffer, block.byteOffset, block.byteLength);
    const move = (from: Uint32Array | Float32Array, to: number, length: number) =>
      bytes.copyWithin(
        to,
        from.byteOffset - block.byteOffset,
        from.byteOffset - block.byteOffset + 4 * length,
      );
    move(block.index, layout.index, nonZeros);
    move(block.value, layout.value, nonZeros);
    move(block.label, layout.label, rows);
    move(block.rowId, layout.rowId, rows);
  }
  if (rows > 0)
    createBlock(block.buffer, block.byteOffset, { rows, nonZeros, width, rowIdBase: 0 });
  const given = Math.ceil(block.byteLength / 64) * 64;
  if (kept < given) arena.release(block.byteOffset + kept, given - kept);
}

import { chunkBytes, lineBytesMax } from "./chunk.ts";
import { type BlockArena, type TextRange, textPaddingBytes } from "./parser.ts";

/** Text that is read piece by piece, from its start; decompressed where that is needed. */
export interface TextReader {
  /** Fills the start of `into` and says how many bytes it wrote: 0 at the end of the text. */
  read(into: Uint8Array): number | Promise<number>;
}

/** How far to read beyond a cut before looking for the end of the line there. */
const overlapBytes = 64 * 1024;
const lineFeed = 10;

/** A line over lineBytesMax; its number is counted from the first line of the text that was being cut. */
export class LongLine extends Error {
  readonly linesBefore: number;
  constructor(linesBefore: number) {
    super("A line is too long");
    this.linesBefore = linesBefore;
  }
}

/**
 * Cuts a text at the fixed places that chunk.ts describes. The text of a chunk stays where it is until
 * the next one is asked for: one buffer serves all.
 * @throws LongLine when a line is longer than a buffer may become.
 */
export async function* cutChunks(
  arena: BlockArena,
  reader: TextReader,
  bytesPerChunk: number = chunkBytes,
): AsyncGenerator<TextRange> {
  let buffer = openBuffer(arena, bytesPerChunk + overlapBytes);
  let start = 0; // where in the text the buffer starts: always a line's start
  let filled = 0;
  let ended = false;
  try {
    for (;;) {
      const cut = (Math.floor(start / bytesPerChunk) + 1) * bytesPerChunk - start;
      let end = findCut(arena, buffer, filled, cut);
      while (end === undefined && !ended) {
        if (filled === buffer.byteLength) buffer = growBuffer(arena, buffer, filled, cut);
        const room = viewOf(arena, buffer).subarray(filled);
        const count = await reader.read(room);
        if (count === 0) ended = true;
        const searched = Math.max(filled, cut - 1);
        filled += count;
        end = findCut(arena, buffer, filled, searched + 1);
      }
      end ??= filled;
      if (end === 0) return;
      if (start === 0) blankByteOrderMark(viewOf(arena, buffer));
      yield { address: buffer.address, byteLength: end };
      viewOf(arena, buffer).copyWithin(0, end, filled);
      start += end;
      filled -= end;
    }
  } finally {
    arena.release(buffer.address, buffer.byteLength + textPaddingBytes);
  }
}

/** Editors of some systems put these three bytes before the first line of a text. */
export function blankByteOrderMark(text: Uint8Array): void {
  if (text[0] === 0xef && text[1] === 0xbb && text[2] === 0xbf) text.fill(0x20, 0, 3);
}

function openBuffer(arena: BlockArena, byteLength: number): TextRange {
  return { address: arena.allocate(byteLength + textPaddingBytes), byteLength };
}

function growBuffer(arena: BlockArena, old: TextRange, filled: number, cut: number): TextRange {
  const bytes = viewOf(arena, old).subarray(0, filled);
  const lineStart = bytes.subarray(0, cut).lastIndexOf(lineFeed) + 1;
  if (filled - lineStart > lineBytesMax) {
    throw new LongLine(bytes.subarray(0, lineStart).filter((byte) => byte === lineFeed).length);
  }
  const next = openBuffer(arena, 2 * old.byteLength);
  viewOf(arena, next).set(viewOf(arena, old).subarray(0, filled));
  arena.release(old.address, old.byteLength + textPaddingBytes);
  return next;
}

/** The end of the first line that ends at or after the cut, if it is in the buffer. */
function findCut(arena: BlockArena, buffer: TextRange, filled: number, cut: number) {
  if (filled < cut) return undefined;
  const at = viewOf(arena, buffer)
    .subarray(0, filled)
    .indexOf(lineFeed, cut - 1);
  return at < 0 ? undefined : at + 1;
}

function viewOf(arena: BlockArena, { address, byteLength }: TextRange): Uint8Array {
  return new Uint8Array(arena.buffer, address, byteLength);
}

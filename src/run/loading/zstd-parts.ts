/**
 * Concatenated zstd frames (pzstd, the seekable format) decompressed at the same time. A frame's head and
 * those of its blocks say how long they are, so where frames end is known without decompressing.
 */
import { readSync } from "node:fs";
import { decodeInOrder, type Part, PartFailure, type PartReading, partBytes } from "./parts.ts";
import { blockShape, frameMagic, headerShape, isSkippable, littleEndian } from "./zstd.ts";

type Pieces = AsyncIterable<Uint8Array>;

/**
 * The text of all frames, in order. A part is longer where a frame is.
 * @param decode all frames of one part.
 */
export async function* unzstdParts(
  descriptor: number,
  size: number,
  decode: (pieces: Pieces) => Pieces,
  { open, atOnce, bytesPerPart = partBytes }: PartReading,
): AsyncGenerator<Uint8Array> {
  try {
    const parts = zstdParts(descriptor, size, bytesPerPart);
    yield* decodeInOrder(parts, (part) => decode(open(part)), atOnce);
  } catch (error) {
    if (!(error instanceof PartFailure)) throw error;
    const { message } = error.cause as Error;
    throw new Error(`${message}, in the frames from byte ${error.part.start} on`, {
      cause: error.cause,
    });
  }
}

/** Whole frames that make up about `bytesPerPart`; what is no frame goes with the rest of the file. */
async function* zstdParts(
  descriptor: number,
  size: number,
  bytesPerPart: number,
): AsyncGenerator<Part> {
  for (let start = 0; start < size; ) {
    let end = start;
    while (end < size && end - start < bytesPerPart) {
      end = frameEnd(descriptor, end) ?? size;
    }
    yield { start, end: Math.min(end, size) };
    start = end;
  }
}

/** Where the frame that starts at `start` ends; undefined when none starts there or the file ends before. */
function frameEnd(descriptor: number, start: number): number | undefined {
  const head = readAt(descriptor, start, 8);
  if (head.length < 8) return undefined;
  const magic = littleEndian(head.subarray(0, 4));
  if (isSkippable(magic)) return start + 8 + littleEndian(head.subarray(4));
  if (magic !== frameMagic) return undefined;
  const { restBytes, hasChecksum } = headerShape(head[4]!);
  let at = start + 5 + restBytes;
  for (;;) {
    const blockHead = readAt(descriptor, at, 3);
    if (blockHead.length < 3) return undefined;
    const { bytes, last } = blockShape(blockHead);
    at += 3 + bytes;
    if (last) return at + (hasChecksum ? 4 : 0);
  }
}

function readAt(descriptor: number, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, readSync(descriptor, bytes, 0, length, position));
}

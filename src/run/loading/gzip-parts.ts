/**
 * Concatenated gzip members (bgzip, `cat a.gz b.gz`) decompressed at the same time. Where a member starts shows
 * only in what looks like its head, so a cut is a guess until the part before it has ended exactly there, its
 * checksums right. When one has not, everything from that part's start is read again as one stream.
 */
import type { FileHandle } from "node:fs/promises";
import { gunzip } from "./gunzip.ts";
import { decodeInOrder, type Part, PartFailure, type PartReading, partBytes } from "./parts.ts";

type Pieces = AsyncIterable<Uint8Array>;

/** Looked through for the start of the next member; behind it the rest is one part. */
const searchBytesMax = 8 * 2 ** 20;
const windowBytes = 256 * 1024;
const headBytes = 10;
const magic = Buffer.from([0x1f, 0x8b, 8]);

/** The text of all members, as `gunzip` gives it. A part is longer only where no member starts behind it. */
export async function* gunzipParts(
  file: FileHandle,
  size: number,
  { open, atOnce, bytesPerPart = partBytes }: PartReading,
): AsyncGenerator<Uint8Array> {
  async function* decode(part: Part): AsyncGenerator<Uint8Array> {
    const { start, end } = part;
    const consumed = yield* gunzip(open(part));
    if (end < size && consumed !== end - start) throw new Error("no member ends at the cut");
  }
  try {
    yield* decodeInOrder(gzipParts(file, size, bytesPerPart), decode, atOnce);
  } catch (error) {
    if (!(error instanceof PartFailure)) throw error;
    const { part, given } = error;
    if (part.end === size) throw error.cause;
    yield* without(gunzip(open({ start: part.start, end: size })), given);
  }
}

async function* gzipParts(
  file: FileHandle,
  size: number,
  bytesPerPart: number,
): AsyncGenerator<Part> {
  for (let start = 0; start < size; ) {
    const end = (await findMember(file, start + bytesPerPart)) ?? size;
    yield { start, end };
    start = end;
  }
}

/** The first place at or after `from` where a member may start. */
async function findMember(file: FileHandle, from: number): Promise<number | undefined> {
  const window = Buffer.alloc(windowBytes);
  for (let at = from; at < from + searchBytesMax; at += windowBytes - headBytes + 1) {
    const { bytesRead } = await file.read(window, 0, windowBytes, at);
    const bytes = window.subarray(0, bytesRead);
    for (let k = bytes.indexOf(magic); k >= 0; k = bytes.indexOf(magic, k + 1)) {
      if (k + headBytes <= bytesRead && mayBeHead(bytes, k)) return at + k;
    }
    if (bytesRead < windowBytes) return undefined;
  }
  return undefined;
}

/** Whether flags, level and system are among those that are written (RFC 1952, section 2.3). */
function mayBeHead(bytes: Uint8Array, at: number): boolean {
  const [flags, level, system] = [bytes[at + 3]!, bytes[at + 8]!, bytes[at + 9]!];
  return (
    flags < 32 && (level === 0 || level === 2 || level === 4) && (system < 14 || system === 255)
  );
}

async function* without(pieces: Pieces, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes;
  for await (const piece of pieces) {
    if (piece.length > left) yield piece.subarray(left);
    left = Math.max(0, left - piece.length);
  }
}

import type { FileHandle } from "node:fs/promises";
import * as zlib from "node:zlib";
import { InputError } from "../../data/input-error.ts";
import { buffering, gunzip, through } from "./gunzip.ts";
import { findDamage } from "./gzip-damage.ts";
import { gunzipParts } from "./gzip-parts.ts";
import { unreadableFile } from "./names.ts";
import type { Part, PartReading } from "./parts.ts";
import { UnzstdThreads } from "./unzstd-threads.ts";
import { unzstd } from "./zstd.ts";
import { unzstdParts } from "./zstd-parts.ts";

type Pieces = AsyncIterable<Uint8Array>;

export type Compression = "none" | "gzip" | "zstd";

const pieceBytes = 2 ** 20;
/** Below this, parts or a thread cost more than they save. */
const togetherBytesMin = 2 ** 20;
/** More parts than threads, so that Node's pool has work while those whose turn it is are taken. */
const spareParts = 2;

/** Rows compress to a tenth; a file that grows more than this many times was made to fill memory and disk. */
const growthUsual = 200;
/** Small files may be as repetitive as they like. */
const unboundedBytes = 2 ** 26;

/** The compression that a file's first bytes show; its name does not matter. */
export function compressionOf(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  const word = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.length < 4) return "none";
  const magic = word.getUint32(0, true);
  const skippable = magic >>> 4 === 0x184d2a5;
  return magic === 0xfd2fb528 || skippable ? "zstd" : "none";
}

/** The text of a compressed stream, piece by piece. Concatenated members or frames follow each other. */
export function decompressed(
  name: string,
  compression: Exclude<Compression, "none">,
  compressed: Pieces,
  growthMax?: number,
): AsyncGenerator<Uint8Array> {
  let read = 0;
  async function* counted() {
    for await (const piece of compressed) {
      read += piece.length;
      yield piece;
    }
  }
  const pieces = compression === "gzip" ? gunzip(counted()) : unzstdBeside(counted());
  return bounded(name, withDamageNamed(name, compression, pieces), {
    compressedBytes: () => read,
    growthMax,
  });
}

/** A compressed file, and how it may be read. */
export interface CompressedFile {
  readonly name: string;
  readonly file: FileHandle;
  readonly size: number;
  readonly compression: Exclude<Compression, "none">;
  /** Parts that may be decompressed at the same time, by threads beside this one. */
  readonly threads: number;
  /** Text may be so many times its size. */
  readonly growthMax?: number | undefined;
  /** Told the bytes that were read. */
  readonly onRead: (bytes: number) => void;
}

/** The text of a compressed file; its members or frames are decompressed at the same time where they can be. */
export function decompressedFile(source: CompressedFile): AsyncGenerator<Uint8Array> {
  const { name, file, size, compression, threads, growthMax } = source;
  const growth = { compressedBytes: () => size, growthMax };
  const alone = threads === 1 || size < togetherBytesMin;
  const open = (part: Part) => partOf(source, part);
  const whole = () => open({ start: 0, end: size });
  if (compression === "gzip") {
    const pieces = alone
      ? gunzip(whole())
      : gunzipParts(file, size, { open, atOnce: threads + spareParts });
    const named = withDamageNamed(name, compression, pieces, async () => {
      const member = await findDamage(file, size, open);
      return member && member.start > 0
        ? ` in member ${member.number}, which starts at byte ${member.start}`
        : "";
    });
    return bounded(name, named, growth);
  }
  const pieces = alone
    ? size < togetherBytesMin
      ? unzstd(whole(), builtInUnzstd())
      : unzstdBeside(whole())
    : unzstdTogether(source, open);
  return bounded(name, withDamageNamed(name, compression, pieces), growth);
}

/** Refuses text that is out of all proportion to what it was compressed to. */
async function* bounded(
  name: string,
  pieces: Pieces,
  {
    compressedBytes,
    growthMax = growthUsual,
  }: { readonly compressedBytes: () => number; readonly growthMax: number | undefined },
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (bytes > unboundedBytes && bytes > growthMax * compressedBytes()) {
      throw new InputError({
        code: "too-large",
        file: name,
        found: `more than ${bytes} bytes of text in ${compressedBytes()} bytes`,
        expected: `text of at most ${growthMax} times the size of the file`,
        hint: "decompress it by itself if it is what you want to read, or give --limits growth=N",
      });
    }
    yield piece;
  }
}

async function* partOf(
  { file, onRead }: CompressedFile,
  { start, end }: Part,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; ) {
    const length = Math.min(pieceBytes, end - at);
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    onRead(bytesRead);
    yield buffer.subarray(0, bytesRead);
  }
}

/** One stream of frames, decompressed beside this thread. */
async function* unzstdBeside(compressed: Pieces): AsyncGenerator<Uint8Array> {
  yield* withUnzstd((decode) => decode(compressed));
}

async function* unzstdTogether(
  { file, size, threads }: CompressedFile,
  open: PartReading["open"],
): AsyncGenerator<Uint8Array> {
  const atOnce = builtInUnzstd() ? threads + spareParts : threads;
  yield* withUnzstd((decode) => unzstdParts(file.fd, size, decode, { open, atOnce }));
}

/** Lends the quickest decompressor of frames there is: Node's own, else threads, which end with the use. */
async function* withUnzstd(
  use: (decode: (pieces: Pieces) => Pieces) => Pieces,
): AsyncGenerator<Uint8Array> {
  const builtIn = builtInUnzstd();
  if (builtIn) {
    yield* use((pieces) => unzstd(pieces, builtIn));
    return;
  }
  const threads = new UnzstdThreads();
  try {
    yield* use((pieces) => threads.decode(pieces));
  } finally {
    await threads.close();
  }
}

/** Node's own decompressor of one frame, from 22.15 on. */
function builtInUnzstd() {
  const { createZstdDecompress } = zlib as { createZstdDecompress?: typeof zlib.createGunzip };
  if (!createZstdDecompress) return undefined;
  return (compressed: Pieces) => through(compressed, createZstdDecompress(buffering));
}

async function* withDamageNamed(
  name: string,
  compression: Compression,
  pieces: Pieces,
  placeOf: () => Promise<string> = async () => "",
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } catch (error) {
    if (error instanceof InputError) throw error;
    const { syscall } = error as NodeJS.ErrnoException;
    throw syscall === undefined
      ? damagedFile(name, compression, error as NodeJS.ErrnoException, await placeOf())
      : unreadableFile(name, error as NodeJS.ErrnoException);
  }
}

/** The error for compressed data that does not decompress. */
export function damagedFile(
  name: string,
  compression: Compression,
  error: NodeJS.ErrnoException,
  place = "",
): InputError {
  const truncated = error.code === "Z_BUF_ERROR" || /unexpected e(nd|of)/i.test(error.message);
  return new InputError({
    code: "damaged-file",
    file: name,
    found: truncated
      ? `${compression} data that ends too early${place}`
      : `damaged ${compression} data (${error.message})${place}`,
    expected: `a complete ${compression} file`,
    hint: "copy or download it again",
  });
}

import { Readable, type Transform } from "node:stream";
import * as zlib from "node:zlib";
import { InputError } from "../../data/input-error.ts";
import { unreadableFile } from "./names.ts";
import { unzstd } from "./zstd.ts";

export type Compression = "none" | "gzip" | "zstd";

const outputBytes = 2 ** 20;
/** Decompressed ahead, on a thread of Node's pool, while what came before is parsed. */
const aheadBytes = 8 * 2 ** 20;
const buffering = { chunkSize: outputBytes, readableHighWaterMark: aheadBytes };

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
  compressed: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  const pieces = compression === "gzip" ? gunzip(compressed) : unzstd(compressed, builtInUnzstd());
  return withDamageNamed(name, compression, pieces);
}

async function* withDamageNamed(
  name: string,
  compression: Compression,
  pieces: AsyncIterable<Uint8Array>,
) {
  try {
    yield* pieces;
  } catch (error) {
    if (error instanceof InputError) throw error;
    const { syscall } = error as NodeJS.ErrnoException;
    throw syscall === undefined
      ? damagedFile(name, compression, error as NodeJS.ErrnoException)
      : unreadableFile(name, error as NodeJS.ErrnoException);
  }
}

/**
 * All members of a gzip stream. Node reads members as long as they follow each other, refuses other bytes
 * behind them, but takes everything from a zero byte on for padding: that is checked here.
 */
async function* gunzip(compressed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const transform = zlib.createGunzip(buffering);
  let total = 0;
  let lastNonZero = -1;
  async function* watched() {
    for await (const piece of compressed) {
      const at = piece.findLastIndex((byte) => byte !== 0);
      if (at >= 0) lastNonZero = total + at;
      total += piece.length;
      yield piece;
    }
  }
  yield* through(watched(), transform);
  if (transform.bytesWritten <= lastNonZero) throw new Error("bytes behind the last member");
}

/** Node's own decompressor of one frame, from 22.15 on. */
function builtInUnzstd() {
  const { createZstdDecompress } = zlib as { createZstdDecompress?: typeof zlib.createGunzip };
  if (!createZstdDecompress) return undefined;
  return (compressed: AsyncIterable<Uint8Array>) =>
    through(compressed, createZstdDecompress(buffering));
}

async function* through(
  compressed: AsyncIterable<Uint8Array>,
  transform: Transform,
): AsyncGenerator<Uint8Array> {
  const source = Readable.from(compressed, { objectMode: false, highWaterMark: outputBytes });
  source.on("error", (error) => transform.destroy(error));
  source.pipe(transform);
  try {
    yield* transform as AsyncIterable<Uint8Array>;
  } finally {
    source.destroy();
    transform.destroy();
  }
}

/** The error for compressed data that does not decompress. */
export function damagedFile(
  name: string,
  compression: Compression,
  error: NodeJS.ErrnoException,
): InputError {
  const truncated = error.code === "Z_BUF_ERROR" || /unexpected e(nd|of)/i.test(error.message);
  return new InputError({
    code: "damaged-file",
    file: name,
    found: truncated
      ? `${compression} data that ends too early`
      : `damaged ${compression} data (${error.message})`,
    expected: `a complete ${compression} file`,
    hint: "copy or download it again",
  });
}

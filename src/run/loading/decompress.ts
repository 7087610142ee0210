import { Readable } from "node:stream";
import { createGunzip, type Gunzip } from "node:zlib";
import { InputError } from "../../data/input-error.ts";

export type Compression = "none" | "gzip" | "zstd";

const outputBytes = 2 ** 20;

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
  if (compression === "gzip") return gunzipped(name, compressed);
  throw new Error("zstd comes next");
}

async function* gunzipped(name: string, compressed: AsyncIterable<Uint8Array>) {
  const gunzip: Gunzip = createGunzip({ chunkSize: outputBytes });
  const source = Readable.from(compressed, { objectMode: false, highWaterMark: outputBytes });
  source.on("error", (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  try {
    yield* gunzip as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw damagedFile(name, "gzip", error as NodeJS.ErrnoException);
  } finally {
    source.destroy();
    gunzip.destroy();
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

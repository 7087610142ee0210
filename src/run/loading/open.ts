import type { Stats } from "node:fs";
import { constants, createReadStream, openSync, statSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { InputError } from "../../data/input-error.ts";
import { type Compression, compressionOf, decompressed, decompressedFile } from "./decompress.ts";
import { StreamSampler } from "./fingerprint.ts";
import { missingFile, unreadableFile } from "./names.ts";
import { PieceReader } from "./pieces.ts";

/** What is known of a file before it is read. */
export interface FileFacts {
  readonly name: string;
  readonly stats: Stats;
  readonly compression: Compression;
}

/** One source that is open: text comes out of `read`, whatever the compression. */
export interface OpenSource {
  readonly name: string;
  readonly compression: Compression;
  /** Bytes on disk; undefined for streams. */
  readonly size: number | undefined;
  /** Bytes taken from the disk or the stream so far. */
  bytesRead(): number;
  read(into: Uint8Array): number | Promise<number>;
  /** For a stream, which can be read only once: what its fingerprint is made of. */
  readonly sampled?: () => string;
  /** @throws InputError when the file is not what it was when it was opened. */
  checkUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/** How a source is opened. */
export interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  /** Threads that may decompress. */
  readonly threads?: number;
  /** Text of a compressed source may be so many times its size. */
  readonly growthMax?: number | undefined;
}

export const standardInput = "standard input";
const magicBytes = 8;

/** Opens a file, or standard input for "-"; pipes and devices are read as streams. */
export async function openSource(name: string, how: OpenOptions = {}): Promise<OpenSource> {
  const { signal } = how;
  if (name !== "-" && (await isRegular(name))) return openFile(name, how);
  const [shown, stream] = name === "-" ? [standardInput, process.stdin] : [name, streamOf(name)];
  // A stream may not say anything for long: a signal ends the wait.
  const interrupt = () => stream.destroy();
  signal?.addEventListener("abort", interrupt);
  stream.once("close", () => signal?.removeEventListener("abort", interrupt));
  return openStream(shown, stream, how);
}

const standardInputNames = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/**
 * A pipe or device. Waiting for a pipe's writer, or for somebody to type, must not block a thread of Node's
 * pool: the process could not end while it does.
 */
function streamOf(name: string): Readable {
  if (standardInputNames.includes(name)) return process.stdin;
  if (statSync(name, { throwIfNoEntry: false })?.isFIFO() !== true) return createReadStream(name);
  try {
    const fd = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
    return new Socket({ fd, readable: true, writable: false });
  } catch (error) {
    throw unreadableFile(name, error as NodeJS.ErrnoException);
  }
}

/** False for pipes and devices: they have no size, and can be read once, from the start. */
export async function isRegular(name: string): Promise<boolean> {
  const stats = await stat(name).catch(() => undefined);
  return stats === undefined || stats.isFile();
}

/** Looks at a file without reading it. */
export async function lookAt(name: string): Promise<FileFacts> {
  const file = await openForReading(name);
  try {
    return await factsOf(name, file);
  } finally {
    await file.close();
  }
}

async function factsOf(name: string, file: FileHandle): Promise<FileFacts> {
  const stats = await file.stat();
  const head = Buffer.alloc(magicBytes);
  const { bytesRead } = await file.read(head, 0, magicBytes, 0);
  return { name, stats, compression: compressionOf(head.subarray(0, bytesRead)) };
}

async function openFile(
  name: string,
  { threads = 1, growthMax }: OpenOptions,
): Promise<OpenSource> {
  const file = await openForReading(name);
  const { stats, compression } = await factsOf(name, file);
  const shared = {
    name,
    compression,
    size: stats.size,
    checkUnchanged: () => checkUnchanged(name, stats),
  };
  if (compression === "none") {
    let position = 0;
    return {
      ...shared,
      bytesRead: () => position,
      async read(into) {
        const { bytesRead } = await file
          .read(into, 0, into.length, position)
          .catch((error: NodeJS.ErrnoException) => {
            throw unreadableFile(name, error);
          });
        position += bytesRead;
        return bytesRead;
      },
      close: () => file.close(),
    };
  }
  let bytes = 0;
  const { size } = stats;
  const onRead = (count: number) => {
    // What was decompressed ahead in vain is read twice.
    bytes = Math.min(size, bytes + count);
  };
  const reader = new PieceReader(
    decompressedFile({ name, file, size, compression, threads, growthMax, onRead }),
  );
  return {
    ...shared,
    bytesRead: () => bytes,
    read: (into) => reader.read(into),
    async close() {
      await reader.close();
      await file.close();
    },
  };
}

async function openStream(
  name: string,
  stream: Readable,
  { growthMax }: OpenOptions,
): Promise<OpenSource> {
  const counted = countBytes(name, stream);
  const raw = new PieceReader(counted.pieces);
  const head = await raw.peek(magicBytes);
  const compression = compressionOf(head);
  const reader =
    compression === "none"
      ? raw
      : new PieceReader(decompressed(name, compression, raw.pieces(), growthMax));
  return {
    name,
    compression,
    size: undefined,
    bytesRead: counted.bytes,
    sampled: () => counted.sampler.digest(),
    read: (into) => reader.read(into),
    checkUnchanged: async () => {},
    close: async () => {
      stream.destroy();
      await reader.close();
    },
  };
}

function countBytes(name: string, stream: AsyncIterable<Buffer>) {
  let bytes = 0;
  const sampler = new StreamSampler();
  async function* pieces() {
    try {
      for await (const piece of stream) {
        bytes += piece.length;
        sampler.add(piece);
        yield piece;
      }
    } catch (error) {
      throw unreadableFile(name, error as NodeJS.ErrnoException);
    }
  }
  return { pieces: pieces(), bytes: () => bytes, sampler };
}

async function openForReading(name: string): Promise<FileHandle> {
  try {
    return await open(name, "r");
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "ENOENT"
      ? await missingFile(name)
      : unreadableFile(name, error as NodeJS.ErrnoException);
  }
}

/** @throws InputError when the file is not what it was. */
export async function checkUnchanged(name: string, before: Stats): Promise<void> {
  const now = await stat(name).catch(() => undefined);
  if (now && now.ino === before.ino && now.size === before.size && now.mtimeMs === before.mtimeMs) {
    return;
  }
  const found = now
    ? `a file that changed while it was read (${before.size} bytes, now ${now.size})`
    : "a file that was removed while it was read";
  throw new InputError({
    code: "changed-file",
    file: name,
    found,
    expected: "the same file from start to end",
    hint: "wait until it is written, then start again",
  });
}

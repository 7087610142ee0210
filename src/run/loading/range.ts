/** Reads and parses single chunks of a plain file, in any order: what each thread does when several read. */
import { closeSync, openSync, readSync } from "node:fs";
import { chunkBytes, lineBytesMax, type ParsedChunk, parseChunk } from "../../data/chunk.ts";
import { blankByteOrderMark } from "../../data/cutter.ts";
import {
  type BlockArena,
  type ParseOptions,
  type TextParser,
  type TextRange,
  textPaddingBytes,
} from "../../data/parser.ts";

/** One chunk of one file. */
export interface ChunkTask {
  readonly file: string;
  readonly chunk: number;
}

export type ChunkResult =
  | { readonly kind: "parsed"; readonly chunk: ParsedChunk }
  /** No line starts in this part of the file. */
  | { readonly kind: "empty" }
  | { readonly kind: "long-line"; readonly linesBefore: number };

/** Read beyond the cut, where the last line most likely ends. */
const overlapBytes = 64 * 1024;
const lineFeed = 10;

export interface RangeSetup {
  readonly arena: BlockArena;
  readonly parser: TextParser;
  readonly options: ParseOptions;
  readonly bytesPerChunk?: number;
}

/** Room for the text of a chunk, with what is read around it. */
export function openRoom(arena: BlockArena, bytesPerChunk: number = chunkBytes): TextRange {
  const byteLength = bytesPerChunk + overlapBytes + 1 + textPaddingBytes;
  return { address: arena.allocate(byteLength), byteLength };
}

/** Owns an open file and a buffer for text; belongs to one thread. */
export class RangeReader {
  readonly #arena: BlockArena;
  readonly #parser: TextParser;
  readonly #options: ParseOptions;
  readonly #chunkBytes: number;
  #buffer: TextRange;
  #file: { name: string; descriptor: number } | undefined;

  /** @param room what openRoom gave; it may have been replaced by a larger one when `close` returns it. */
  constructor(room: TextRange, { arena, parser, options, bytesPerChunk = chunkBytes }: RangeSetup) {
    this.#arena = arena;
    this.#parser = parser;
    this.#options = options;
    this.#chunkBytes = bytesPerChunk;
    this.#buffer = { address: room.address, byteLength: room.byteLength - textPaddingBytes };
  }

  /** @throws the system's error when the file cannot be read. */
  parse({ file, chunk }: ChunkTask): ChunkResult {
    const descriptor = this.#open(file);
    // One byte more at the front shows whether a line starts exactly at the cut.
    const from = Math.max(0, chunk * this.#chunkBytes - 1);
    const cut = (chunk + 1) * this.#chunkBytes - from;
    let filled = this.#fill(descriptor, { from, filled: 0 });
    const start = chunk === 0 ? 0 : this.#lineEnd(filled, 0);
    if (start === undefined || start >= Math.min(cut, filled)) return { kind: "empty" };
    let end = this.#lineEnd(filled, cut - 1);
    while (end === undefined && filled === this.#buffer.byteLength) {
      const lineStart = this.#view(filled).subarray(0, cut).lastIndexOf(lineFeed) + 1;
      if (filled - lineStart > lineBytesMax) return this.#longLine(start, lineStart);
      this.#grow(filled);
      const searched = filled;
      filled = this.#fill(descriptor, { from, filled });
      end = this.#lineEnd(filled, searched);
    }
    const text = { address: this.#buffer.address + start, byteLength: (end ?? filled) - start };
    if (chunk === 0) blankByteOrderMark(this.#view(filled));
    return {
      kind: "parsed",
      chunk: parseChunk(this.#arena, this.#parser, text, this.#options),
    };
  }

  /** Ends reading; returns the room of its text, for the thread that opened it to release. */
  close(): TextRange {
    if (this.#file) closeSync(this.#file.descriptor);
    this.#file = undefined;
    const { address, byteLength } = this.#buffer;
    return { address, byteLength: byteLength + textPaddingBytes };
  }

  #open(name: string): number {
    if (this.#file?.name === name) return this.#file.descriptor;
    if (this.#file) closeSync(this.#file.descriptor);
    this.#file = undefined;
    const descriptor = openSync(name, "r");
    this.#file = { name, descriptor };
    return descriptor;
  }

  /** Reads until the buffer is full or the file ends; returns how much of the buffer is filled. */
  #fill(descriptor: number, { from, filled }: { from: number; filled: number }): number {
    const bytes = this.#view(this.#buffer.byteLength);
    let end = filled;
    while (end < bytes.length) {
      const count = readSync(descriptor, bytes, end, bytes.length - end, from + end);
      if (count === 0) break;
      end += count;
    }
    return end;
  }

  /** One behind the first line feed at or after `from`; undefined when there is none. */
  #lineEnd(filled: number, from: number): number | undefined {
    if (from >= filled) return undefined;
    const at = this.#view(filled).indexOf(lineFeed, from);
    return at < 0 ? undefined : at + 1;
  }

  #longLine(start: number, lineStart: number): ChunkResult {
    const before = this.#view(lineStart).subarray(start);
    return {
      kind: "long-line",
      linesBefore: before.reduce((lines, byte) => lines + (byte === lineFeed ? 1 : 0), 0),
    };
  }

  #grow(filled: number): void {
    const old = this.#buffer;
    const byteLength = 2 * old.byteLength;
    const address = this.#arena.allocate(byteLength + textPaddingBytes);
    this.#buffer = { address, byteLength };
    const bytes = new Uint8Array(this.#arena.buffer, old.address, filled);
    this.#view(filled).set(bytes);
    this.#arena.release(old.address, old.byteLength + textPaddingBytes);
  }

  #view(length: number): Uint8Array {
    return new Uint8Array(this.#arena.buffer, this.#buffer.address, length);
  }
}

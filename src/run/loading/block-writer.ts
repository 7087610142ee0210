/** Writes a block file, block by block, under a name of its own until it is complete. */
import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Block } from "../../data/block.ts";
import {
  alignBlock,
  type BlockFileManifest,
  type BlockPlace,
  blockFileHeaderBytes,
  encodeHeader,
} from "../../data/block-file.ts";
import type { Arena } from "../../kernels/arena.ts";
import { type BlockChecksum, createBlockChecksum } from "../../kernels/block-checksum.ts";
import { type Checksum, createChecksum } from "../../kernels/checksum.ts";
import { loadKernels } from "../../kernels/loader.ts";
import { version } from "../../version.ts";
import { FileError } from "../files.ts";

/** What the writer does not know by itself. */
export type ManifestRest = Omit<BlockFileManifest, "glissade" | "version" | "created" | "blocks">;

/** What a file that was finished says of itself. */
export interface WrittenFile {
  readonly manifest: BlockFileManifest;
  /** XXH64 of the manifest's bytes, as hex. */
  readonly manifestChecksum: string;
}

export class BlockFileWriter {
  /** Where the file will be. */
  readonly path: string;
  readonly #temporary: string;
  readonly #file: number;
  readonly #checksum: BlockChecksum;
  readonly #hash: Checksum;
  readonly #places: BlockPlace[] = [];
  #end = blockFileHeaderBytes;
  #open = true;

  /** @throws FileError when nothing can be written there. */
  constructor(arena: Arena, path: string) {
    this.path = path;
    this.#temporary = join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}.tmp`);
    const kernels = loadKernels(arena);
    this.#checksum = createBlockChecksum(arena, kernels);
    this.#hash = createChecksum(arena, kernels);
    try {
      this.#file = openSync(this.#temporary, "wx");
    } catch (error) {
      throw new FileError(path, error, "write");
    }
  }

  get places(): readonly BlockPlace[] {
    return this.#places;
  }

  /** Writes one more block. @throws FileError; the temporary file is then gone. */
  add(block: Block): void {
    this.#checksum.seal(block);
    const offset = alignBlock(this.#end);
    const { byteOffset, byteLength, rows, nonZeros } = block;
    this.#write(new Uint8Array(block.buffer, byteOffset, byteLength), offset);
    this.#places.push({ offset, byteLength, rows, nonZeros });
    this.#end = offset + byteLength;
  }

  /**
   * Writes manifest and header and gives the file its name. A cache need not be flushed to the disk: if the power
   * fails, its checksums show what is missing. @throws FileError
   */
  finish(rest: ManifestRest, { flush }: { flush: boolean } = { flush: true }): WrittenFile {
    const created = new Date().toISOString();
    const blocks = this.#places;
    const manifest: BlockFileManifest = { glissade: "1", version, created, ...rest, blocks };
    const bytes = new TextEncoder().encode(JSON.stringify(manifest));
    this.#hash.start();
    this.#hash.add(bytes);
    const manifestOffset = alignBlock(this.#end);
    const manifestChecksum = this.#hash.finish();
    const header = encodeHeader({ manifestOffset, manifestBytes: bytes.length, manifestChecksum });
    this.#write(bytes, manifestOffset);
    this.#write(header, 0);
    try {
      if (flush) fsyncSync(this.#file);
      this.#close();
      renameSync(this.#temporary, this.path);
    } catch (error) {
      throw this.#failed(error);
    }
    return { manifest, manifestChecksum: manifestChecksum.toString(16) };
  }

  /** Leaves nothing behind, unless the file was finished. */
  abandon(): void {
    this.#close();
    rmSync(this.#temporary, { force: true });
  }

  #write(bytes: Uint8Array, offset: number): void {
    try {
      for (let at = 0; at < bytes.length; ) {
        at += writeSync(this.#file, bytes, at, bytes.length - at, offset + at);
      }
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #failed(error: unknown): FileError {
    this.abandon();
    return new FileError(this.path, error, "write");
  }

  #close(): void {
    if (this.#open) closeSync(this.#file);
    this.#open = false;
  }
}

/** Opens a block file and checks its header and manifest; blocks are checked when they are read. */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import {
  type BlockFileManifest,
  blockFileHeaderBytes,
  checkManifest,
  decodeHeader,
  isBlockFileHead,
} from "../../data/block-file.ts";
import { InputError } from "../../data/input-error.ts";
import type { Arena } from "../../kernels/arena.ts";
import { createChecksum } from "../../kernels/checksum.ts";
import { loadKernels } from "../../kernels/loader.ts";

/** An open block file. */
export interface BlockFile {
  readonly path: string;
  readonly descriptor: number;
  readonly manifest: BlockFileManifest;
  /** XXH64 of the manifest's bytes, as hex: which file it is. */
  readonly manifestChecksum: string;
  close(): void;
}

/** Whether the file of that name is there and starts as a block file does. */
export function isBlockFile(path: string): boolean {
  if (path === "-") return false;
  try {
    // A pipe is opened once only, by who reads it: opening it waits for a writer, and closing it sends him away.
    if (!statSync(path).isFile()) return false;
    const file = openSync(path, "r");
    try {
      const head = new Uint8Array(4);
      return readSync(file, head, 0, 4, 0) === 4 && isBlockFileHead(head);
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
}

/** @throws InputError when it is no complete block file of this version. */
export function openBlockFile(arena: Arena, path: string): BlockFile {
  const descriptor = openSync(path, "r");
  try {
    const read = readManifest(arena, path, descriptor);
    return { path, descriptor, ...read, close: () => closeSync(descriptor) };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function readManifest(
  arena: Arena,
  path: string,
  descriptor: number,
): Pick<BlockFile, "manifest" | "manifestChecksum"> {
  const { size } = fstatSync(descriptor);
  const header = decodeHeader(readAt(descriptor, 0, blockFileHeaderBytes), size);
  if (typeof header === "string") throw damagedBlocks(path, header);
  const bytes = readAt(descriptor, header.manifestOffset, header.manifestBytes);
  const hash = createChecksum(arena, loadKernels(arena));
  hash.start();
  hash.add(bytes);
  if (hash.finish() !== header.manifestChecksum) {
    throw damagedBlocks(path, "a manifest that fails its checksum");
  }
  let manifest: BlockFileManifest;
  try {
    manifest = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw damagedBlocks(path, "a manifest that is no JSON");
  }
  const problem = checkManifest(manifest, header);
  if (problem !== null) throw damagedBlocks(path, problem);
  const { width: widthMax, blocks } = manifest;
  return {
    manifest: { ...manifest, blocks: blocks.map((block) => ({ ...block, widthMax })) },
    manifestChecksum: header.manifestChecksum.toString(16),
  };
}

/** The error for a block file that is not what was written. */
export function damagedBlocks(path: string, found: string): InputError {
  return new InputError({
    code: "damaged-file",
    file: path,
    found,
    expected: "a complete block file",
    hint: "make it again with glissade convert",
  });
}

function readAt(descriptor: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const count = readSync(descriptor, bytes, at, length - at, offset + at);
    if (count === 0) break;
    at += count;
  }
  return bytes.subarray(0, at);
}

/**
 * A block file: a data set in one file. A header, the blocks as they lie in memory, and a manifest that says
 * where they are and what is true of all of them together. The form is described in docs/block-format.md.
 */
import { blockByteLength } from "./block.ts";
import type { BlockSummary } from "./block-source.ts";
import type { LabelSet, SourceFile } from "./dataset.ts";

export const blockFileMagic = 0x4653_4c47; // "GLSF", little endian
export const blockFileVersion = 1;
export const blockFileHeaderBytes = 64;
/** Of some million blocks: more is no manifest. */
const manifestBytesMax = 2 ** 28;
/** Blocks start at multiples of this, a page of memory. */
export const blockFileAlignment = 4096;

/** One block's place in the file. */
export interface BlockPlace extends BlockSummary {
  readonly offset: number;
  /** Columns of the file, where it was opened: no block of it has more. */
  readonly widthMax?: number;
}

/** What was read to make a block file that is a cache: it serves as long as this stays the same. */
export interface CacheOrigin {
  /** Names and reading options, hashed. */
  readonly key: string;
  /** Of everything that was read. */
  readonly fingerprint: string;
}

export interface BlockFileManifest {
  readonly glissade: "1";
  /** Version of glissade that wrote it. */
  readonly version: string;
  /** When, in ISO 8601. */
  readonly created: string;
  readonly rows: number;
  readonly nonZeros: number;
  readonly width: number;
  readonly indexBase: 0 | 1;
  readonly labels: LabelSet;
  readonly sources: readonly SourceFile[];
  readonly skippedRows: number;
  /** Of the sources, as they were read. */
  readonly fingerprint: string;
  /** Null for a file that was converted to stand on its own. */
  readonly origin: CacheOrigin | null;
  readonly blocks: readonly BlockPlace[];
}

/** What the header says. */
export interface BlockFileHeader {
  readonly manifestOffset: number;
  readonly manifestBytes: number;
  /** XXH64 of the manifest's bytes. */
  readonly manifestChecksum: bigint;
}

export function encodeHeader(header: BlockFileHeader): Uint8Array {
  const bytes = new Uint8Array(blockFileHeaderBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, blockFileMagic, true);
  view.setUint32(4, blockFileVersion, true);
  view.setFloat64(8, header.manifestOffset, true);
  view.setFloat64(16, header.manifestBytes, true);
  view.setBigUint64(24, header.manifestChecksum, true);
  return bytes;
}

/** Whether a file's first bytes are those of a block file. */
export function isBlockFileHead(head: Uint8Array): boolean {
  if (head.length < 4) return false;
  return new DataView(head.buffer, head.byteOffset).getUint32(0, true) === blockFileMagic;
}

/** Reads the header of a file of that length; a text instead says what is wrong with it. */
export function decodeHeader(bytes: Uint8Array, fileBytes: number): BlockFileHeader | string {
  if (bytes.length < blockFileHeaderBytes || !isBlockFileHead(bytes)) return "no block file";
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const version = view.getUint32(4, true);
  if (version !== blockFileVersion) return `a block file of version ${version}`;
  const manifestOffset = view.getFloat64(8, true);
  const manifestBytes = view.getFloat64(16, true);
  const counts = Number.isSafeInteger(manifestOffset) && Number.isSafeInteger(manifestBytes);
  if (!counts || manifestOffset < blockFileHeaderBytes || manifestBytes <= 0) {
    return "a damaged header";
  }
  if (manifestBytes > manifestBytesMax) return `a manifest of ${manifestBytes} bytes`;
  if (manifestOffset + manifestBytes !== fileBytes) {
    return `${fileBytes} bytes, ${manifestOffset + manifestBytes} in the header`;
  }
  return { manifestOffset, manifestBytes, manifestChecksum: view.getBigUint64(24, true) };
}

/**
 * Checks what the manifest says of its blocks: each in its place, none over another, sums as stated.
 * A text says what is wrong.
 */
export function checkManifest(
  manifest: BlockFileManifest,
  { manifestOffset }: BlockFileHeader,
): string | null {
  if (!isManifest(manifest)) return "a manifest that is none";
  let end = blockFileHeaderBytes;
  let [rows, nonZeros] = [0, 0];
  for (const [number, block] of manifest.blocks.entries()) {
    const { offset, byteLength } = block;
    if (offset < end || offset % blockFileAlignment !== 0 || byteLength !== blockByteLength(block))
      return `block ${number} out of place`;
    end = offset + byteLength;
    rows += block.rows;
    nonZeros += block.nonZeros;
  }
  if (end > manifestOffset) return "blocks beyond their end";
  if (rows !== manifest.rows || nonZeros !== manifest.nonZeros) return "sums that do not add up";
  return null;
}

/** Whether all that is read from a manifest later is there, and of its kind. */
function isManifest(value: unknown): value is BlockFileManifest {
  if (!isRecord(value)) return false;
  const { rows, nonZeros, width, skippedRows, indexBase, labels, sources, blocks } = value;
  const { fingerprint, origin } = value;
  return (
    [rows, nonZeros, width, skippedRows].every(isCount) &&
    (width as number) <= 2 ** 32 &&
    (indexBase === 0 || indexBase === 1) &&
    isRecord(labels) &&
    Array.isArray(sources) &&
    sources.every((source) => isRecord(source) && typeof source.name === "string") &&
    typeof fingerprint === "string" &&
    (origin === null || isRecord(origin)) &&
    Array.isArray(blocks) &&
    blocks.every(isPlace)
  );
}

function isPlace(value: unknown): boolean {
  if (!isRecord(value)) return false;
  return [value.rows, value.nonZeros, value.offset, value.byteLength].every(isCount);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function alignBlock(offset: number): number {
  return Math.ceil(offset / blockFileAlignment) * blockFileAlignment;
}

/** Where a gzip file is damaged: its members are walked one by one, after reading has failed. */
import type { FileHandle } from "node:fs/promises";
import { crc32, createInflateRaw } from "node:zlib";
import { through } from "./gunzip.ts";
import type { Part } from "./parts.ts";

/** Beyond so much, looking for the place would take about as long as reading did. */
const walkBytesMax = 256 * 2 ** 20;
const headBytesMax = 65_536;
const tailBytes = 8;

/** A member that does not decompress. */
export interface DamagedMember {
  /** From 1. */
  readonly number: number;
  readonly start: number;
}

/** The first member that is damaged; null when none was found among the first bytes. */
export async function findDamage(
  file: FileHandle,
  size: number,
  open: (part: Part) => AsyncIterable<Uint8Array>,
): Promise<DamagedMember | null> {
  let start = 0;
  for (let number = 1; start < Math.min(size, walkBytesMax); number++) {
    const end = await memberEnd(file, { start, end: size }, open).catch(() => undefined);
    if (end === undefined) return { number, start };
    start = end;
  }
  return null;
}

async function memberEnd(
  file: FileHandle,
  { start, end }: Part,
  open: (part: Part) => AsyncIterable<Uint8Array>,
): Promise<number | undefined> {
  const head = Buffer.alloc(headBytesMax);
  const { bytesRead } = await file.read(head, 0, headBytesMax, start);
  const bodyStart = start + headLength(head.subarray(0, bytesRead));
  const inflate = createInflateRaw();
  let [checksum, length] = [0, 0];
  for await (const piece of through(open({ start: bodyStart, end }), inflate)) {
    checksum = crc32(piece, checksum);
    length = (length + piece.length) % 2 ** 32;
  }
  const bodyEnd = bodyStart + inflate.bytesWritten;
  const tail = Buffer.alloc(tailBytes);
  if ((await file.read(tail, 0, tailBytes, bodyEnd)).bytesRead < tailBytes) return undefined;
  const fits = tail.readUInt32LE(0) === checksum && tail.readUInt32LE(4) === length;
  return fits ? bodyEnd + tailBytes : undefined;
}

/** Bytes of a member's head (RFC 1952, section 2.3). @throws RangeError when it is none. */
function headLength(head: Buffer): number {
  if (head.readUInt32BE(0) >>> 8 !== 0x1f8b08) throw new RangeError("Cannot read a gzip head");
  const flags = head[3]!;
  let at = 10;
  if (flags & 4) at += 2 + head.readUInt16LE(at);
  for (const flag of [8, 16]) {
    if (flags & flag) at = head.indexOf(0, at) + 1;
  }
  return at + (flags & 2 ? 2 : 0);
}

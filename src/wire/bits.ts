/**
 * Bits in a row, the first in the lowest place of the first byte; and whole numbers in Rice's code: for a number x and a
 * parameter k, x >> k ones, a zero, and the k low bits of x. It takes few bits where numbers are about 2^k.
 *
 * Source: Rice 1979, "Some practical universal noiseless coding techniques"; Golomb 1966.
 * Invariant: reading gives the numbers that were written.
 * Invariant: a reader never goes beyond its bytes: what is not there is null.
 */

/** Writes into bytes that are long enough. */
export interface BitWriter {
  readonly bytes: Uint8Array;
  /** Bits written so far. */
  at: number;
}

export interface BitReader {
  readonly bytes: Uint8Array;
  at: number;
}

/** Writes the `count` low bits of a number; at most 24. */
export function writeBits(writer: BitWriter, value: number, count: number): void {
  const { bytes, at } = writer;
  let place = at >>> 3;
  let rest = value << (at & 7);
  for (let left = (at & 7) + count; left > 0; left -= 8) {
    bytes[place]! |= rest & 0xff;
    place++;
    rest >>>= 8;
  }
  writer.at = at + count;
}

/** Reads `count` bits, at most 24; null when there are not that many. */
export function readBits(reader: BitReader, count: number): number | null {
  const { bytes, at } = reader;
  if (at + count > 8 * bytes.length) return null;
  const place = at >>> 3;
  // Bytes beyond the end count as 0: nothing of them is taken.
  const low = bytes[place]! | (bytes[place + 1]! << 8) | (bytes[place + 2]! << 16);
  const word = low | (bytes[place + 3]! << 24);
  reader.at = at + count;
  return (word >>> (at & 7)) & ((1 << count) - 1);
}

/** Bits that a number takes in Rice's code. */
export function riceBits(value: number, parameter: number): number {
  return (value >>> parameter) + 1 + parameter;
}

/** The parameter for numbers whose mean is this: best for gaps between places taken at random. */
export function riceParameter(mean: number): number {
  return Math.min(24, Math.max(0, Math.floor(Math.log2(Math.max(1, mean * Math.LN2)))));
}

export function writeRice(writer: BitWriter, value: number, parameter: number): void {
  let ones = value >>> parameter;
  for (; ones >= 16; ones -= 16) writeBits(writer, 0xffff, 16);
  writeBits(writer, 2 ** ones - 1, ones + 1);
  writeBits(writer, value & (2 ** parameter - 1), parameter);
}

/** Null when the bytes end first, or the number is above `most`. */
export function readRice(reader: BitReader, parameter: number, most: number): number | null {
  const { bytes } = reader;
  const onesMax = most >>> parameter;
  let ones = 0;
  for (;;) {
    if (reader.at >= 8 * bytes.length) return null;
    const bit = (bytes[reader.at >>> 3]! >>> (reader.at & 7)) & 1;
    reader.at++;
    if (bit === 0) break;
    if (++ones > onesMax) return null;
  }
  const low = readBits(reader, parameter);
  if (low === null) return null;
  const value = ones * 2 ** parameter + low;
  return value <= most ? value : null;
}

/**
 * Packed deltas: a change of v in few bytes. Indices are coded as gaps, values as f32, f16 or bf16.
 *
 *   0  u8   version                      4  u32  count of values
 *   1  u8   form: values f32 0, f16 1,   8       sparse only: gaps to the index before, less one, seven bits
 *           bf16 2; +16 when dense               a byte, low bits first, the high bit set on all but the last
 *   2  i16  exponent e of the values             then the values, little endian: value * 2^e
 *
 * f16 reaches from 6e-8 to 65,504 only; the exponent puts the largest value of the delta at its upper end.
 * Scaling by a power of two is exact. Nothing is believed before it is checked; a bad delta is a fault to
 * report, never an exception.
 *
 * Invariant: unpacking gives the values that packing says it rounded to, bit for bit.
 * Invariant: whatever the bytes, unpacking gives a delta of that width or a fault.
 */
import { type Delta, isDense } from "../math/update.ts";
import { fromBfloat16, fromHalf, toBfloat16, toHalf } from "./half.ts";

/** How values are written. */
export type ValueFormat = "f32" | "f16" | "bf16";

export const valueFormats = ["f32", "f16", "bf16"] as const satisfies readonly ValueFormat[];

const packedVersion = 1;
const headerBytes = 8;
const denseBit = 16;

/** A delta that was read, or why it could not be. */
export type Unpacked = { readonly delta: Delta } | { readonly fault: string };

/** The bytes of a delta. */
export function packDelta(delta: Delta, format: ValueFormat): Uint8Array {
  const values = isDense(delta) ? delta : delta.value;
  const gaps = isDense(delta) ? new Uint8Array(0) : gapBytes(delta.index);
  const size = format === "f32" ? 4 : 2;
  const bytes = new Uint8Array(headerBytes + gaps.length + size * values.length);
  const view = new DataView(bytes.buffer);
  const exponent = format === "f16" ? exponentOf(values) : 0;
  view.setUint8(0, packedVersion);
  view.setUint8(1, valueFormats.indexOf(format) + (isDense(delta) ? denseBit : 0));
  view.setInt16(2, exponent, true);
  view.setUint32(4, values.length, true);
  bytes.set(gaps, headerBytes);
  writeValues(view, headerBytes + gaps.length, { values, format, exponent });
  return bytes;
}

/** Bytes of a packed delta that lists every coordinate. */
export function denseBytes(width: number, format: ValueFormat): number {
  return headerBytes + (format === "f32" ? 4 : 2) * width;
}

/** The e at which the largest value is just below 2^15, so that it rounds to no infinity. */
function exponentOf(values: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!);
    if (size > largest && size < Number.POSITIVE_INFINITY) largest = size;
  }
  return largest === 0 ? 0 : 14 - Math.floor(Math.log2(largest));
}

function gapBytes(index: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(5 * index.length);
  let at = 0;
  let before = -1;
  for (let k = 0; k < index.length; k++) {
    let gap = index[k]! - before - 1;
    before = index[k]!;
    for (; gap > 0x7f; gap = Math.floor(gap / 128)) bytes[at++] = (gap & 0x7f) | 0x80;
    bytes[at++] = gap;
  }
  return bytes.subarray(0, at);
}

function writeValues(
  view: DataView,
  start: number,
  { values, format, exponent }: { values: Float32Array; format: ValueFormat; exponent: number },
): void {
  const scale = 2 ** exponent;
  for (let i = 0; i < values.length; i++) {
    if (format === "f32") view.setFloat32(start + 4 * i, values[i]!, true);
    else if (format === "bf16") view.setUint16(start + 2 * i, toBfloat16(values[i]!), true);
    else view.setUint16(start + 2 * i, toHalf(values[i]! * scale), true);
  }
}

/** Reads a packed delta for a vector of that width. */
export function unpackDelta(bytes: Uint8Array, width: number): Unpacked {
  if (bytes.length < headerBytes) return { fault: "packed delta is shorter than its header" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(0);
  if (version !== packedVersion) {
    return { fault: `packed delta version must be ${packedVersion}, is ${version}` };
  }
  const form = view.getUint8(1);
  const format = valueFormats[form & ~denseBit];
  if (format === undefined) return { fault: `packed delta has unknown form ${form}` };
  const exponent = view.getInt16(2, true);
  const count = view.getUint32(4, true);
  if (count > width) return { fault: "packed delta has more values than columns" };
  const dense = (form & denseBit) !== 0;
  if (dense && count !== width) return { fault: "dense packed delta is of another width" };
  const index = dense ? null : readGaps(bytes, count, width);
  if (typeof index === "string") return { fault: index };
  const start = headerBytes + (index?.bytes ?? 0);
  const size = format === "f32" ? 4 : 2;
  if (start + size * count !== bytes.length)
    return { fault: "values do not fill the packed delta" };
  const value = readValues(view, start, { count, format, exponent });
  return { delta: index ? { index: index.index, value } : value };
}

function readGaps(bytes: Uint8Array, count: number, width: number) {
  const index = new Uint32Array(count);
  let at = headerBytes;
  let before = -1;
  for (let k = 0; k < count; k++) {
    let gap = 0;
    let shift = 1;
    for (let part = 0x80; part & 0x80; shift *= 128) {
      if (at >= bytes.length || shift > 2 ** 28) return "gap has no end";
      part = bytes[at++]!;
      gap += (part & 0x7f) * shift;
    }
    before += gap + 1;
    if (before >= width) return "index is beyond the columns";
    index[k] = before;
  }
  return { index, bytes: at - headerBytes };
}

function readValues(
  view: DataView,
  start: number,
  { count, format, exponent }: { count: number; format: ValueFormat; exponent: number },
): Float32Array {
  const value = new Float32Array(count);
  const scale = 2 ** -exponent;
  for (let i = 0; i < count; i++) {
    if (format === "f32") value[i] = view.getFloat32(start + 4 * i, true);
    else if (format === "bf16") value[i] = fromBfloat16(view.getUint16(start + 2 * i, true));
    else value[i] = fromHalf(view.getUint16(start + 2 * i, true)) * scale;
  }
  return value;
}

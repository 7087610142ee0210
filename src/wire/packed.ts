/**
 * Packed deltas: a change of v in few bytes. Indices are coded as gaps, values as f32, f16 or bf16.
 *
 *   0  u8   version                      8   u8   Rice parameter of the gaps (bits.ts); 0 when dense
 *   1  u8   form: values f32 0, f16 1,   9   u8   f16, bf16: the least exponent that occurs, as its bits
 *           bf16 2; +16 when dense      10   u8   f16, bf16: bits that exponents beyond the least take
 *   2  i16  exponent e of the values    11   u8   0
 *   4  u32  count of values             12        sparse only: gaps to the index before, less one; whole bytes
 *                                                 then the values, which stand for value * 2^e
 *
 * Values of f32 take 4 bytes each, little endian. Of f16 and bf16 each is its fraction, its exponent less the least,
 * and its sign, in bits: values that were chosen for their size share most of their exponent, and it is sent once.
 * f16 reaches from 6e-8 to 65,504 only; e puts the largest value of the delta at its upper end. Scaling by a power
 * of two is exact. Nothing is believed before it is checked; a bad delta is a fault to report, never an exception.
 *
 * Invariant: unpacking gives the values that packing says it rounded to, bit for bit.
 * Invariant: whatever the bytes, unpacking gives a delta of that width or a fault, and room for as many values as the
 * bytes hold at most.
 */
import { type Delta, isDense } from "../math/update.ts";
import {
  type BitWriter,
  readBits,
  readRice,
  riceBits,
  riceParameter,
  writeBits,
  writeRice,
} from "./bits.ts";
import { fromBfloat16, fromHalf, toBfloat16, toHalf } from "./half.ts";

/** How values are written. */
export type ValueFormat = "f32" | "f16" | "bf16";

export const valueFormats = ["f32", "f16", "bf16"] as const satisfies readonly ValueFormat[];

const packedVersion = 2;
const headerBytes = 12;
const denseBit = 16;

/** Bits of the fraction and of the exponent. */
const layouts = { f16: { fraction: 10, exponent: 5 }, bf16: { fraction: 7, exponent: 8 } } as const;

/** A delta that was read, or why it could not be. */
export type Unpacked = { readonly delta: Delta } | { readonly fault: string };

/** The bytes of a delta. */
export function packDelta(delta: Delta, format: ValueFormat): Uint8Array {
  const values = isDense(delta) ? delta : delta.value;
  const gaps = isDense(delta) ? null : packGaps(delta.index);
  const packed = packValues(values, format);
  const gapBytes = gaps?.bytes.length ?? 0;
  const bytes = new Uint8Array(headerBytes + gapBytes + packed.bytes.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, packedVersion);
  view.setUint8(1, valueFormats.indexOf(format) + (isDense(delta) ? denseBit : 0));
  view.setInt16(2, packed.scale, true);
  view.setUint32(4, values.length, true);
  view.setUint8(8, gaps?.parameter ?? 0);
  view.setUint8(9, packed.least);
  view.setUint8(10, packed.bits);
  if (gaps) bytes.set(gaps.bytes, headerBytes);
  bytes.set(packed.bytes, headerBytes + gapBytes);
  return bytes;
}

function packGaps(index: Uint32Array): { parameter: number; bytes: Uint8Array } {
  const span = index.length === 0 ? 0 : index[index.length - 1]! + 1 - index.length;
  const parameter = riceParameter(span / Math.max(1, index.length));
  let bits = 0;
  for (let k = 0; k < index.length; k++) bits += riceBits(gapAt(index, k), parameter);
  const writer: BitWriter = { bytes: new Uint8Array(Math.ceil(bits / 8)), at: 0 };
  for (let k = 0; k < index.length; k++) writeRice(writer, gapAt(index, k), parameter);
  return { parameter, bytes: writer.bytes };
}

function gapAt(index: Uint32Array, k: number): number {
  return k === 0 ? index[0]! : index[k]! - index[k - 1]! - 1;
}

interface PackedValues {
  readonly bytes: Uint8Array;
  /** e, the least exponent, and the bits beyond it. */
  readonly scale: number;
  readonly least: number;
  readonly bits: number;
}

function packValues(values: Float32Array, format: ValueFormat): PackedValues {
  if (format === "f32") {
    const view = new DataView(new ArrayBuffer(4 * values.length));
    for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i]!, true);
    return { bytes: new Uint8Array(view.buffer), scale: 0, least: 0, bits: 0 };
  }
  const scale = format === "f16" ? exponentOf(values) : 0;
  const factor = 2 ** scale;
  const words = Uint16Array.from(values, (x) =>
    format === "f16" ? toHalf(x * factor) : toBfloat16(x),
  );
  return { scale, ...packWords(words, layouts[format]) };
}

function packWords(words: Uint16Array, layout: { fraction: number; exponent: number }) {
  const { fraction, exponent } = layout;
  const exponentAt = (word: number) => (word >>> fraction) & (2 ** exponent - 1);
  let [least, most] = [words.length === 0 ? 0 : 255, 0];
  for (const word of words) {
    least = Math.min(least, exponentAt(word));
    most = Math.max(most, exponentAt(word));
  }
  const bits = Math.ceil(Math.log2(most - least + 1));
  const size = fraction + bits + 1;
  const writer: BitWriter = { bytes: new Uint8Array(Math.ceil((words.length * size) / 8)), at: 0 };
  for (const word of words) {
    const high = (exponentAt(word) - least) << fraction;
    const low = word & (2 ** fraction - 1);
    writeBits(writer, low | high | ((word >>> 15) << (fraction + bits)), size);
  }
  return { least, bits, bytes: writer.bytes };
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

/** Reads a packed delta for a vector of that width. */
export function unpackDelta(bytes: Uint8Array, width: number): Unpacked {
  if (bytes.length < headerBytes) return { fault: "packed delta is shorter than its header" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(0);
  if (version !== packedVersion) {
    return {
      fault: `packed delta is of version ${version}, this program reads ${packedVersion}: all members must run one version of glissade`,
    };
  }
  const form = view.getUint8(1);
  const format = valueFormats[form & ~denseBit];
  if (format === undefined) return { fault: `packed delta has unknown form ${form}` };
  const count = view.getUint32(4, true);
  if (count > width) return { fault: "packed delta has more values than columns" };
  const dense = (form & denseBit) !== 0;
  if (dense && count !== width) return { fault: "dense packed delta is of another width" };
  const size = format === "f32" ? 32 : layouts[format].fraction + view.getUint8(10) + 1;
  const valueBytes = Math.ceil((count * size) / 8);
  // Before any room is made: a count that the bytes can't hold is known by the values alone.
  const start = bytes.length - valueBytes;
  if (start < headerBytes || (dense && start !== headerBytes)) {
    return { fault: "values do not fill the packed delta" };
  }
  const gaps = bytes.subarray(headerBytes, start);
  const index = dense ? null : readGaps(gaps, { count, width, parameter: view.getUint8(8) });
  if (typeof index === "string") return { fault: index };
  const value = readValues(view, start, { count, format });
  if (typeof value === "string") return { fault: value };
  return { delta: index ? { index, value } : value };
}

const unpacked = new WeakMap<Uint8Array, { readonly width: number; readonly read: Unpacked }>();

/** The same for bytes that nobody changes: who looks at a message, and who then takes it, unpack it once. */
export function unpackOnce(bytes: Uint8Array, width: number): Unpacked {
  const known = unpacked.get(bytes);
  if (known?.width === width) return known.read;
  const read = unpackDelta(bytes, width);
  unpacked.set(bytes, { width, read });
  return read;
}

function readGaps(
  bytes: Uint8Array,
  { count, width, parameter }: { count: number; width: number; parameter: number },
): Uint32Array | string {
  if (parameter > 24) return "gaps have an unknown parameter";
  const index = new Uint32Array(count);
  const reader = { bytes, at: 0 };
  let before = -1;
  for (let k = 0; k < count; k++) {
    const gap = readRice(reader, parameter, width - before - 2);
    if (gap === null) return "gap has no end or leads beyond the columns";
    before += gap + 1;
    index[k] = before;
  }
  return Math.ceil(reader.at / 8) === bytes.length ? index : "gaps do not fill their bytes";
}

function readValues(
  view: DataView,
  start: number,
  { count, format }: { count: number; format: ValueFormat },
): Float32Array | string {
  const value = new Float32Array(count);
  if (format === "f32") {
    for (let i = 0; i < count; i++) value[i] = view.getFloat32(start + 4 * i, true);
    return value;
  }
  const { fraction, exponent } = layouts[format];
  const [least, bits] = [view.getUint8(9), view.getUint8(10)];
  if (bits > exponent) return "exponents are longer than their format";
  const scale = 2 ** -view.getInt16(2, true);
  const { buffer, byteOffset, byteLength } = view;
  const reader = { bytes: new Uint8Array(buffer, byteOffset, byteLength), at: 8 * start };
  for (let i = 0; i < count; i++) {
    // Their number of bytes was checked: they are all there.
    const read = readBits(reader, fraction + bits + 1)!;
    const high = least + ((read >>> fraction) & ((1 << bits) - 1));
    if (high >> exponent !== 0) return "exponent is beyond its format";
    const low = read & ((1 << fraction) - 1);
    const word = ((read >>> (fraction + bits)) << 15) | (high << fraction) | low;
    value[i] = format === "f16" ? fromHalf(word) * scale : fromBfloat16(word);
  }
  return value;
}

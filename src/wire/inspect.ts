/**
 * Looks at a message of another member before a strategy sees it: values must be numbers of a size that training
 * can reach, indices must lie within the model. Whoever sends others is broken or hostile; nothing of such
 * a message is acted upon.
 *
 * One pass sums the squares of each array: a sum that is no finite number shows NaN and infinity too, since
 * squares of 32-bit values can't overflow in double precision.
 */
import type { SparseDelta } from "../math/update.ts";
import type { FrameField } from "./frame.ts";
import { unpackOnce } from "./packed.ts";

/** What a message may hold. */
export interface Plausible {
  /** Columns of the model. */
  readonly width: number;
  /** Largest norm of an array, in v-space: the largest norm of weights divided by s(T). */
  readonly normMax: number;
}

/** Arrays of no column, such as counts and clocks of members, may be this long. */
const otherLengthMax = 1 << 16;

/** Why no member sends such a field, in words; null when one may: for fields of which nothing else is known. */
export function implausibleField(field: FrameField, plausible: Plausible): string | null {
  if (typeof field === "number") return numberFault(field);
  if (typeof field !== "object" || field === null) return null;
  if (!ArrayBuffer.isView(field)) return sparseFault(field, plausible);
  if (field instanceof Float32Array || field instanceof Float64Array) {
    return arrayFault(field, plausible);
  }
  // Bytes may be anything a strategy packs; those that are a packed delta are looked at as one.
  if (!(field instanceof Uint8Array) || "fault" in unpackOnce(field, plausible.width)) return null;
  return deltaFault(field, plausible);
}

/** Why a field is no sparse or packed delta of that width; null when it is one. */
export function deltaFault(field: FrameField, plausible: Plausible): string | null {
  if (typeof field !== "object" || field === null) return "is no delta";
  if (!ArrayBuffer.isView(field)) return sparseFault(field, plausible);
  if (!(field instanceof Uint8Array)) return "is no delta";
  const read = unpackOnce(field, plausible.width);
  if ("fault" in read) return `is none: ${read.fault}`;
  const { delta } = read;
  return ArrayBuffer.isView(delta) ? arrayFault(delta, plausible) : sparseFault(delta, plausible);
}

function numberFault(value: number): string | null {
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return null;
  return `is ${value}, which is no count or measure`;
}

function sparseFault({ index, value }: SparseDelta, plausible: Plausible): string | null {
  const { width } = plausible;
  let largest = 0;
  for (let k = 0; k < index.length; k++) if (index[k]! > largest) largest = index[k]!;
  if (index.length > 0 && largest >= width) {
    return `has index ${largest}, the model has ${width} columns`;
  }
  return arrayFault(value, plausible);
}

function arrayFault(
  values: Float32Array | Float64Array,
  { width, normMax }: Plausible,
): string | null {
  if (values.length > Math.max(width, otherLengthMax)) {
    return `has ${values.length} values, the model has ${width} columns`;
  }
  const squares = sumOfSquares(values);
  if (squares <= Math.min(normMax * normMax, Number.MAX_VALUE)) return null;
  return Number.isFinite(squares)
    ? `has norm ${Math.sqrt(squares).toPrecision(3)}, more than ${normMax.toPrecision(3)}`
    : "has values that are no numbers";
}

/** Four sums at a time, which processors add side by side. */
function sumOfSquares(values: Float32Array | Float64Array): number {
  const whole = values.length & ~3;
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < whole; i += 4) {
    a += values[i]! * values[i]!;
    b += values[i + 1]! * values[i + 1]!;
    c += values[i + 2]! * values[i + 2]!;
    d += values[i + 3]! * values[i + 3]!;
  }
  for (let i = whole; i < values.length; i++) a += values[i]! * values[i]!;
  return a + b + c + d;
}

/**
 * Error feedback: what is not sent now is carried and sent later, in v-space.
 *
 *     p = carried + produced;   sent = round(the chosen coordinates of p);   carried = p - sent
 *
 * Chosen: the `topK` largest in size (0: all), of those at least `tolerance` times the largest. What rounding
 * to f16 or bf16 takes away is carried too, and sent once it is as large as what rounding takes from the largest.
 *
 * Source: Seide et al. 2014, "1-bit stochastic gradient descent"; Stich et al. 2018, arXiv 1809.07599;
 * algorithms.md, section 5.
 * Invariant: sent + carried = produced, rounding included.
 */
import { type Delta, isDense } from "../math/update.ts";
import { packDelta, unpackDelta, type ValueFormat } from "./packed.ts";

/** What to send of an update. */
export interface Thinning {
  readonly values: ValueFormat;
  readonly topK: number;
  readonly tolerance: number;
}

/** By how much of itself a value may be rounded. */
const roundingShare: Readonly<Record<ValueFormat, number>> = {
  f32: 0,
  f16: 2 ** -11,
  bf16: 2 ** -8,
};

/** What was produced and not sent yet, by coordinate. */
export type Carry = Float64Array;

/** Nothing carried. */
export function createCarry(width: number): Carry {
  return new Float64Array(width);
}

/** Adds what was produced. */
export function produce(carry: Carry, delta: Delta): void {
  if (isDense(delta)) for (let i = 0; i < delta.length; i++) carry[i]! += delta[i]!;
  else {
    const { index, value } = delta;
    for (let k = 0; k < index.length; k++) carry[index[k]!]! += value[k]!;
  }
}

/** Takes what is to be sent now out of the carry; returns it packed. */
export function draw(carry: Carry, thinning: Thinning): Uint8Array {
  // What rounding left of values sent before is no reason to send them again: it waits until it is a value's own size.
  const tolerance = Math.max(thinning.tolerance, roundingShare[thinning.values]);
  const packed = packPart(carry, { ...thinning, tolerance });
  const delta = unpackOwn(packed, carry.length);
  if (isDense(delta)) for (let i = 0; i < delta.length; i++) carry[i]! -= delta[i]!;
  else {
    const { index, value } = delta;
    for (let k = 0; k < index.length; k++) carry[index[k]!]! -= value[k]!;
  }
  return packed;
}

/** The chosen part of a vector, rounded and packed, in the form that takes fewer bytes; the vector stays. */
export function packPart(vector: Carry | Float32Array, thinning: Thinning): Uint8Array {
  const { values, topK, tolerance } = thinning;
  const least = thresholdOf(vector, { topK, tolerance });
  const index = new Uint32Array(topK > 0 ? Math.min(topK, vector.length) : vector.length);
  let count = 0;
  for (let i = 0; i < vector.length && count < index.length; i++) {
    if (vector[i] !== 0 && Math.abs(vector[i]!) >= least) index[count++] = i;
  }
  const chosen = index.slice(0, count);
  const sparse = packDelta(
    { index: chosen, value: Float32Array.from(chosen, (i) => vector[i]!) },
    values,
  );
  if (2 * count < vector.length) return sparse;
  const all = new Float32Array(vector.length);
  for (const i of chosen) all[i] = vector[i]!;
  const dense = packDelta(all, values);
  return dense.length < sparse.length ? dense : sparse;
}

/** What those who receive a packed delta of ours will read. */
export function unpackOwn(packed: Uint8Array, width: number): Delta {
  const read = unpackDelta(packed, width);
  if ("fault" in read) throw new Error(`A delta of our own is no delta: ${read.fault}`);
  return read.delta;
}

/** The least size of a coordinate that is sent. */
function thresholdOf(
  vector: Carry | Float32Array,
  { topK, tolerance }: { topK: number; tolerance: number },
): number {
  let largest = 0;
  for (let i = 0; i < vector.length; i++) largest = Math.max(largest, Math.abs(vector[i]!));
  const least = tolerance * largest;
  if (topK === 0 || topK >= vector.length) return least;
  const sizes = Float64Array.from(vector)
    .map(Math.abs)
    .filter((size) => size > 0 && size >= least);
  return sizes.length <= topK ? least : ascendingAt(sizes, sizes.length - topK);
}

/** The number that would be at this place if they were sorted (Hoare's FIND); changes their order. */
function ascendingAt(numbers: Float64Array, place: number): number {
  let low = 0;
  let high = numbers.length - 1;
  while (low < high) {
    const pivot = numbers[(low + high) >> 1]!;
    let [left, right] = [low, high];
    while (left <= right) {
      while (numbers[left]! < pivot) left++;
      while (numbers[right]! > pivot) right--;
      if (left > right) break;
      const kept = numbers[left]!;
      numbers[left++] = numbers[right]!;
      numbers[right--] = kept;
    }
    if (place <= right) high = right;
    else if (place >= left) low = left;
    else break;
  }
  return numbers[place]!;
}

/** The values of a model without what is still carried: what everybody who got all that was sent has. */
export function withoutCarry(values: Float32Array, carry: Carry): Float32Array {
  return values.map((x, i) => x - carry[i]!);
}

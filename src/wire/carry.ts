/**
 * Error feedback: what is not sent now is carried and sent later, in v-space.
 *
 *     p = carried + produced;   sent = round(the chosen coordinates of p);   carried = p - sent
 *
 * Chosen: the `topK` largest in size (0: all), of those at least `tolerance` times the largest. What rounding
 * to f16 or bf16 takes away is carried too.
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
export function draw(carry: Carry, { values, topK, tolerance }: Thinning): Uint8Array {
  const least = thresholdOf(carry, { topK, tolerance });
  const chosen: number[] = [];
  for (let i = 0; i < carry.length; i++) {
    if (carry[i] !== 0 && Math.abs(carry[i]!) >= least) chosen.push(i);
  }
  const index = Uint32Array.from(topK > 0 && chosen.length > topK ? chosen.slice(0, topK) : chosen);
  const value = Float32Array.from(index, (i) => carry[i]!);
  const packed = packDelta({ index, value }, values);
  const sent = unpackDelta(packed, carry.length);
  if ("delta" in sent && !isDense(sent.delta)) {
    for (let k = 0; k < index.length; k++) carry[index[k]!]! -= sent.delta.value[k]!;
  }
  return packed;
}

function thresholdOf(carry: Carry, { topK, tolerance }: { topK: number; tolerance: number }) {
  let largest = 0;
  for (let i = 0; i < carry.length; i++) largest = Math.max(largest, Math.abs(carry[i]!));
  const least = tolerance * largest;
  if (topK === 0 || topK >= carry.length) return least;
  const sizes = carry.map(Math.abs).sort();
  return Math.max(least, sizes[sizes.length - topK]!);
}

/** The values of a model without what is still carried: what everybody who got all that was sent has. */
export function withoutCarry(values: Float32Array, carry: Carry): Float32Array {
  return values.map((x, i) => x - carry[i]!);
}

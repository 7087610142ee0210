/**
 * An update is what a worker hands out: how many rows it learned, and what they add to v.
 *
 * A replica is (v, T), with w = s(T) * v and s a function of T alone; decay is never sent, it is the
 * count. Update = { rows, delta } and applying an update adds both, so updates commute: whatever the
 * order, replicas that applied the same set agree up to rounding.
 *
 * Source: algorithms.md, sections 0 and 12 ("simplest state").
 * Invariant: updates commute, up to rounding.
 * Invariant: adding updates is associative, up to rounding.
 * Invariant: the empty update changes nothing.
 *
 * Rounding is fixed, so that a kernel and this file give the same bits: a weight is rounded to f32,
 * then each product is rounded to f32, then each sum is.
 */

/** Changes of few coordinates of v; `index` ascends and has no duplicates. */
export interface SparseDelta {
  readonly index: Uint32Array;
  readonly value: Float32Array;
}

/** A change of v: every coordinate, or the changed ones only, whichever is smaller. */
export type Delta = SparseDelta | Float32Array;

/** What a worker learned: `rows` is added to T, `delta` to v. Never changed once made. */
export interface Update {
  readonly rows: number;
  readonly delta: Delta;
}

/** A half-open range of coordinates [from, to). */
export interface KeyRange {
  readonly from: number;
  readonly to: number;
}

/** The update that changes nothing. */
export const emptyUpdate: Update = {
  rows: 0,
  delta: { index: new Uint32Array(0), value: new Float32Array(0) },
};

/** Whether a delta lists every coordinate. */
export function isDense(delta: Delta): delta is Float32Array {
  return delta instanceof Float32Array;
}

/** values += weight * delta, rounded as the head of this file says. */
export function addDelta(values: Float32Array, delta: Delta, weight = 1): void {
  if (isDense(delta)) addDense(values, delta, weight);
  else addSparse(values, delta, weight);
}

function addDense(values: Float32Array, delta: Float32Array, weight: number): void {
  const count = values.length;
  if (weight === 1) {
    for (let i = 0; i < count; i++) values[i]! += delta[i]!;
    return;
  }
  const factor = Math.fround(weight);
  for (let i = 0; i < count; i++) values[i]! += Math.fround(factor * delta[i]!);
}

function addSparse(values: Float32Array, { index, value }: SparseDelta, weight: number): void {
  const factor = Math.fround(weight);
  for (let i = 0; i < index.length; i++) values[index[i]!]! += Math.fround(factor * value[i]!);
}

/** A delta as every coordinate of a vector of this width; a copy. */
export function toDense(delta: Delta, width: number): Float32Array {
  const dense = new Float32Array(width);
  addDelta(dense, delta);
  return dense;
}

/** The sum of two updates: applying it is applying both. */
export function addUpdates(a: Update, b: Update, width: number): Update {
  const delta = toDense(a.delta, width);
  addDelta(delta, b.delta);
  return { rows: a.rows + b.rows, delta: smallest(delta) };
}

/** The part of an update inside a key range, with indices counted from the range's start. */
export function sliceUpdate(update: Update, { from, to }: KeyRange): Update {
  const { rows, delta } = update;
  if (isDense(delta)) {
    if (from === 0 && to === delta.length) return update;
    return { rows, delta: delta.slice(from, to) };
  }
  const first = lowerBound(delta.index, from);
  const last = lowerBound(delta.index, to);
  if (from === 0 && last === delta.index.length) return update;
  const index = delta.index.slice(first, last);
  for (let i = 0; i < index.length; i++) index[i]! -= from;
  return { rows, delta: { index, value: delta.value.slice(first, last) } };
}

/** after - before as a delta, in the smaller of the two forms. */
export function differenceOf(before: Float32Array, after: Float32Array): Delta {
  const count = after.length;
  const delta = new Float32Array(count);
  let nonZeros = 0;
  for (let i = 0; i < count; i++) {
    const change = after[i]! - before[i]!;
    delta[i] = change;
    if (change !== 0) nonZeros++;
  }
  return smallerForm(delta, nonZeros);
}

/** The same change with only its non-zeros listed, when that takes fewer bytes. */
export function smallest(delta: Float32Array): Delta {
  let nonZeros = 0;
  for (let i = 0; i < delta.length; i++) if (delta[i] !== 0) nonZeros++;
  return smallerForm(delta, nonZeros);
}

function smallerForm(delta: Float32Array, nonZeros: number): Delta {
  return 2 * nonZeros >= delta.length ? delta : listNonZeros(delta, nonZeros);
}

/** A delta that lists the non-zeros of a vector, of which there are so many. */
function listNonZeros(delta: Float32Array, nonZeros: number): SparseDelta {
  const index = new Uint32Array(nonZeros);
  const value = new Float32Array(nonZeros);
  for (let i = 0, k = 0; k < nonZeros; i++) {
    if (delta[i] === 0) continue;
    index[k] = i;
    value[k++] = delta[i]!;
  }
  return { index, value };
}

/**
 * How concurrent updates become one: their sum, their mean, or their sum where each worker learned as if it saw the
 * others' (math/anticipation.ts).
 */
export type Merge = "sum" | "mean" | "anticipate";

/**
 * The weight each concurrent update is applied with: 1 each where they are summed; under `mean` its share of
 * the rows, so that unequal workers give the row-weighted mean and a single one gives exactly 1.
 */
export function mergeWeights(rows: readonly number[], merge: Merge): number[] {
  if (merge !== "mean") return rows.map(() => 1);
  const total = rows.reduce((sum, count) => sum + count, 0);
  return rows.map((count) => (total === 0 ? 0 : count / total));
}

/** The key range of part `part` of `parts`: sizes differ by at most one. */
export function keyRange(part: number, { parts, width }: { parts: number; width: number }) {
  return {
    from: Math.floor((part * width) / parts),
    to: Math.floor(((part + 1) * width) / parts),
  };
}

function lowerBound(index: Uint32Array, bound: number): number {
  let low = 0;
  let high = index.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (index[middle]! < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

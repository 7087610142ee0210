/**
 * Spectral gap of a mixing matrix: 1 - |lambda_2|, the rate at which replicas agree. The second
 * eigenvalue in absolute value is the norm of W on vectors that sum to zero, found by Lanczos' method
 * with full re-orthogonalisation; the eigenvalues of its tridiagonal matrix by bisection (Sturm).
 *
 * Source: Golub and Van Loan, Matrix Computations, sections 10.1 and 8.4.
 */
import { nextNormal, randomStream } from "../math/random.ts";
import { type MixingRow, mixingRow } from "./mixing.ts";
import type { Topology } from "./topology.ts";

const stepsMax = 240;

/** 1 - |lambda_2| of the topology's mixing matrix for n members; 1 for a single member. */
export function spectralGap(topology: Topology, n: number): number {
  if (n === 1) return 1;
  const rows = Array.from({ length: n }, (_, rank) => mixingRow(topology, rank, n));
  const { diagonal, beside } = lanczos(rows);
  const radius = 1.0000001;
  const top = bisect((x) => countBelow(diagonal, beside, x) < diagonal.length, -radius, radius);
  const bottom = bisect((x) => countBelow(diagonal, beside, x) < 1, -radius, radius);
  return 1 - Math.max(Math.abs(top), Math.abs(bottom));
}

function lanczos(rows: readonly MixingRow[]) {
  const diagonal: number[] = [];
  const beside: number[] = [];
  const basis: Float64Array[] = [];
  let vector = startVector(rows.length);
  for (let k = 0; k < Math.min(stepsMax, rows.length - 1); k++) {
    basis.push(vector);
    const next = multiply(rows, vector);
    diagonal.push(dot(next, vector));
    removeMean(next);
    // Twice is enough (Parlett): one pass leaves errors of the size it removes.
    for (let pass = 0; pass < 2; pass++) for (const known of basis) removePart(next, known);
    const length = Math.sqrt(dot(next, next));
    if (length < 1e-10) break;
    for (let i = 0; i < next.length; i++) next[i]! /= length;
    beside.push(length);
    vector = next;
  }
  return { diagonal, beside };
}

function startVector(n: number): Float64Array {
  const stream = randomStream({ seed: 1, purpose: "spectral-gap" });
  const vector = Float64Array.from({ length: n }, () => nextNormal(stream));
  removeMean(vector);
  const length = Math.sqrt(dot(vector, vector));
  return vector.map((x) => x / length);
}

function multiply(rows: readonly MixingRow[], vector: Float64Array): Float64Array {
  return Float64Array.from(rows, ({ ranks, weights }) => {
    let sum = 0;
    for (let k = 0; k < ranks.length; k++) sum += weights[k]! * vector[ranks[k]!]!;
    return sum;
  });
}

function removeMean(vector: Float64Array): void {
  const mean = vector.reduce((sum, x) => sum + x, 0) / vector.length;
  for (let i = 0; i < vector.length; i++) vector[i]! -= mean;
}

function removePart(vector: Float64Array, direction: Float64Array): void {
  const part = dot(vector, direction);
  for (let i = 0; i < vector.length; i++) vector[i]! -= part * direction[i]!;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** How many eigenvalues of the tridiagonal matrix are below x (Sturm's sequence). */
function countBelow(diagonal: readonly number[], beside: readonly number[], x: number): number {
  let count = 0;
  let pivot = 1;
  for (let i = 0; i < diagonal.length; i++) {
    const coupling = i === 0 ? 0 : beside[i - 1]! ** 2 / pivot;
    pivot = diagonal[i]! - x - coupling;
    if (pivot === 0) pivot = 1e-300;
    if (pivot < 0) count++;
  }
  return count;
}

/** The x in [low, high] at which `isBelow` turns from true to false. */
function bisect(isBelow: (x: number) => boolean, low: number, high: number): number {
  let [from, to] = [low, high];
  for (let i = 0; i < 60; i++) {
    const middle = (from + to) / 2;
    if (isBelow(middle)) from = middle;
    else to = middle;
  }
  return (from + to) / 2;
}

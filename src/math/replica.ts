/**
 * A replica: one member's copy of the model, (v, T) with w = s(T) * v.
 *
 * This is the slow twin: plain loops with the rounding of update.ts. An engine may give a strategy
 * another body of the same port, over kernels; the bits are the same.
 */
import { addDelta, type Update } from "./update.ts";

/** s(T): what v is multiplied by to give the weights, after T rows. */
export type Scale = (rows: number) => number;

/** A copy of a replica's state, in v-space. Never changed once made. */
export interface Model {
  readonly rows: number;
  readonly values: Float32Array;
}

/** The port through which a strategy reaches its member's model; never part of a strategy's state. */
export interface Replica {
  /** T: rows applied, from all members. */
  rows: number;
  /** v, or the key range of it that a server holds. Only the operations below may change it. */
  readonly values: Float32Array;
  readonly scale: Scale;
  /** v += weight * delta, T += weight * rows. */
  apply(update: Update, weight?: number): void;
  /** A copy in v-space. */
  snapshot(): Model;
  /** Overwrites v from coordinate `offset` on, and T. */
  load(model: Model, offset?: number): void;
  /** A copy in w-space: s(T) * v, each product rounded to f32. */
  weights(): Float32Array;
  /** Sets T to `rows` and v to weights / s(rows), each quotient rounded to f32. */
  setWeights(weights: Float32Array, rows: number): void;
}

/** A replica of zeros; `scale` is s(T). */
export function createReplica(width: number, scale: Scale = scaleOne): Replica {
  return replicaOver(new Float32Array(width), scale);
}

/** A replica whose v is this array, for memory that somebody else gave out. */
export function replicaOver(values: Float32Array, scale: Scale): Replica {
  return { rows: 0, values, scale, apply, snapshot, load, weights, setWeights };
}

function apply(this: Replica, update: Update, weight = 1): void {
  addDelta(this.values, update.delta, weight);
  this.rows += weight * update.rows;
}

function snapshot(this: Replica): Model {
  return { rows: this.rows, values: this.values.slice() };
}

function load(this: Replica, model: Model, offset = 0): void {
  this.values.set(model.values, offset);
  this.rows = model.rows;
}

function weights(this: Replica): Float32Array {
  const copy = this.values.slice();
  const scale = this.scale(this.rows);
  if (scale !== 1) for (let i = 0; i < copy.length; i++) copy[i] = scale * copy[i]!;
  return copy;
}

function setWeights(this: Replica, source: Float32Array, rows: number): void {
  this.rows = rows;
  this.values.set(source);
  const scale = this.scale(rows);
  const values = this.values;
  if (scale !== 1) for (let i = 0; i < values.length; i++) values[i] = values[i]! / scale;
}

function scaleOne(): number {
  return 1;
}

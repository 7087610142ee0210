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
  /** Moves v and T halfway to a model's; returns what that added, in room that is lent. */
  meet(model: Model): Update & { readonly delta: Float32Array };
  /** A copy in v-space. */
  snapshot(): Model;
  /** A copy in v-space, in room that is lent: for those who make many and keep few. */
  lend(): Model;
  /** Takes back what `lend` or `meet` gave out, once nobody will read it; what never comes back is lost. */
  takeBack(lent: Float32Array): void;
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
  return {
    rows: 0,
    values,
    scale,
    apply,
    meet,
    snapshot,
    lend: snapshot,
    takeBack,
    load,
    weights,
    setWeights,
  };
}

function apply(this: Replica, update: Update, weight = 1): void {
  addDelta(this.values, update.delta, weight);
  this.rows += weight * update.rows;
}

function meet(this: Replica, model: Model) {
  const delta = halfDifference(model.values, this.values);
  const update = { rows: (model.rows - this.rows) / 2, delta };
  this.apply(update);
  return update;
}

/** Half of what one vector is above another, each difference rounded to f32. */
export function halfDifference(theirs: Float32Array, own: Float32Array): Float32Array {
  const half = new Float32Array(own.length);
  for (let i = 0; i < half.length; i++) half[i] = Math.fround(theirs[i]! - own[i]!) / 2;
  return half;
}

function snapshot(this: Replica): Model {
  return { rows: this.rows, values: this.values.slice() };
}

/** Plain arrays are the garbage collector's affair. */
function takeBack(): void {}

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

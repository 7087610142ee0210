/**
 * A replica in commuting form: (v, T), w = s(T) * v (design: algorithms.md, section 12). v lives in the arena, relative
 * to a base b: w = exp(logS(T) - b) * v. When |logS(T) - b| > 20 the replica re-bases: it multiplies v
 * through and moves b, so that v neither overflows nor sinks. Re-basing is local: updates are handed out
 * relative to base 0 only by schedules that never re-base, and carry their base otherwise.
 */
import type { Arena } from "../kernels/arena.ts";
import type { KernelExports } from "../kernels/exports.ts";
import type { Schedule } from "../model/schedule.ts";

export interface Replica {
  readonly v: Float32Array;
  /** Address of v in the arena. */
  readonly address: number;
  readonly width: number;
  /** Rows learned so far, by everyone whose updates were applied. */
  t: number;
  base: number;
}

const baseDistanceMax = 20;

export function createReplica(arena: Arena, width: number): Replica {
  const v = arena.allocateF32(width);
  v.fill(0);
  return { v, address: v.byteOffset, width, t: 0, base: 0 };
}

/** What w = scale * v takes. */
export function scaleOf(replica: Replica, schedule: Schedule): number {
  return Math.exp(schedule.logScale(replica.t) - replica.base);
}

/** Moves the base when the scale has drifted; true when it did. */
export function rebase(replica: Replica, schedule: Schedule, kernels: KernelExports): boolean {
  const distance = schedule.logScale(replica.t) - replica.base;
  if (Math.abs(distance) <= baseDistanceMax) return false;
  kernels.scaleDense(Math.exp(distance), replica.address, replica.width);
  replica.base += distance;
  return true;
}

/** w itself, copied out. */
export function weightsOf(replica: Replica, schedule: Schedule): Float32Array {
  const scale = scaleOf(replica, schedule);
  return replica.v.map((x) => scale * x);
}

/** Starts the replica at given weights: T = 0, where s = 1. */
export function setWeights(replica: Replica, weights: Float32Array): void {
  replica.v.set(weights);
  replica.t = 0;
  replica.base = 0;
}

/** Starts the replica at w = 0. */
export function clearWeights(replica: Replica): void {
  replica.v.fill(0);
  replica.t = 0;
  replica.base = 0;
}

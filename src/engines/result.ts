/**
 * The result of a run: the servers' ranges put together, or the mean of the workers' replicas, reported
 * with how far apart they are.
 */
import type { Model, Replica } from "../math/replica.ts";
import type { SeatPlan } from "../strategies/strategy.ts";

/** A member's replica at the end, and what part of the model it holds. */
export interface HeldReplica {
  readonly seat: SeatPlan;
  readonly replica: Replica;
}

/** The model of a run. */
export function resultModel(held: readonly HeldReplica[], width: number): Model {
  const parts = partHolders(held);
  return parts.length > 0 ? joinRanges(parts, width) : meanOfReplicas(held);
}

/** Members that together hold one model: servers, or workers that own columns. */
function partHolders(held: readonly HeldReplica[]): readonly HeldReplica[] {
  const servers = held.filter(({ seat }) => seat.role === "server");
  if (servers.length > 0) return servers;
  return held.some(({ seat }) => seat.range.from > 0) ? held : [];
}

function joinRanges(parts: readonly HeldReplica[], width: number): Model {
  const values = new Float32Array(width);
  let rows = 0;
  // Of a server and its standby the one that knows more is written last.
  for (const { seat, replica } of [...parts].sort((a, b) => a.replica.rows - b.replica.rows)) {
    values.set(replica.values, seat.range.from);
    rows = Math.max(rows, replica.rows);
  }
  return { rows, values };
}

/**
 * The mean of the replicas' weights as a model at the mean of their T, summed in rank order in f64: the
 * mean of equal replicas is those replicas, bit for bit.
 */
function meanOfReplicas(held: readonly HeldReplica[]): Model {
  const first = held[0]!.replica;
  if (held.every(({ replica }) => sameBits(replica, first))) return first.snapshot();
  const rows = held.reduce((sum, { replica }) => sum + replica.rows, 0) / held.length;
  const sum = new Float64Array(first.values.length);
  for (const { replica } of held) {
    const factor = replica.scale(replica.rows) / held.length;
    for (let i = 0; i < sum.length; i++) sum[i]! += factor * replica.values[i]!;
  }
  const scale = first.scale(rows);
  return { rows, values: Float32Array.from(sum, (x) => x / scale) };
}

function sameBits(a: Replica, b: Replica): boolean {
  if (a === b) return true;
  if (a.rows !== b.rows) return false;
  for (let i = 0; i < a.values.length; i++) if (a.values[i] !== b.values[i]) return false;
  return true;
}

/** Largest distance of a worker's weights from their mean, relative to the mean's norm; 0 for parts. */
export function distanceApart(held: readonly HeldReplica[], mean: Model): number {
  if (partHolders(held).length > 0) return 0;
  const scale = held[0]!.replica.scale(mean.rows);
  const norm = scale * normOf(mean.values);
  let farthest = 0;
  for (const { replica } of held) {
    const own = replica.scale(replica.rows);
    let squares = 0;
    for (let i = 0; i < mean.values.length; i++) {
      squares += (own * replica.values[i]! - scale * mean.values[i]!) ** 2;
    }
    farthest = Math.max(farthest, Math.sqrt(squares));
  }
  return norm === 0 ? farthest : farthest / norm;
}

function normOf(values: Float32Array): number {
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i]! ** 2;
  return Math.sqrt(squares);
}

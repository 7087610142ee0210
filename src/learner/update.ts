/**
 * learn(replica, rows) -> update: what every strategy's worker does (design: algorithms.md, section 0). The rows are
 * learned on a private copy; what they changed is handed out as an update, and the replica stays as it was.
 */
import { addDelta, type Delta, type Update } from "../math/update.ts";
import type { Schedule } from "../model/schedule.ts";
import type { Counted } from "./anticipation.ts";
import { chunkRows, fillChunk, type LearnContext, sgdKernelOf } from "./context.ts";
import { type Replica, rebase } from "./replica.ts";
import { type RowList, sliceRows } from "./rows.ts";

export interface UpdateOptions {
  /** local: sequential steps on the private copy; gradient: all slopes taken at the replica's own weights. */
  readonly mode: "local" | "gradient";
  /** How far T advances a row inside the run: the members whose updates will be summed, else 1. */
  readonly stride: number;
  /** local: how steps count on the private copy, and T's stride there; null: once. */
  readonly counted: Counted | null;
}

/** Room for private copies and for the list of what changed; one a worker, reused by every update. */
export interface UpdateRoom {
  readonly copy: Float32Array;
  readonly index: Uint32Array;
  readonly value: Float32Array;
  /** A bit a coordinate, all 0 between updates; words of 64. */
  readonly touched: Uint32Array;
}

export function createUpdateRoom(context: LearnContext, width: number): UpdateRoom {
  const { arena } = context;
  // Lists are handed out where less than half has changed; the kernel writes one beyond.
  const listed = (width >>> 1) + 1;
  return {
    copy: arena.allocateF32(width),
    index: arena.allocateU32(listed),
    value: arena.allocateF32(listed),
    touched: arena.allocateU32(2 * Math.ceil(width / 64)).fill(0),
  };
}

/** Learns the rows in order and returns what they add to v, relative to the replica's base. */
export function learnUpdate(
  context: LearnContext,
  schedule: Schedule,
  room: UpdateRoom,
  replica: Replica,
  list: RowList,
  { mode, counted, ...options }: UpdateOptions,
): Update {
  const { copy } = room;
  const { kernels } = context;
  const local = mode === "local";
  const steps = local && counted ? counted.sigma : null;
  const stride = local && counted ? counted.stride : options.stride;
  // Few rows on a wide model: only what they touch is copied and compared. The bits are the same.
  const sparse =
    local && !steps && 2 * kernels.countEntries(list.address, list.count) < copy.length;
  if (sparse) kernels.copyTouched(list.address, list.count, replica.address, copy.byteOffset);
  else if (local) copy.set(replica.v);
  else copy.fill(0);
  const read = local ? copy.byteOffset : replica.address;
  for (let start = 0; start < list.count; start += chunkRows) {
    const rows = sliceRows(list, start, Math.min(list.count, start + chunkRows));
    const t = replica.t + start * stride;
    const frozenAt = local ? null : replica.t;
    learnChunk(context, schedule, { read, write: copy.byteOffset }, rows, {
      t,
      stride,
      base: replica.base,
      frozenAt,
      steps,
    });
  }
  if (sparse) return { rows: list.count, delta: touchedIn(context, room, replica, list) };
  if (local) {
    const { byteOffset } = copy;
    const { address, width } = replica;
    if (steps) {
      kernels.differenceCounted(byteOffset, address, steps.byteOffset, byteOffset, width);
    } else {
      kernels.differenceDense(byteOffset, address, byteOffset, width);
    }
  }
  return { rows: list.count, delta: deltaIn(context, room) };
}

/** The room's content as a delta of its own: every coordinate, or the non-zeros, whichever is smaller. */
export function deltaIn({ kernels }: LearnContext, { copy, index, value }: UpdateRoom): Delta {
  const { byteOffset, length } = copy;
  if (2 * kernels.countNonZeros(byteOffset, length) >= length) return copy.slice();
  const count = kernels.listNonZeros(byteOffset, length, index.byteOffset, value.byteOffset);
  return { index: index.slice(0, count), value: value.slice(0, count) };
}

/** What the rows of the list have changed in the room's copy. */
function touchedIn(
  { kernels }: LearnContext,
  { copy, index, value, touched }: UpdateRoom,
  { address }: Replica,
  list: RowList,
): Delta {
  const count = kernels.listTouched(
    list.address,
    list.count,
    copy.byteOffset,
    address,
    touched.byteOffset,
    touched.length / 2,
    index.byteOffset,
    value.byteOffset,
  );
  return { index: index.slice(0, count), value: value.slice(0, count) };
}

function learnChunk(
  context: LearnContext,
  schedule: Schedule,
  vectors: { read: number; write: number },
  rows: RowList,
  at: {
    t: number;
    stride: number;
    base: number;
    frozenAt: number | null;
    steps: Float32Array | null;
  },
): void {
  const { scale, coefficient, threshold } = context;
  const { t, stride, base, frozenAt, steps } = at;
  fillChunk(context, schedule, { t, stride, base, count: rows.count, frozen: frozenAt !== null });
  // A frozen batch reads the replica at one scale, that of its first row, in every chunk.
  if (frozenAt !== null) scale.fill(Math.exp(schedule.logScale(frozenAt) - base));
  if (steps) {
    context.kernels.anticipateRows(
      context.loss.code,
      rows.address,
      rows.count,
      vectors.write,
      steps.byteOffset,
      scale.byteOffset,
      coefficient.byteOffset,
      threshold,
    );
    return;
  }
  sgdKernelOf(context)(
    rows.address,
    rows.count,
    vectors.read,
    vectors.write,
    scale.byteOffset,
    coefficient.byteOffset,
    threshold,
  );
}

/** Learns the rows on the replica update by update, as one member of any strategy does. */
export function learnByUpdates(
  context: LearnContext,
  schedule: Schedule,
  room: UpdateRoom,
  replica: Replica,
  list: RowList,
  { mode, rowsPerUpdate }: { mode: "local" | "gradient"; rowsPerUpdate: number },
): void {
  for (let start = 0; start < list.count; start += rowsPerUpdate) {
    const rows = sliceRows(list, start, Math.min(list.count, start + rowsPerUpdate));
    const update = learnUpdate(context, schedule, room, replica, rows, {
      mode,
      stride: 1,
      counted: null,
    });
    applyUpdate(context, schedule, replica, update);
  }
}

/** Applies an update to the replica it was learned on, or to one with the same base. */
export function applyUpdate(
  context: LearnContext,
  schedule: Schedule,
  replica: Replica,
  { rows, delta }: Update,
): void {
  addDelta(replica.v, delta);
  replica.t += rows;
  rebase(replica, schedule, context.kernels);
}

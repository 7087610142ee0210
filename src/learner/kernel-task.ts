/**
 * The real task of every engine: rows in an arena, learned by the kernels. Its description is plain data (and
 * the shared memory), so any thread of the process can make the same task over the same blocks.
 */
import { viewBlock } from "../data/block.ts";
import { Arena } from "../kernels/arena.ts";
import { loadKernels } from "../kernels/loader.ts";
import { type Model, type Replica, replicaOver } from "../math/replica.ts";
import { isDense, type Update } from "../math/update.ts";
import type { LossName } from "../model/losses.ts";
import { createSchedule, type Schedule, type ScheduleSpec } from "../model/schedule.ts";
import { createStepsCounted, featureShares, type StepsCounted } from "./anticipation.ts";
import { columnLoads, createColumnsLearner } from "./columns.ts";
import { createContext, type LearnContext } from "./context.ts";
import type { RowSpan } from "./cursor.ts";
import type { Learner, LearnerSeat, LearnOptions, Task } from "./learner.ts";
import {
  type BlockRows,
  countRows,
  type RowList,
  type ShuffleShape,
  shuffleEpoch,
  shuffleShape,
  sliceRows,
} from "./rows.ts";
import { segmentRuns, segmentsPerWorker } from "./segments.ts";
import { judge, penaltyOf } from "./sgd.ts";
import { createUpdateRoom, learnUpdate, type UpdateRoom } from "./update.ts";

/** Rows of one block, as addresses: `rows` points to `count` row numbers (u32). */
export interface PartSpec {
  readonly block: number;
  readonly rows: number;
  readonly count: number;
}

/** A kernel task as data; structured-cloneable, the memory is shared and not copied. */
export interface KernelTaskSpec {
  readonly memory: WebAssembly.Memory;
  readonly width: number;
  readonly loss: LossName;
  readonly l2: number;
  readonly threshold: number;
  readonly schedule: ScheduleSpec;
  readonly train: readonly PartSpec[];
  /** Share of the training rows that have each feature (f32 in the memory); counted where it is needed and absent. */
  readonly shares?: number;
  /** Rows that evaluations look at, as a list of pairs. */
  readonly judged: { readonly address: number; readonly count: number };
}

/**
 * Describes a task to other threads: row numbers are copied into the arena, once. `shares` lie in it already, where updates
 * anticipate; threads that find none count for themselves.
 */
export function describeKernelTask(
  arena: Arena,
  given: Omit<KernelTaskSpec, "memory" | "train" | "judged" | "shares"> & {
    train: readonly BlockRows[];
    judged: RowList;
    shares?: Float32Array;
  },
): KernelTaskSpec {
  const { shares, ...options } = given;
  const train = options.train.map(({ block, rows }) => {
    const room = arena.allocateU32(rows.length);
    room.set(rows);
    return { block: block.byteOffset, rows: room.byteOffset, count: rows.length };
  });
  const { address, count } = options.judged;
  const described = { ...options, memory: arena.memory, train, judged: { address, count } };
  return shares ? { ...described, shares: shares.byteOffset } : described;
}

/** Makes the task in this thread; threads that share the memory see the same blocks. */
export function createKernelTask(spec: KernelTaskSpec): Task {
  const arena = new Arena(spec.memory);
  const context = createContext(arena, loadKernels(arena), spec);
  const schedule = createSchedule(spec.schedule);
  const parts = spec.train.map(({ block, rows, count }) => ({
    block: viewBlock(arena.buffer, block),
    rows: arena.u32(rows, count),
  }));
  const room = createUpdateRoom(context, spec.width);
  const scaleAt = (rows: number) => Math.exp(schedule.logScale(rows));
  const lent = createLentVectors(arena, spec.width);
  const steps = createStepsCounted(arena, () =>
    spec.shares === undefined
      ? featureShares([parts], spec.width)
      : arena.f32(spec.shares, spec.width),
  );
  return {
    name: "rows",
    width: spec.width,
    rows: countRows(parts),
    createReplica: (width) => kernelReplica(context, lent, width, scaleAt),
    columnLoads: () => columnLoads(parts, spec.width),
    createColumnLearner: (seat) => createColumnsLearner(context, schedule, parts, seat),
    createLearner: (seat) =>
      createPartsLearner({ context, schedule, room, steps }, ownedParts(parts, seat), seat),
    evaluate: (model) => evaluateModel(context, scaleAt, spec, model),
  };
}

/** Vectors of a thread's arena that replicas lend: the last one back is the next one out, still in the cache. */
interface LentVectors {
  readonly width: number;
  take(): Float32Array;
  /** Whether a vector is one of these: not by its buffer, of which a memory has a new one whenever it grows. */
  has(vector: Float32Array): boolean;
  takeBack(vector: Float32Array): void;
}

function createLentVectors(arena: Arena, width: number): LentVectors {
  const all = new WeakSet<Float32Array>();
  const back: Float32Array[] = [];
  return {
    width,
    take() {
      const vector = back.pop() ?? arena.allocateF32(width);
      all.add(vector);
      return vector;
    },
    has: (vector) => all.has(vector),
    takeBack(vector) {
      if (all.has(vector)) back.push(vector);
    },
  };
}

/** A replica in the arena, on which kernels add and average whole vectors: the same bits as the plain one's. */
function kernelReplica(
  { arena, kernels }: LearnContext,
  lent: LentVectors,
  width: number,
  scale: (rows: number) => number,
): Replica {
  const plain = replicaOver(arena.allocateF32(width).fill(0), scale);
  const { byteOffset: address } = plain.values;
  /** Does something with a vector, which is copied first where kernels can't reach it. */
  const reached = (vector: Float32Array, use: (address: number) => void) => {
    if (lent.has(vector)) return use(vector.byteOffset);
    const room = lent.take();
    room.set(vector);
    use(room.byteOffset);
    lent.takeBack(room);
  };
  // A server's part of v is narrower than what is lent, and nobody averages it.
  const whole = width === lent.width ? { meet, lend, takeBack: lent.takeBack } : {};
  return {
    ...plain,
    ...whole,
    apply(this: Replica, update: Update, weight = 1) {
      const { rows, delta } = update;
      if (!isDense(delta)) return plain.apply.call(this, update, weight);
      reached(delta, (from) => kernels.addDense(weight, from, address, width));
      this.rows += weight * rows;
    },
  };

  function meet(this: Replica, model: Model) {
    const delta = lent.take();
    reached(model.values, (theirs) =>
      kernels.halfDifference(theirs, address, delta.byteOffset, width),
    );
    const rows = (model.rows - this.rows) / 2;
    this.rows += rows;
    return { rows, delta };
  }

  function lend(this: Replica) {
    const values = lent.take();
    values.set(this.values);
    return { rows: this.rows, values };
  }
}

/**
 * The rows a worker owns: all training rows in their order are cut into segments, 16 a worker, which the seat names
 * or which are dealt out in turns. So every row has exactly one owner, and shares differ by at most a segment's rows.
 */
export function ownedParts(
  parts: readonly BlockRows[],
  seat: Pick<LearnerSeat, "rank" | "workers" | "segments">,
): BlockRows[] {
  const { rank, workers } = seat;
  const total = countRows(parts);
  const segments = segmentsPerWorker * workers;
  const named = seat.segments ? new Set(seat.segments) : null;
  const isOwn = (segment: number) => named?.has(segment) ?? segment % workers === rank;
  const owned: BlockRows[] = [];
  let first = 0;
  for (const { block, rows } of parts) {
    const runs = segmentRuns({ first, count: rows.length, total, segments });
    const mine = runs
      .filter(({ segment }) => isOwn(segment))
      .map(({ from, to }) => rows.subarray(from, to));
    if (mine.length > 0) owned.push({ block, rows: concatenate(mine) });
    first += rows.length;
  }
  return owned;
}

/** What learners of one thread share. */
export interface LearnerTools {
  readonly context: LearnContext;
  readonly schedule: Schedule;
  readonly room: UpdateRoom;
  readonly steps: StepsCounted;
  /** How epochs are shuffled, where the parts are copies and can't say it themselves. */
  readonly shape?: ShuffleShape;
}

/** A learner over rows of blocks. */
export function createPartsLearner(
  { context, schedule, room, steps, ...tools }: LearnerTools,
  parts: readonly BlockRows[],
  { rank, seed }: LearnerSeat,
): Learner {
  const rows = countRows(parts);
  const order = context.arena.allocateU32(2 * rows);
  const shape = tools.shape ?? shuffleShape(parts.map(({ block }) => block));
  let shuffled: { epoch: number; list: RowList } | null = null;
  const listOf = (epoch: number) => {
    if (shuffled?.epoch !== epoch) {
      shuffled = { epoch, list: shuffleEpoch(parts, shape, { seed, rank, epoch }, order) };
    }
    return shuffled.list;
  };
  return {
    rows,
    prepare({ mode, anticipate }) {
      listOf(0);
      if (anticipate && mode === "local") steps(anticipate);
    },
    learn(replica: Replica, span: RowSpan, { mode, stride, anticipate }: LearnOptions) {
      const list = sliceRows(listOf(span.epoch), span.from, span.to);
      const { values: v } = replica;
      const { byteOffset: address, length: width } = v;
      const state = { v, address, width, t: replica.rows, base: 0 };
      return learnUpdate(context, schedule, room, state, list, {
        mode,
        stride,
        counted: anticipate && mode === "local" ? steps(anticipate) : null,
      });
    },
    release: () => context.arena.release(order.byteOffset, order.byteLength),
  };
}

function evaluateModel(
  context: LearnContext,
  scaleAt: (rows: number) => number,
  spec: KernelTaskSpec,
  model: Model,
) {
  const { arena } = context;
  const room = arena.allocateF32(spec.width);
  room.set(model.values);
  const { address, count } = spec.judged;
  const list = { address, count, pairs: arena.u32(address, 2 * count) };
  const weights = { address: room.byteOffset, scale: scaleAt(model.rows), width: spec.width };
  const { loss, accuracy } = judge(context, weights, list);
  const objective = loss + penaltyOf(context, weights);
  arena.release(room.byteOffset, room.byteLength);
  return { objective, loss, accuracy: context.loss.classifies ? accuracy : Number.NaN };
}

function concatenate(arrays: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

/**
 * The reference learner: a linear model on rows in memory, in plain TypeScript, for simulations and studies.
 * Step size `optimal`: with w = s(T)*v and s(T) = t0/(t0 + T), a row adds exactly
 *
 *     v += -slope(s(T) * v.x, y) * x / (l2 * t0)
 *
 * whatever T is. A run of rows works on the replica itself, remembers each touched coordinate, and puts it
 * back: its cost grows with the non-zeros, not with the columns.
 *
 * Source: algorithms.md, sections 0 and 12.
 * Invariant: learning leaves the replica as it was, bit for bit.
 */
import { type Concurrency, stepsCounted, strideCounted } from "../math/anticipation.ts";
import { randomStream, shuffle } from "../math/random.ts";
import { createReplica, type Model, type Replica } from "../math/replica.ts";
import { type SparseDelta, smallest, toDense, type Update } from "../math/update.ts";
import { type Loss, type LossName, losses } from "../model/losses.ts";
import type { RowSpan } from "./cursor.ts";
import type { ColumnLearner, Learner, LearnerSeat, LearnOptions, Task } from "./learner.ts";
import { partsOfShares } from "./segments.ts";

/** Rows in CSR form; labels are -1 and +1 for classifiers. */
export interface LinearRows {
  readonly rowStart: Uint32Array;
  readonly index: Uint32Array;
  readonly value: Float32Array;
  readonly label: Float32Array;
}

/** The settings of a linear task. */
export interface LinearOptions {
  readonly train: LinearRows;
  /** Judged beside the objective; without it the training rows. */
  readonly validation?: LinearRows;
  readonly width: number;
  readonly loss: LossName;
  readonly l2: number;
  readonly t0: number;
  /** A worker's rows in the order of an epoch; without it equal shares, drawn from the seed. */
  readonly orderOf?: (seat: LearnerSeat, epoch: number) => Uint32Array;
}

interface Context extends LinearOptions {
  readonly lossOf: Loss;
  readonly step: number;
  scale(rows: number): number;
  /** By coordinate: the run that touched it last, and the value it had before. One run at a time. */
  readonly touchedBy: Uint32Array;
  readonly before: Float32Array;
  readonly touched: Uint32Array;
  run: number;
  /** How often own steps count, by coordinate, and T's stride with it; null where they count once. */
  stepsFor(anticipate: Concurrency | undefined): { sigma: Float32Array; stride: number } | null;
}

/** A linear task; workers hold equal shares of the rows, drawn from the seed. */
export function linearTask(options: LinearOptions): Task {
  const { train, width, t0, l2 } = options;
  const scale = (rows: number) => t0 / (t0 + rows);
  const context: Context = {
    ...options,
    lossOf: losses[options.loss],
    step: 1 / (l2 * t0),
    scale,
    touchedBy: new Uint32Array(width),
    before: new Float32Array(width),
    touched: new Uint32Array(width),
    run: 0,
    stepsFor: createSteps(train, width),
  };
  const rows = train.label.length;
  return {
    name: "linear",
    width,
    rows,
    createReplica: (length) => createReplica(length, scale),
    createLearner: (seat) => linearLearner(context, seat),
    columnLoads: () => {
      const loads = new Uint32Array(width);
      for (const column of train.index) loads[column]!++;
      return loads;
    },
    createColumnLearner: ({ range, ...seat }) => columnLearner(context, { ...seat, ...range }),
    evaluate: (model) => evaluate(context, model),
  };
}

/** How often own steps count, kept for the last question asked. */
function createSteps({ rowStart, index }: LinearRows, width: number): Context["stepsFor"] {
  const rows = rowStart.length - 1;
  const shares = new Float64Array(width);
  for (let k = 0; k < index.length; k++) shares[index[k]!]!++;
  for (let j = 0; j < width; j++) shares[j]! /= rows;
  const sigma = new Float32Array(width);
  let stride = 1;
  let last: Concurrency | null = null;
  return (anticipate) => {
    if (!anticipate) return null;
    const { workers, rowsPerUpdate } = anticipate;
    if (last?.workers !== workers || last.rowsPerUpdate !== rowsPerUpdate) {
      for (let j = 0; j < width; j++) sigma[j] = stepsCounted(shares[j]!, anticipate);
      stride = strideCounted(shares, sigma);
      last = anticipate;
    }
    return { sigma, stride };
  };
}

/** The rows of a worker: its share of one shuffled order, or the parts of shares that are its segments. */
function ownRows(rows: number, { rank, workers, seed, segments }: LearnerSeat): Uint32Array {
  const order = Uint32Array.from({ length: rows }, (_, row) => row);
  shuffle(order, randomStream({ seed, purpose: "rows-of-workers" }));
  const firstOf = (worker: number) => Math.floor((worker * rows) / workers);
  if (!segments) return order.slice(firstOf(rank), firstOf(rank + 1));
  const rowsOf = (worker: number) => firstOf(worker + 1) - firstOf(worker);
  const parts = partsOfShares(segments, { workers, rowsOf });
  return Uint32Array.from(
    parts.flatMap(({ worker, from, to }) => [
      ...order.subarray(firstOf(worker) + from, firstOf(worker) + to),
    ]),
  );
}

/** The order of an epoch, kept while it lasts. */
function epochOrder(own: Uint32Array, { seed, rank }: LearnerSeat): (epoch: number) => Uint32Array {
  let known = -1;
  let order = own;
  return (epoch) => {
    if (epoch !== known) {
      order = shuffle(own.slice(), randomStream({ seed, purpose: "epoch", rank, epoch }));
      known = epoch;
    }
    return order;
  };
}

function linearLearner(context: Context, seat: LearnerSeat): Learner {
  const { orderOf: given } = context;
  if (given && seat.segments) throw new Error("Rows whose order is given stay with their workers");
  const orderOf = given
    ? (epoch: number) => given(seat, epoch)
    : epochOrder(ownRows(context.train.label.length, seat), seat);
  return {
    rows: orderOf(0).length,
    learn(replica: Replica, span: RowSpan, options: LearnOptions): Update {
      const rows = orderOf(span.epoch).subarray(span.from, span.to);
      return { rows: rows.length, delta: learnRows(context, replica, rows, options) };
    },
  };
}

function learnRows(
  context: Context,
  { values, rows: before, scale }: Replica,
  rows: Uint32Array,
  { mode, stride: plainStride, anticipate }: LearnOptions,
): SparseDelta | Float32Array {
  const { train, lossOf, step } = context;
  const counted = mode === "local" ? context.stepsFor(anticipate) : null;
  const steps = counted?.sigma ?? null;
  const stride = counted?.stride ?? plainStride;
  context.run++;
  let touched = 0;
  const slopes = new Float64Array(rows.length);
  for (let k = 0; k < rows.length; k++) {
    const row = rows[k]!;
    const at = mode === "local" ? before + k * stride : before;
    const margin = scale(at) * dotRow(train, row, values);
    slopes[k] = lossOf.slope(margin, train.label[row]!);
    if (mode === "gradient" || slopes[k] === 0) continue;
    touched = addRow(context, values, { row, factor: -slopes[k]! * step, touched, steps });
  }
  if (mode === "gradient") {
    for (let k = 0; k < rows.length; k++) {
      if (slopes[k] === 0) continue;
      const factor = -slopes[k]! * step;
      touched = addRow(context, values, { row: rows[k]!, factor, touched, steps });
    }
  }
  return takeBack(context, values, { touched, steps });
}

function dotRow({ rowStart, index, value }: LinearRows, row: number, v: Float32Array): number {
  let sum = 0;
  const end = rowStart[row + 1]!;
  for (let k = rowStart[row]!; k < end; k++) sum += v[index[k]!]! * value[k]!;
  return sum;
}

interface Added {
  readonly row: number;
  readonly factor: number;
  readonly touched: number;
  readonly steps: Float32Array | null;
}

function addRow(
  { train, touchedBy, before, touched: list, run }: Context,
  values: Float32Array,
  { row, factor, touched, steps }: Added,
): number {
  const { rowStart, index, value } = train;
  let count = touched;
  for (let k = rowStart[row]!; k < rowStart[row + 1]!; k++) {
    const column = index[k]!;
    if (touchedBy[column] !== run) {
      touchedBy[column] = run;
      before[column] = values[column]!;
      list[count++] = column;
    }
    values[column]! += steps ? factor * value[k]! * steps[column]! : factor * value[k]!;
  }
  return count;
}

/** What the run changed, as a delta; the replica gets its values back. */
function takeBack(
  { touched: list, before }: Context,
  values: Float32Array,
  { touched, steps }: Pick<Added, "touched" | "steps">,
): SparseDelta | Float32Array {
  const index = list.slice(0, touched).sort();
  const value = new Float32Array(touched);
  for (let k = 0; k < touched; k++) {
    const column = index[k]!;
    value[k] = values[column]! - before[column]!;
    if (steps) value[k]! /= steps[column]!;
    values[column] = before[column]!;
  }
  return 2 * touched < values.length ? { index, value } : toDense({ index, value }, values.length);
}

function columnLearner(
  context: Context,
  { from, to, ...seat }: LearnerSeat & { from: number; to: number },
): ColumnLearner {
  const { train, lossOf, step } = context;
  const all = { ...seat, rank: 0, workers: 1 };
  const orderOf = epochOrder(ownRows(train.label.length, all), all);
  const { rowStart, index, value, label } = train;
  const spanRows = (span: RowSpan) => orderOf(span.epoch).subarray(span.from, span.to);
  return {
    rows: label.length,
    predict({ values, rows: before, scale }, span) {
      return Float32Array.from(spanRows(span), (row) => {
        let sum = 0;
        for (let k = rowStart[row]!; k < rowStart[row + 1]!; k++) {
          if (index[k]! >= from && index[k]! < to) sum += values[index[k]! - from]! * value[k]!;
        }
        return scale(before) * sum;
      });
    },
    adjust(_replica, span, margins) {
      const delta = new Float32Array(to - from);
      spanRows(span).forEach((row, i) => {
        const factor = -lossOf.slope(margins[i]!, label[row]!) * step;
        if (factor === 0) return;
        for (let k = rowStart[row]!; k < rowStart[row + 1]!; k++) {
          if (index[k]! >= from && index[k]! < to) delta[index[k]! - from]! += factor * value[k]!;
        }
      });
      return { rows: margins.length, delta: smallest(delta) };
    },
  };
}

function evaluate(context: Context, { rows, values }: Model) {
  const { train, validation, l2, scale } = context;
  const s = scale(rows);
  const squares = values.reduce((sum, x) => sum + x * x, 0);
  const judged = judge(context, train, { s, values });
  const { loss, accuracy } = validation ? judge(context, validation, { s, values }) : judged;
  return { objective: judged.loss + (l2 / 2) * s * s * squares, loss, accuracy };
}

function judge(
  { lossOf }: Context,
  rows: LinearRows,
  { s, values }: { s: number; values: Float32Array },
) {
  let loss = 0;
  let right = 0;
  const count = rows.label.length;
  for (let row = 0; row < count; row++) {
    const margin = s * dotRow(rows, row, values);
    loss += lossOf.value(margin, rows.label[row]!);
    if (margin > 0 === rows.label[row]! > 0) right++;
  }
  return { loss: loss / count, accuracy: right / count };
}

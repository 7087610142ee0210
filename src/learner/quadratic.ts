/**
 * A quadratic task with known optimum and adjustable heterogeneity, for proofs and simulations: row i of
 * worker p asks for  f(w) = (curvature/2) * ||w - c_p - noise_i||^2,  so the objective over all workers is
 * least at the mean of the centres c_p. Centres lie at distance `heterogeneity` around a common point.
 *
 * Source: the QuadraticsTask of Vogels et al. 2021 (relaysgd) is the model for the idea.
 */

import { nextNormal, randomStream } from "../math/random.ts";
import { createReplica, type Model, type Replica } from "../math/replica.ts";
import type { Update } from "../math/update.ts";
import type { RowSpan } from "./cursor.ts";
import type { ColumnLearner, Learner, LearnOptions, Task } from "./learner.ts";
import { partsOfShares, type SharePart } from "./segments.ts";

/** The settings of a quadratic task. */
export interface QuadraticOptions {
  readonly workers: number;
  readonly width: number;
  readonly rowsPerWorker: number;
  readonly seed: number;
  /** Standard deviation of the workers' centres around the common point. */
  readonly heterogeneity: number;
  /** Standard deviation of a row's own point around its worker's centre. */
  readonly noise: number;
  /** Step per row. */
  readonly rate: number;
}

/** A quadratic task, and where its optimum lies. */
export interface QuadraticTask extends Task {
  readonly optimum: Float32Array;
}

/** A quadratic task; what is not given has small defaults. */
export function quadraticTask(given: Partial<QuadraticOptions> = {}): QuadraticTask {
  const options: QuadraticOptions = {
    workers: 4,
    width: 8,
    rowsPerWorker: 64,
    seed: 1,
    heterogeneity: 1,
    noise: 0,
    rate: 0.05,
    ...given,
  };
  const { workers, width, rowsPerWorker, seed } = options;
  const common = randomStream({ seed, purpose: "quadratic-optimum" });
  const point = Float64Array.from({ length: width }, () => nextNormal(common));
  const centres = Array.from({ length: workers }, (_, rank) => centreOf(options, point, rank));
  const optimum = meanOf(centres, width);
  return {
    name: "quadratic",
    width,
    rows: workers * rowsPerWorker,
    optimum,
    createReplica: (length) => createReplica(length),
    createLearner: ({ rank, segments }) => {
      const whole = { worker: rank, from: 0, to: rowsPerWorker };
      const parts = segments && partsOfShares(segments, { workers, rowsOf: () => rowsPerWorker });
      return quadraticLearner(options, centres, parts ?? [whole]);
    },
    createColumnLearner: ({ range }) => columnLearner(options, optimum.slice(range.from, range.to)),
    evaluate: (model) => evaluate(model, optimum),
  };
}

function centreOf(options: QuadraticOptions, point: Float64Array, rank: number): Float32Array {
  const stream = randomStream({ seed: options.seed, purpose: "quadratic-centre", rank });
  return Float32Array.from(point, (x) => x + options.heterogeneity * nextNormal(stream));
}

function meanOf(centres: readonly Float32Array[], width: number): Float32Array {
  const mean = new Float64Array(width);
  for (const centre of centres) for (let i = 0; i < width; i++) mean[i]! += centre[i]!;
  return Float32Array.from(mean, (sum) => sum / centres.length);
}

function evaluate(model: Model, optimum: Float32Array) {
  let objective = 0;
  for (let i = 0; i < optimum.length; i++) objective += (model.values[i]! - optimum[i]!) ** 2 / 2;
  return { objective, loss: objective, accuracy: Number.NaN };
}

/** Its gradient is a sum over coordinates, so each column range needs no margins; noise is left out. */
function columnLearner(
  { rate, rowsPerWorker, workers }: QuadraticOptions,
  centre: Float32Array,
): ColumnLearner {
  return {
    rows: workers * rowsPerWorker,
    predict: (_replica, { from, to }) => new Float32Array(to - from),
    adjust({ values }, { from, to }) {
      const factor = Math.min(1, (to - from) * rate);
      return { rows: to - from, delta: centre.map((x, i) => factor * (x - values[i]!)) };
    },
  };
}

/** A worker's own rows, and what other shares it took over: a span may cover rows of several centres. */
function quadraticLearner(
  options: QuadraticOptions,
  centres: readonly Float32Array[],
  parts: readonly SharePart[],
): Learner {
  const { width, rate } = options;
  const rowsBefore = [0];
  for (const { from, to } of parts) rowsBefore.push(rowsBefore.at(-1)! + to - from);
  return {
    rows: rowsBefore.at(-1)!,
    learn({ values }: Replica, span: RowSpan, { mode }: LearnOptions): Update {
      const delta = new Float32Array(width);
      for (let k = 0; k < parts.length; k++) {
        const { worker, from } = parts[k]!;
        const first = Math.max(span.from, rowsBefore[k]!);
        const rows = Math.min(span.to, rowsBefore[k + 1]!) - first;
        if (rows <= 0) continue;
        const place = { worker, from: from + first - rowsBefore[k]!, rows, epoch: span.epoch };
        const centre = centres[worker % centres.length]!;
        const shift = options.noise > 0 ? meanNoise(options, place) : null;
        // Rows of one centre contract towards it: in closed form, so that cost does not grow with rows.
        const factor = mode === "gradient" ? Math.min(1, rows * rate) : 1 - (1 - rate) ** rows;
        for (let i = 0; i < width; i++) {
          const value = mode === "gradient" ? values[i]! : values[i]! + delta[i]!;
          delta[i]! += factor * (centre[i]! + (shift ? shift[i]! : 0) - value);
        }
      }
      return { rows: span.to - span.from, delta };
    },
  };
}

/** The mean of the noises of rows that follow each other in a share. */
function meanNoise(
  { width: length, seed, noise }: QuadraticOptions,
  {
    worker: rank,
    from,
    rows,
    epoch,
  }: { worker: number; from: number; rows: number; epoch: number },
): Float32Array {
  const stream = randomStream({ seed, purpose: `quadratic-noise-${from}`, rank, epoch });
  const size = noise / Math.sqrt(Math.max(1, rows));
  return Float32Array.from({ length }, () => size * nextNormal(stream));
}

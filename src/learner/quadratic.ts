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
    createLearner: ({ rank }) => quadraticLearner(options, centres[rank % workers]!, rank),
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

function quadraticLearner(options: QuadraticOptions, centre: Float32Array, rank: number): Learner {
  const { width, rate, noise, seed, rowsPerWorker } = options;
  return {
    rows: rowsPerWorker,
    learn(replica: Replica, span: RowSpan, { mode }: LearnOptions): Update {
      const rows = span.to - span.from;
      const delta = new Float32Array(width);
      const shift = noise > 0 ? meanNoise(options, rank, span) : null;
      // Rows of one centre contract towards it: in closed form, so that cost does not grow with rows.
      const factor = mode === "gradient" ? Math.min(1, rows * rate) : 1 - (1 - rate) ** rows;
      const { values } = replica;
      for (let i = 0; i < width; i++) {
        delta[i] = factor * (centre[i]! + (shift ? shift[i]! : 0) - values[i]!);
      }
      return { rows, delta };
    },
  };

  function meanNoise({ width: length }: QuadraticOptions, member: number, span: RowSpan) {
    const purpose = `quadratic-noise-${span.from}`;
    const stream = randomStream({ seed, purpose, rank: member, epoch: span.epoch });
    const size = noise / Math.sqrt(Math.max(1, span.to - span.from));
    return Float32Array.from({ length }, () => size * nextNormal(stream));
  }
}

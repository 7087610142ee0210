/** Predictions of a model for the rows of blocks, and the scores that come of them. */
import type { Block } from "../data/block.ts";
import { losses } from "../model/losses.ts";
import {
  type ClassifierMetrics,
  classifierMetrics,
  type RegressionMetrics,
  regressionMetrics,
} from "../model/metrics.ts";
import { featureColumns, isClassifier, type LinearModel } from "../model/model.ts";

/**
 * p = w.x (+ bias) of every row of a block, summed in f64 in the row's order; one f32 a row. Ids that
 * training never saw count as zero.
 */
export function predictBlock(model: LinearModel, block: Block): Float32Array {
  const { weights, indexBase } = model;
  const { rowStart, index, value } = block;
  const columns = featureColumns(model);
  const bias = model.bias ? weights[columns]! : 0;
  const predictions = new Float32Array(block.rows);
  for (let row = 0; row < block.rows; row++) {
    let sum = bias;
    for (let k = rowStart[row]!; k < rowStart[row + 1]!; k++) {
      const column = index[k]! - indexBase;
      if (column >= 0 && column < columns) sum += weights[column]! * value[k]!;
    }
    predictions[row] = sum;
  }
  return predictions;
}

/** Labels and predictions of all rows so far; grows with the rows, 8 bytes each. */
export class PredictionLog {
  #predictions = new Float32Array(1024);
  #labels = new Float32Array(1024);
  #rows = 0;

  append(predictions: Float32Array, labels: Float32Array): void {
    const rows = this.#rows + predictions.length;
    this.#predictions = withRoom(this.#predictions, this.#rows, rows);
    this.#labels = withRoom(this.#labels, this.#rows, rows);
    this.#predictions.set(predictions, this.#rows);
    this.#labels.set(labels, this.#rows);
    this.#rows = rows;
  }

  get rows(): number {
    return this.#rows;
  }

  get predictions(): Float32Array {
    return this.#predictions.subarray(0, this.#rows);
  }

  get labels(): Float32Array {
    return this.#labels.subarray(0, this.#rows);
  }
}

/**
 * Judges predictions the way the model was trained: as classes or as numbers.
 * @throws RangeError for a label that is not one of the model's two.
 */
export function scoreModel(
  model: LinearModel,
  log: PredictionLog,
): ClassifierMetrics | RegressionMetrics {
  const loss = losses[model.loss];
  if (!isClassifier(model) || model.labels === null) {
    return regressionMetrics(loss, log.predictions, log.labels);
  }
  return classifierMetrics(loss, log.predictions, readClasses(log.labels, model.labels));
}

/** The model's labels as -1 and +1. */
function readClasses(labels: Float32Array, [negative, positive]: readonly [number, number]) {
  const low = Math.fround(negative);
  const high = Math.fround(positive);
  return labels.map((label, row) => {
    if (label === high) return 1;
    if (label === low) return -1;
    throw new RangeError(
      `Cannot judge row ${row + 1} as its label must be ${negative} or ${positive}, those the model was trained with: current value is ${label}`,
    );
  });
}

function withRoom(array: Float32Array, used: number, needed: number): Float32Array<ArrayBuffer> {
  if (needed <= array.length) return array as Float32Array<ArrayBuffer>;
  const larger = new Float32Array(Math.max(needed, 2 * array.length));
  larger.set(array.subarray(0, used));
  return larger;
}

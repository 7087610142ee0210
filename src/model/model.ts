/** A linear model as it is saved and used; see conventions in docs/model-file.md. */
import type { LossName } from "./losses.ts";
import { losses } from "./losses.ts";

export interface LinearModel {
  /** One weight a column; column c belongs to raw id c + indexBase; with a bias, the last is its weight. */
  readonly weights: Float32Array;
  readonly loss: LossName;
  readonly l2: number;
  /** The two labels, negative first; null for regression. */
  readonly labels: readonly [number, number] | null;
  readonly indexBase: 0 | 1;
  readonly bias: boolean;
  /** The run's settings, for people and for `--init`. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Fingerprint of the data it was trained on. */
  readonly data: string;
  /** Column names, where they are known. */
  readonly names?: readonly string[];
  /** Version of glissade that wrote it. */
  readonly version: string;
}

/** A row of a caller: raw ids, ascending or not, and their values. */
export interface SparseRow {
  readonly index: ArrayLike<number>;
  readonly value: ArrayLike<number>;
}

/** Number of feature columns: all but the bias. */
export function featureColumns(model: LinearModel): number {
  return model.weights.length - (model.bias ? 1 : 0);
}

/** p = w.x (+ bias), summed in f64 in the row's order. Ids that training never saw count as zero. */
export function predictRow(model: LinearModel, row: SparseRow): number {
  const { weights, indexBase } = model;
  const columns = featureColumns(model);
  let sum = model.bias ? weights[columns]! : 0;
  for (let k = 0; k < row.index.length; k++) {
    const column = row.index[k]! - indexBase;
    if (column >= 0 && column < columns) sum += weights[column]! * row.value[k]!;
  }
  return sum;
}

/** The label that a prediction stands for: its own value in regression. */
export function labelOf(model: LinearModel, prediction: number): number {
  if (model.labels === null) return prediction;
  return prediction > 0 ? model.labels[1] : model.labels[0];
}

/**
 * Probability of the positive label: sigmoid of the prediction, for log loss only.
 * @throws RangeError for any other loss, whose predictions are no log odds.
 */
export function probabilityOf(model: LinearModel, prediction: number): number {
  if (model.loss !== "log") {
    throw new RangeError(
      `Cannot give probabilities as the model must be trained with --loss log: current value is ${model.loss}`,
    );
  }
  return 1 / (1 + Math.exp(-prediction));
}

/** Whether the model tells two classes apart. */
export function isClassifier(model: LinearModel): boolean {
  return losses[model.loss].classifies;
}

/** v over raw ids (length width, the bias at index width) to the weights of a model, and back. */
export function weightsFromVector(v: Float32Array, options: { indexBase: 0 | 1 }): Float32Array {
  return v.slice(options.indexBase);
}

export function vectorFromModel(model: LinearModel, width: number): Float32Array {
  const length = width + (model.bias ? 1 : 0);
  const v = new Float32Array(length);
  const columns = Math.min(featureColumns(model), width - model.indexBase);
  for (let c = 0; c < columns; c++) v[c + model.indexBase] = model.weights[c]!;
  if (model.bias) v[width] = model.weights[model.weights.length - 1]!;
  return v;
}

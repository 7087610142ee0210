/** How good predictions are: all from the predictions and the labels of the same rows. */
import { type Loss, log } from "./losses.ts";

export interface Confusion {
  truePositive: number;
  falsePositive: number;
  trueNegative: number;
  falseNegative: number;
}

export interface ClassifierMetrics {
  readonly rows: number;
  /** Mean of the loss, without the regulariser. */
  readonly loss: number;
  readonly accuracy: number;
  /** Positive predictive value, TP/(TP+FP); NaN when nothing was predicted positive. */
  readonly precision: number;
  /** TP/(TP+FN); NaN when no row is positive. */
  readonly recall: number;
  /** Harmonic mean of precision and recall, 2TP/(2TP+FP+FN). */
  readonly f1: number;
  /** Area under the ROC curve; NaN when only one class is present. */
  readonly auc: number;
  /** Mean of log(1 + exp(-y*p)): the predictions read as log odds, whatever the training loss. */
  readonly logLoss: number;
  readonly confusion: Confusion;
}

export interface RegressionMetrics {
  readonly rows: number;
  readonly loss: number;
  readonly meanSquaredError: number;
  readonly meanAbsoluteError: number;
  /** 1 - residual sum of squares / total sum of squares; NaN for constant labels. */
  readonly rSquared: number;
}

/** Counts of a classifier that says positive for p > 0; labels are -1 or +1. */
export function countConfusion(predictions: Float32Array, labels: Float32Array): Confusion {
  const counts = { truePositive: 0, falsePositive: 0, trueNegative: 0, falseNegative: 0 };
  for (let k = 0; k < predictions.length; k++) {
    if (predictions[k]! > 0) {
      if (labels[k]! > 0) counts.truePositive++;
      else counts.falsePositive++;
    } else if (labels[k]! > 0) counts.falseNegative++;
    else counts.trueNegative++;
  }
  return counts;
}

/** All metrics of a classifier; labels are -1 or +1. */
export function classifierMetrics(
  loss: Loss,
  predictions: Float32Array,
  labels: Float32Array,
): ClassifierMetrics {
  const confusion = countConfusion(predictions, labels);
  const { truePositive, falsePositive, trueNegative, falseNegative } = confusion;
  const rows = predictions.length;
  return {
    rows,
    loss: meanLoss(loss.value, predictions, labels),
    accuracy: (truePositive + trueNegative) / rows,
    precision: truePositive / (truePositive + falsePositive),
    recall: truePositive / (truePositive + falseNegative),
    f1: f1Of(confusion),
    auc: rocAuc(predictions, labels),
    logLoss: meanLoss(log.value, predictions, labels),
    confusion,
  };
}

/** 2TP/(2TP+FP+FN); 0 when nothing is positive, neither predicted nor true. */
export function f1Of({ truePositive, falsePositive, falseNegative }: Confusion): number {
  const denominator = 2 * truePositive + falsePositive + falseNegative;
  return denominator === 0 ? 0 : (2 * truePositive) / denominator;
}

export function regressionMetrics(
  loss: Loss,
  predictions: Float32Array,
  labels: Float32Array,
): RegressionMetrics {
  const rows = predictions.length;
  let mean = 0;
  for (const y of labels) mean += y / rows;
  let residual = 0;
  let absolute = 0;
  let total = 0;
  for (let k = 0; k < rows; k++) {
    const error = predictions[k]! - labels[k]!;
    residual += error * error;
    absolute += Math.abs(error);
    total += (labels[k]! - mean) ** 2;
  }
  return {
    rows,
    loss: meanLoss(loss.value, predictions, labels),
    meanSquaredError: residual / rows,
    meanAbsoluteError: absolute / rows,
    rSquared: total > 0 ? 1 - residual / total : Number.NaN,
  };
}

/**
 * Area under the ROC curve: the share of (positive, negative) pairs in which the positive has the larger
 * prediction, ties counted half (Mann and Whitney's U). Sorts once.
 */
export function rocAuc(predictions: Float32Array, labels: Float32Array): number {
  const sorted = Float32Array.from(predictions).sort();
  const positives = new Float64Array(sorted.length);
  const negatives = new Float64Array(sorted.length);
  for (let k = 0; k < predictions.length; k++) {
    const at = firstAt(sorted, predictions[k]!);
    if (labels[k]! > 0) positives[at]!++;
    else negatives[at]!++;
  }
  let below = 0;
  let pairs = 0;
  let positiveCount = 0;
  for (let k = 0; k < sorted.length; k++) {
    pairs += positives[k]! * (below + negatives[k]! / 2);
    below += negatives[k]!;
    positiveCount += positives[k]!;
  }
  return positiveCount > 0 && below > 0 ? pairs / (positiveCount * below) : Number.NaN;
}

/** Position of the first element that is not below x; equal predictions share it. */
function firstAt(sorted: Float32Array, x: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

function meanLoss(
  value: (p: number, y: number) => number,
  predictions: Float32Array,
  labels: Float32Array,
): number {
  let sum = 0;
  for (let k = 0; k < predictions.length; k++) sum += value(predictions[k]!, labels[k]!);
  return sum / predictions.length;
}

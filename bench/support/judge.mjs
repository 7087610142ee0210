/**
 * The one evaluator of the bench: the objective of anybody's weights, in double precision, without
 * a bias. It knows weights as numbers only and shares no code with what it judges.
 */
import { readFileSync } from "node:fs";

const lossOf = {
  hinge: (margin) => Math.max(0, 1 - margin),
  log: (margin) =>
    margin > 0 ? Math.log1p(Math.exp(-margin)) : Math.log1p(Math.exp(margin)) - margin,
};

/** P(w) = mean loss + (l2/2) |w|^2, and the share of rows whose sign is right. */
export function judge(csr, weights, { loss, l2 }) {
  const { rows, rowStart, index, value, label } = csr;
  const lossAt = lossOf[loss];
  let sum = 0;
  let right = 0;
  for (let row = 0; row < rows; row++) {
    let p = 0;
    for (let k = rowStart[row]; k < rowStart[row + 1]; k++) p += weights[index[k]] * value[k];
    sum += lossAt(p * label[row]);
    if (p > 0 === label[row] > 0) right++;
  }
  const norm = weights.reduce((total, w) => total + w * w, 0);
  return { objective: sum / rows + (l2 / 2) * norm, accuracy: right / rows };
}

/** Share of rows inside the margin: Vowpal Wabbit regularises only when it steps. */
export function violatorShare(csr, weights) {
  const { rows, rowStart, index, value, label } = csr;
  let inside = 0;
  for (let row = 0; row < rows; row++) {
    let p = 0;
    for (let k = rowStart[row]; k < rowStart[row + 1]; k++) p += weights[index[k]] * value[k];
    if (p * label[row] < 1) inside++;
  }
  return inside / rows;
}

/** Weights as the C and Python peers write them: f64, feature 1 first. */
export function readRawWeights(path, width) {
  const bytes = readFileSync(path);
  const weights = new Float64Array(width);
  const given = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
  weights.set(given.subarray(0, width));
  return weights;
}

/** Weights of a glissade model: a safetensors file, read here by hand. */
export function readModelWeights(path, width) {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  const [from, to] = header.weights.data_offsets;
  const weights = new Float64Array(width);
  // Column 0 is the feature numbered like the index base, which is 1 in all these sets.
  for (let k = 0; k < Math.min(width, (to - from) / 4); k++) {
    weights[k] = bytes.readFloatLE(8 + length + from + 4 * k);
  }
  return weights;
}

/**
 * Weights of a readable Vowpal Wabbit model: lines "feature:weight" after the line ":0" or ":1".
 */
export function readWabbitWeights(path, width) {
  const text = readFileSync(path, "latin1");
  const weights = new Float64Array(width);
  for (const [, feature, weight] of text.matchAll(/^(\d+):(\S+)$/gm)) {
    const k = Number(feature) - 1;
    if (k >= 0 && k < width) weights[k] = Number(weight);
  }
  return weights;
}

/** `Model`: a trained model as a program uses it. */
import { eachBlock } from "../data/block-source.ts";
import {
  isClassifier,
  type LinearModel,
  labelOf,
  predictRow,
  probabilityOf,
  type SparseRow,
} from "../model/model.ts";
import type { LoadedDataset } from "./load.ts";
import { loadModel, saveModel } from "./model-file.ts";
import { predictBlock } from "./predictions.ts";

/**
 * A linear model that predicts. Ids of rows are raw, as in the files it was trained on; ids that training
 * never saw count as zero.
 * @example
 * const model = await Model.load("model.safetensors");
 * model.predict({ index: [4, 17], value: [0.5, 0.25] }); // w.x
 * model.label({ index: [4, 17], value: [0.5, 0.25] }); // -1, say
 */
export class Model {
  /** The plain record: weights, labels, loss, settings. */
  readonly record: LinearModel;

  constructor(record: LinearModel) {
    this.record = record;
  }

  /** @throws FileError when the file cannot be read, ModelFileError when it is no model of ours. */
  static async load(path: string): Promise<Model> {
    return new Model(await loadModel(path));
  }

  /** Writes the file atomically: readers see the old model or the new one. @throws FileError */
  async save(path: string): Promise<void> {
    await saveModel(this.record, path);
  }

  /** One weight a column; column c belongs to raw id c + indexBase; with a bias, the last is its weight. */
  get weights(): Float32Array {
    return this.record.weights;
  }

  /** Prediction p = w.x of one row, of many, or of a loaded data set (f32 each for many). */
  predict(row: SparseRow): number;
  predict(rows: Iterable<SparseRow> | LoadedDataset): Float32Array;
  predict(rows: SparseRow | Iterable<SparseRow> | LoadedDataset): number | Float32Array {
    if ("index" in rows) return predictRow(this.record, rows);
    if ("blocks" in rows) return predictDataset(this.record, rows);
    return Float32Array.from(rows, (row) => predictRow(this.record, row));
  }

  /** The label that the prediction stands for; in regression the prediction itself. */
  label(row: SparseRow): number {
    return labelOf(this.record, predictRow(this.record, row));
  }

  /** Probability of the positive label. @throws RangeError unless the model was trained with log loss. */
  probability(row: SparseRow): number {
    return probabilityOf(this.record, predictRow(this.record, row));
  }

  /** Whether the model tells two classes apart. */
  get classifies(): boolean {
    return isClassifier(this.record);
  }
}

function predictDataset(model: LinearModel, dataset: LoadedDataset): Float32Array {
  const predictions = new Float32Array(dataset.rows);
  let at = 0;
  for (const { block } of eachBlock(dataset.source)) {
    predictions.set(predictBlock(model, block), at);
    at += block.rows;
  }
  return predictions;
}

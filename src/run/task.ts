/**
 * A task: data and settings made ready to learn from. Rows are split into training and validation by hash,
 * labels are read as classes where the loss asks for it, and everything the kernels need is allocated.
 */
import type { Block } from "../data/block.ts";
import { columnsOf, type LabelSet } from "../data/dataset.ts";
import { InputError } from "../data/input-error.ts";
import { loadKernels } from "../kernels/loader.ts";
import { createContext, type LearnContext } from "../learner/context.ts";
import {
  allRows,
  type BlockRows,
  countRows,
  listRows,
  type RowList,
  shuffleEpoch,
  sliceRows,
} from "../learner/rows.ts";
import { splitRows } from "../learner/split.ts";
import { type LossName, losses } from "../model/losses.ts";
import { withConstantColumn } from "./constant-column.ts";
import type { LoadedDataset } from "./load.ts";
import type { TrainSettings } from "./settings.ts";

export interface Task {
  readonly dataset: LoadedDataset;
  readonly settings: TrainSettings;
  /** Without l2, which may still have to be chosen: contexts come from `contextOf`. */
  readonly contextOf: (l2: number) => LearnContext;
  /** Length of v: over raw ids, and the bias behind them. */
  readonly width: number;
  readonly train: readonly BlockRows[];
  readonly trainRows: number;
  readonly validation: RowList | null;
  readonly test: RowList | null;
  /** What rules and the choice of the best weights look at: validation rows, or some training rows. */
  readonly judged: RowList;
  /** Rows for calibration, chosen by hash of the seed. */
  readonly sample: RowList;
  readonly meanSquaredNorm: number;
  /** The two labels of a classifier, negative first. */
  readonly labels: readonly [number, number] | null;
}

export interface ExtraData {
  readonly validation: LoadedDataset | null;
  readonly test: LoadedDataset | null;
}

const sampleRowsMax = 10_000;
/** Without validation rows, rules look at this many training rows at most. */
const judgedRowsMax = 50_000;

/** @throws InputError when the labels do not fit the loss, or the split leaves nothing to learn from. */
export function prepareTask(
  dataset: LoadedDataset,
  settings: TrainSettings,
  extra: ExtraData,
): Task {
  const labels = labelsFor(settings.loss, dataset);
  const threshold = labels ? (labels[0] + labels[1]) / 2 : 0;
  const { arena } = dataset;
  const { width } = dataset;
  const blocksOf = ({ blocks }: LoadedDataset) =>
    settings.bias ? blocks.map((block) => withConstantColumn(arena, block, width)) : blocks;
  const blocks = blocksOf(dataset);
  const kernels = loadKernels(arena);
  const share = extra.validation ? 0 : settings.validation;
  const split = { share, seed: settings.splitSeed };
  const parts = blocks.map((block) => splitRows(arena, kernels, block, split));
  const train = blocks.map((block, k) => ({ block, rows: parts[k]!.training }));
  const held = blocks.map((block, k) => ({ block, rows: parts[k]!.validation }));
  const trainRows = countRows(train);
  if (trainRows === 0) refuseSplit(dataset, settings.validation);
  const validationParts = extra.validation ? blocksOf(extra.validation).map(allRows) : held;
  const validation = countRows(validationParts) > 0 ? listRows(arena, validationParts) : null;
  const shuffled = sampleOf(dataset, train, settings.seed);
  const contexts = new Map<number, LearnContext>();
  return {
    dataset,
    settings,
    contextOf: (l2) => {
      const known = contexts.get(l2);
      if (known) return known;
      const context = createContext(arena, kernels, { loss: settings.loss, l2, threshold });
      contexts.set(l2, context);
      return context;
    },
    width: width + (settings.bias ? 1 : 0),
    train,
    trainRows,
    validation,
    test: extra.test ? listRows(arena, blocksOf(extra.test).map(allRows)) : null,
    judged: validation ?? sliceRows(shuffled, 0, Math.min(judgedRowsMax, trainRows)),
    sample: sliceRows(shuffled, 0, Math.min(sampleRowsMax, trainRows)),
    meanSquaredNorm: meanSquaredNormOf(blocks),
    labels,
  };
}

/** Number of columns of the model, without a bias. */
export function taskColumns(task: Task): number {
  return columnsOf(task.dataset);
}

/** Some training rows in random order: whole, or the first of a shuffled epoch that no run uses. */
function sampleOf(dataset: LoadedDataset, train: readonly BlockRows[], seed: number): RowList {
  const room = dataset.arena.allocateU32(2 * countRows(train));
  const shape = { windowBlocks: train.length, runRows: 1 };
  const list = shuffleEpoch(train, shape, { seed, epoch: -1 }, room);
  return sliceRows(list, 0, Math.min(list.count, judgedRowsMax));
}

function meanSquaredNormOf(blocks: readonly Block[]): number {
  // The first block is enough for a first guess at the rate, which calibration then corrects.
  const block = blocks[0];
  if (!block || block.rows === 0) return 1;
  let sum = 0;
  for (const x of block.value) sum += x * x;
  return sum / block.rows;
}

function labelsFor(loss: LossName, dataset: LoadedDataset): readonly [number, number] | null {
  if (!losses[loss].classifies) return null;
  const set: LabelSet = dataset.labels;
  if (set.kind === "binary") return [set.negative, set.positive];
  const file = dataset.sources[0]?.name ?? "the data";
  if (set.kind === "single") {
    throw new InputError({
      code: "bad-labels",
      file,
      found: `only the label ${set.label}`,
      expected: "two labels, as a classifier learns to tell two classes apart",
      hint: "check that the file is not sorted and cut, or use --loss squared for regression",
    });
  }
  throw new InputError({
    code: "bad-labels",
    file,
    found: `more than two labels: ${set.examples.slice(0, 5).join(", ")}, ...`,
    expected: "two labels for a classifier",
    hint: "use --loss squared for regression, or choose one class against the rest beforehand",
  });
}

function refuseSplit(dataset: LoadedDataset, validation: number): never {
  throw new InputError({
    code: "empty-input",
    file: dataset.sources[0]?.name ?? "the data",
    found: `${dataset.rows} rows, none of them left to learn from`,
    expected: "at least one training row",
    hint: `give more rows, or a smaller --validation than ${validation}`,
  });
}

/**
 * A task: data and settings made ready to learn from. Rows are split into training and validation by hash,
 * labels are read as classes where the loss asks for it, and everything the kernels need is allocated.
 */
import type { BlockSource } from "../data/block-source.ts";
import { columnsOf, type LabelSet } from "../data/dataset.ts";
import { InputError } from "../data/input-error.ts";
import type { KernelExports } from "../kernels/exports.ts";
import { loadKernels } from "../kernels/loader.ts";
import { createContext, type LearnContext, type SumTogether } from "../learner/context.ts";
import { createRowStore, type RowStore, type SplitRule } from "../learner/row-store.ts";
import { allRows, type BlockRows, listRows, type RowList } from "../learner/rows.ts";
import { type LossName, losses } from "../model/losses.ts";
import { withConstantColumns } from "./constant-column.ts";
import { keepRows } from "./kept-rows.ts";
import type { LoadedDataset } from "./load.ts";
import type { TrainSettings } from "./settings.ts";

export interface Task {
  /** Id under which the run is recorded. */
  readonly run: string | null;
  readonly dataset: LoadedDataset;
  readonly settings: TrainSettings;
  /** Without l2, which may still have to be chosen: contexts come from `contextOf`. */
  readonly contextOf: (l2: number) => LearnContext;
  /** Length of v: over raw ids, and the bias behind them. */
  readonly width: number;
  /** The training rows, in memory or read block by block. */
  readonly store: RowStore;
  /** The same where all of them are in memory; empty where they are not. */
  readonly train: readonly BlockRows[];
  readonly trainRows: number;
  /** How they were told from validation rows. */
  readonly split: SplitRule;
  readonly validation: RowList | null;
  readonly test: RowList | null;
  /** What rules and the choice of the best weights look at: validation rows, or some training rows. */
  readonly judged: RowList;
  /** Rows for calibration, chosen by hash of the seed. */
  readonly sample: () => RowList;
  readonly meanSquaredNorm: number;
  /** The two labels of a classifier, negative first. */
  readonly labels: readonly [number, number] | null;
}

export interface ExtraData {
  readonly validation: LoadedDataset | null;
  readonly test: LoadedDataset | null;
  readonly run?: string | null;
  /** Judging by several threads, where there are some. */
  readonly sumTogether?: SumTogether | null;
}

const triedRowsMax = 10_000;
/** Without validation rows, rules look at about this many training rows at most. */
const judgedRowsMax = 50_000;
/** Validation rows beyond this size are held back and not looked at. A rule of the data, not of the machine. */
const judgedBytesMax = 64 * 2 ** 20;

/** @throws InputError when the labels do not fit the loss, or the split leaves nothing to learn from. */
export function prepareTask(
  dataset: LoadedDataset,
  settings: TrainSettings,
  extra: ExtraData,
): Task {
  const labels = labelsFor(settings.loss, dataset);
  const threshold = labels ? (labels[0] + labels[1]) / 2 : 0;
  const { arena, width } = dataset;
  const kernels = loadKernels(arena);
  const sourceOf = ({ source }: LoadedDataset) =>
    settings.bias ? withConstantColumns(arena, source, width) : source;
  const source = sourceOf(dataset);
  const split = { share: extra.validation ? 0 : settings.validation, seed: settings.splitSeed };
  const store = createRowStore(arena, kernels, source, split);
  if (store.rows === 0) refuseSplit(dataset, settings.validation);
  const sampleRows = split.share > 0 || extra.validation ? triedRowsMax : judgedRowsMax;
  const { held, sample, tried } = keepRows(arena, kernels, source, {
    split,
    heldShare: judgedShare(source, split),
    trainingRows: store.rows,
    sampleRows,
    triedRows: triedRowsMax,
    seed: settings.seed,
  });
  const listOf = (other: LoadedDataset) => {
    const { summaries, acquire } = sourceOf(other);
    return listRows(arena, acquire([...summaries.keys()]).map(allRows));
  };
  const own = held.count > 0 ? held : null;
  const validation = extra.validation ? listOf(extra.validation) : own;
  const contexts = new Map<number, LearnContext>();
  return {
    run: extra.run ?? null,
    dataset,
    settings,
    contextOf: (l2) => {
      const known = contexts.get(l2);
      if (known) return known;
      const { sumTogether = null } = extra;
      const problem = { loss: settings.loss, l2, threshold, sumTogether };
      const context = createContext(arena, kernels, problem);
      contexts.set(l2, context);
      return context;
    },
    width: width + (settings.bias ? 1 : 0),
    store,
    train: store.resident ? store.acquire([...store.parts.keys()]) : [],
    trainRows: store.rows,
    split,
    validation,
    test: extra.test ? listOf(extra.test) : null,
    judged: validation ?? sample,
    sample: tried,
    meanSquaredNorm: meanSquaredNormOf(kernels, source),
    labels,
  };
}

function judgedShare({ summaries }: BlockSource, { share }: { share: number }): number {
  const bytes = summaries.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return Math.min(share, judgedBytesMax / bytes);
}

/** Number of columns of the model, without a bias. */
export function taskColumns(task: Task): number {
  return columnsOf(task.dataset);
}

function meanSquaredNormOf(kernels: KernelExports, source: BlockSource): number {
  // The first block is enough for a first guess at the rate, which calibration then corrects.
  const [block] = source.acquire([0]);
  if (!block || block.rows === 0) return 1;
  const rows = Math.min(block.rows, 1000);
  const sum = kernels.squaredNorm(block.value.byteOffset, block.rowStart[rows]!);
  source.release([0]);
  return sum / rows;
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

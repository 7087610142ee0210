import { columnsOf } from "../data/dataset.ts";
import { featureColumns, type LinearModel } from "../model/model.ts";
import { formatCount, formatNumber, formatSeconds, formatSize } from "../report/format.ts";
import { type DataDescription, describeData } from "../run/describe.ts";
import { type LoadedDataset, loadDataset } from "../run/load.ts";
import { isModelFile, loadModel } from "../run/model-file.ts";
import { type CommandContext, type CommandDefinition, exitCode } from "./command.ts";
import { inputFiles, loadOptions } from "./input.ts";
import { formatTable } from "./table.ts";
import { rhoText } from "./train-result.ts";

export const inspectCommand: CommandDefinition = {
  name: "inspect",
  description:
    "Describe a data set (rows, columns, labels, norms, frequent features, memory, and Hogwild!'s rho, Delta and Omega) or a model file (what it was trained with, largest weights).",
  arguments: [{ syntax: "[files...]", description: "rows, or a model file; - or none: stdin" }],
  settings: [
    "indexBase",
    "topic",
    "topics",
    "skipBadRows",
    "limits",
    "top",
    "json",
    "quiet",
    "verbose",
    "color",
  ],
  examples: [
    "glissade inspect news.svm.gz",
    "glissade inspect model.safetensors --top 50",
    "glissade inspect news.svm --json | tail -1",
  ],
  run: inspect,
};

async function inspect(context: CommandContext): Promise<number> {
  const files = inputFiles(context.arguments, "inspect");
  const [only] = files;
  if (files.length === 1 && only !== undefined && isModelFile(only)) {
    return inspectModel(context, only);
  }
  return inspectData(context, files);
}

async function inspectData(context: CommandContext, files: readonly string[]): Promise<number> {
  const { settings, output } = context;
  const dataset = await loadDataset(files, loadOptions(settings));
  const description = describeData(dataset.blocks, { featuresMax: settings.top });
  if (dataset.skippedRows > 0) output.warn(`${formatCount(dataset.skippedRows)} bad rows skipped`);
  if (output.json) {
    output.result(JSON.stringify(dataJson(dataset, description)));
    return exitCode.done;
  }
  for (const line of dataLines(dataset, description)) output.result(line);
  return exitCode.done;
}

function dataJson(dataset: LoadedDataset, description: DataDescription) {
  const { rho, ...rest } = description;
  return {
    glissade: "1",
    command: "inspect",
    status: "done",
    kind: "data",
    columns: columnsOf(dataset),
    indexBase: dataset.indexBase,
    density: densityOf(dataset),
    files: dataset.sources,
    skippedRows: dataset.skippedRows,
    fingerprint: dataset.fingerprint,
    seconds: { load: dataset.loadSeconds },
    ...rest,
    rho,
    error: null,
  };
}

function dataLines(dataset: LoadedDataset, about: DataDescription): string[] {
  const { nonZerosPerRow, norm, values } = about;
  const columns = columnsOf(dataset);
  const labels = about.labels.map(
    ({ label, rows }) => `${label}: ${formatCount(rows)} (${percent(rows / about.rows)})`,
  );
  if (about.distinctLabels > labels.length) labels.push("...");
  const lines = formatTable([
    ["rows", formatCount(about.rows) + (about.emptyRows > 0 ? `, ${about.emptyRows} empty` : "")],
    ["columns", `${formatCount(columns)}, of which ${formatCount(about.usedFeatures)} are used`],
    ["index base", String(dataset.indexBase)],
    ["non-zeros", `${formatCount(about.nonZeros)} (${percent(densityOf(dataset))} of all cells)`],
    ["non-zeros a row", spread(nonZerosPerRow)],
    ["norm of a row", spread(norm)],
    ["values", `${short(values.min)} to ${short(values.max)}`],
    ["labels", labels.join(", ")],
    [
      "memory",
      `${formatSize(about.blockBytes)} as blocks, ${formatSize(4 * columns)} a weight vector`,
    ],
    ["read in", formatSeconds(dataset.loadSeconds)],
    ["Hogwild! Omega", `${formatCount(about.omega)} (most non-zeros in a row)`],
    ["Hogwild! Delta", `${about.delta.toFixed(4)} (largest share of rows with one feature)`],
    ["Hogwild! rho", `${rhoText(about.rho)} (largest share of rows that meet one row)`],
  ]);
  if (about.frequentFeatures.length === 0) return lines;
  const features = about.frequentFeatures.map(({ id, rows }) => [
    `  ${id}`,
    formatCount(rows),
    percent(rows / about.rows),
  ]);
  return [
    ...lines,
    "",
    "most frequent features",
    ...formatTable([["  id", "rows", ""], ...features]),
  ];
}

function densityOf(dataset: LoadedDataset): number {
  const cells = dataset.rows * columnsOf(dataset);
  return cells === 0 ? 0 : dataset.nonZeros / cells;
}

async function inspectModel({ settings, output }: CommandContext, path: string): Promise<number> {
  const model = await loadModel(path);
  const weights = largestWeights(model, settings.top);
  if (output.json) {
    const { weights: _all, ...metadata } = model;
    output.result(
      JSON.stringify({
        glissade: "1",
        command: "inspect",
        status: "done",
        kind: "model",
        columns: featureColumns(model),
        ...metadata,
        weights,
        error: null,
      }),
    );
    return exitCode.done;
  }
  for (const line of modelLines(model, weights)) output.result(line);
  return exitCode.done;
}

interface NamedWeight {
  /** Raw id, or "bias". */
  readonly id: number | "bias";
  readonly name: string | null;
  readonly weight: number;
}

/** The weights of largest absolute value; the bias competes with the others. */
function largestWeights(model: LinearModel, most: number): NamedWeight[] {
  const columns = featureColumns(model);
  const order = Array.from(model.weights.keys()).filter((column) => model.weights[column] !== 0);
  order.sort((a, b) => Math.abs(model.weights[b]!) - Math.abs(model.weights[a]!) || a - b);
  return order.slice(0, most).map((column) => ({
    id: column === columns ? "bias" : column + model.indexBase,
    name: model.names?.[column] ?? null,
    weight: model.weights[column]!,
  }));
}

function modelLines(model: LinearModel, weights: readonly NamedWeight[]): string[] {
  const nonZero = model.weights.reduce((count, weight) => count + (weight === 0 ? 0 : 1), 0);
  const norm = Math.sqrt(model.weights.reduce((sum, weight) => sum + weight * weight, 0));
  const lines = formatTable([
    ["loss", model.loss],
    ["l2", formatNumber(model.l2)],
    ["columns", `${formatCount(featureColumns(model))}, ${formatCount(nonZero)} weights are not 0`],
    ["norm of weights", short(norm)],
    ["labels", model.labels === null ? "none (regression)" : model.labels.join(" and ")],
    ["index base", String(model.indexBase)],
    ["bias", model.bias ? "yes" : "no"],
    ["trained on", model.data === "" ? "unknown data" : `data ${model.data}`],
    ["written by", `glissade ${model.version}`],
  ]);
  const rows = weights.map(({ id, name, weight }) => [`  ${id}`, name ?? "", short(weight)]);
  return [...lines, "", "largest weights", ...formatTable([["  id", "", "weight"], ...rows])];
}

function spread({ min, mean, max }: { min: number; mean: number; max: number }): string {
  return `${short(min)} to ${short(max)}, mean ${short(mean)}`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(5)));
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}

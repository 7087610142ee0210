import type { ClassifierMetrics, RegressionMetrics } from "../model/metrics.ts";
import { formatCount } from "../report/format.ts";
import { loadModel } from "../run/model-file.ts";
import { PredictionLog, predictBlock, scoreModel } from "../run/predictions.ts";
import { type CommandContext, type CommandDefinition, exitCode } from "./command.ts";
import { inputFiles, streamForModel, warnAboutRows } from "./input.ts";
import { formatTable } from "./table.ts";

export const evaluateCommand: CommandDefinition = {
  name: "evaluate",
  description: "Judge a model on labelled rows: loss, accuracy, precision, recall, F1, ROC AUC.",
  arguments: [
    { syntax: "<model>", description: "model file" },
    { syntax: "[files...]", description: "labelled rows; - or none: stdin" },
  ],
  settings: ["topic", "topics", "skipBadRows", "limits", "json", "quiet", "verbose", "color"],
  examples: [
    "glissade evaluate model.safetensors test.svm",
    "glissade evaluate model.safetensors test.svm.gz --json | tail -1",
  ],
  run: evaluate,
};

async function evaluate({ arguments: args, settings, output }: CommandContext): Promise<number> {
  const [path = "", ...files] = args;
  const model = await loadModel(path);
  const labels = "required";
  const rows = streamForModel(inputFiles(files, "evaluate"), { model, settings, labels });
  const log = new PredictionLog();
  for await (const block of rows) log.append(predictBlock(model, block), block.label);
  const dataset = rows.summary();
  if (log.rows === 0)
    throw new RangeError("Cannot judge a model as there must be rows: found none");
  const metrics = scoreModel(model, log);
  warnAboutRows(dataset, output);
  if (output.json) {
    output.result(
      JSON.stringify({
        glissade: "1",
        command: "evaluate",
        status: "done",
        model: path,
        loss: model.loss,
        labels: model.labels,
        skippedRows: dataset.skippedRows,
        unseenIds: dataset.unseenIds,
        metrics,
        error: null,
      }),
    );
    return exitCode.done;
  }
  for (const line of metricLines(metrics, model.loss)) output.result(line);
  return exitCode.done;
}

function metricLines(metrics: ClassifierMetrics | RegressionMetrics, loss: string): string[] {
  if ("confusion" in metrics) return classifierLines(metrics, loss);
  return formatTable([
    ["rows", formatCount(metrics.rows)],
    [`loss (${loss})`, figure(metrics.loss)],
    ["mean squared error", figure(metrics.meanSquaredError)],
    ["mean absolute error", figure(metrics.meanAbsoluteError)],
    ["R squared", figure(metrics.rSquared)],
  ]);
}

function classifierLines(metrics: ClassifierMetrics, loss: string): string[] {
  const { confusion } = metrics;
  const scores = formatTable([
    ["rows", formatCount(metrics.rows)],
    [`loss (${loss})`, figure(metrics.loss)],
    ["accuracy", share(metrics.accuracy)],
    ["precision (PPV)", share(metrics.precision)],
    ["recall", share(metrics.recall)],
    ["F1", figure(metrics.f1)],
    ["ROC AUC", figure(metrics.auc)],
    ["log loss", figure(metrics.logLoss)],
  ]);
  const counts = formatTable([
    ["", "predicted +", "predicted -"],
    ["true +", formatCount(confusion.truePositive), formatCount(confusion.falseNegative)],
    ["true -", formatCount(confusion.falsePositive), formatCount(confusion.trueNegative)],
  ]);
  return [...scores, "", ...counts];
}

function figure(value: number): string {
  return Number.isNaN(value) ? "undefined here" : value.toPrecision(5);
}

function share(value: number): string {
  return Number.isNaN(value) ? "undefined here" : `${(100 * value).toFixed(2)} %`;
}

import { type LinearModel, labelOf, probabilityOf } from "../model/model.ts";
import { loadModel } from "../run/model-file.ts";
import { predictBlock } from "../run/predictions.ts";
import type { Settings } from "../run/settings.ts";
import { type CommandContext, type CommandDefinition, exitCode, UsageError } from "./command.ts";
import { inputFiles, streamForModel, warnAboutRows } from "./input.ts";

export const predictCommand: CommandDefinition = {
  name: "predict",
  description: "Predict rows with a model: one line for each row, in the order of the rows.",
  arguments: [
    { syntax: "<model>", description: "model file" },
    { syntax: "[files...]", description: "rows; labels in them are ignored; - or none: stdin" },
  ],
  settings: ["output", "skipBadRows", "limits", "json", "quiet", "verbose", "color"],
  examples: [
    "glissade predict model.safetensors new.svm > labels.txt",
    "zcat new.svm.gz | glissade predict model.safetensors --output predictions | head",
  ],
  run: predict,
};

async function predict({ arguments: args, settings, output }: CommandContext): Promise<number> {
  const [path = "", ...files] = args;
  const model = await loadModel(path);
  const write = predictionWriter(model, settings);
  const labels = "optional";
  const rows = streamForModel(inputFiles(files, "predict"), { model, settings, labels });
  for await (const block of rows) {
    // The reader has seen enough: the rest of the rows need not be read.
    if (output.closed()) return exitCode.done;
    await output.resultText(write(predictBlock(model, block)));
  }
  const dataset = rows.summary();
  warnAboutRows(dataset, output);
  if (output.json) {
    output.result(
      JSON.stringify({
        glissade: "1",
        command: "predict",
        status: "done",
        output: settings.output,
        rows: dataset.rows,
        skippedRows: dataset.skippedRows,
        unseenIds: dataset.unseenIds,
        error: null,
      }),
    );
  }
  return exitCode.done;
}

/** Text for a block of predictions, one line each. */
function predictionWriter(
  model: LinearModel,
  { output }: Settings,
): (predictions: Float32Array) => string {
  const convert = converter(model, output);
  return (predictions) => {
    let text = "";
    for (const prediction of predictions) text += `${convert(prediction)}\n`;
    return text;
  };
}

function converter(model: LinearModel, output: Settings["output"]): (p: number) => number {
  switch (output) {
    case "labels":
      return (p) => labelOf(model, p);
    case "predictions":
      return (p) => p;
    case "probabilities":
      if (model.loss !== "log") {
        throw new UsageError(
          `--output probabilities: a model of ${model.loss} loss has no probabilities, as its predictions are no log odds: train with --loss log, or use --output predictions`,
        );
      }
      return (p) => probabilityOf(model, p);
    default:
      return output satisfies never;
  }
}

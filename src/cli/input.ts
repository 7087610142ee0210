/** Reads the rows that a command's arguments and settings name. */
import type { LinearModel } from "../model/model.ts";
import { featureColumns } from "../model/model.ts";
import { type LoadedDataset, type LoadOptions, loadDataset } from "../run/load.ts";
import type { Settings } from "../run/settings.ts";
import { UsageError } from "./command.ts";

/** The files given, or standard input where something is piped in. */
export function inputFiles(files: readonly string[], command: string): readonly string[] {
  if (files.length > 0) return files;
  if (process.stdin.isTTY !== true) return ["-"];
  throw new UsageError(
    `${command}: expected files of rows, found none: name files, or - for standard input`,
  );
}

/** Reading options that follow from the settings. */
export function loadOptions(settings: Settings): LoadOptions {
  return {
    skipBadRows: settings.skipBadRows,
    ...(settings.indexBase === "auto" ? {} : { indexBase: settings.indexBase === "0" ? 0 : 1 }),
  };
}

/** Rows for a model: its width and index base, whatever the file looks like. */
export function likeModel(model: LinearModel): NonNullable<LoadOptions["like"]> {
  return { width: featureColumns(model) + model.indexBase, indexBase: model.indexBase };
}

/** Reads rows to be judged or predicted by a model. */
export async function loadForModel(
  files: readonly string[],
  {
    model,
    settings,
    labels,
  }: { model: LinearModel; settings: Settings; labels: "required" | "optional" },
): Promise<LoadedDataset> {
  return loadDataset(files, { ...loadOptions(settings), like: likeModel(model), labels });
}

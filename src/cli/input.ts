/** Reads the rows that a command's arguments and settings name. */
import type { LinearModel } from "../model/model.ts";
import { featureColumns } from "../model/model.ts";
import { formatCount } from "../report/format.ts";
import { type BlockStream, type LoadOptions, streamBlocks } from "../run/load.ts";
import type { Settings } from "../run/settings.ts";
import { UsageError } from "./command.ts";
import type { Output } from "./output.ts";

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
  const { skipBadRows, indexBase, topic, topics, verify, limits } = settings;
  return {
    skipBadRows,
    verify,
    growthMax: limits.growth,
    topic: topic ?? undefined,
    topics: topics ?? undefined,
    indexBase: indexBase === "auto" ? undefined : indexBase === "0" ? 0 : 1,
  };
}

/** Rows for a model: its width and index base, whatever the file looks like. */
function likeModel(model: LinearModel, labels: "required" | "optional"): LoadOptions["like"] {
  const width = featureColumns(model) + model.indexBase;
  if (labels === "optional" || model.labels === null) return { width, indexBase: model.indexBase };
  const [negative, positive] = model.labels;
  return { width, indexBase: model.indexBase, labels: { kind: "binary", negative, positive } };
}

export interface ModelRows {
  readonly model: LinearModel;
  readonly settings: Settings;
  /** optional: labels are not looked at, and may be missing. */
  readonly labels: "required" | "optional";
}

/** Rows to be judged or predicted by a model, block by block. */
export function streamForModel(
  files: readonly string[],
  { model, settings, labels }: ModelRows,
): BlockStream {
  const { indexBase: _trained, ...options } = loadOptions(settings);
  return streamBlocks(files, { ...options, like: likeModel(model, labels), labels });
}

/** Says what was passed over while reading. */
export function warnAboutRows(
  { skippedRows, unseenIds }: { skippedRows: number; unseenIds: number },
  output: Output,
): void {
  if (skippedRows > 0) output.warn(`${formatCount(skippedRows)} bad rows skipped`);
  if (unseenIds > 0) {
    output.warn(`${formatCount(unseenIds)} values of features the model never saw count as 0`);
  }
}

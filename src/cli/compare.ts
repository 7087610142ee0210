import { formatSeconds } from "../report/format.ts";
import { type Contest, type Entry, runContest, standings } from "../run/contest.ts";
import { type LoadedDataset, loadDataset } from "../run/load.ts";
import { usableCores } from "../run/machine.ts";
import {
  type SettingName,
  type Settings,
  type TrainOptions,
  trainSchema,
} from "../run/settings.ts";
import { train } from "../run/train.ts";
import { type CommandContext, type CommandDefinition, exitCode } from "./command.ts";
import { contestTable } from "./contest-table.ts";
import { inputFiles, loadOptions } from "./input.ts";
import { jsonObject } from "./output.ts";
import { Signals } from "./signals.ts";

/** Settings of a run that make no sense for many: where models go, what is started from. */
export const settingsOfOneRun: readonly string[] = ["strategy", "init", "solver", "workers"];

export const compareCommand: CommandDefinition = {
  name: "compare",
  description:
    "Train with several strategies on the same rows, split, kernels and rules, and compare time to a loss, quality, traffic and waiting.",
  arguments: [{ syntax: "[files...]", description: "rows, as for train" }],
  settings: [
    ...(Object.keys(trainSchema.shape) as SettingName[]).filter(
      (name) => !settingsOfOneRun.includes(name),
    ),
    ...([
      "workers",
      "strategies",
      "repeat",
      "targetLoss",
      "grace",
      "json",
      "quiet",
      "verbose",
    ] as const),
    "color",
  ],
  examples: [
    "glissade compare news.svm.gz --strategies serial,bsp,ssp --workers 1,2,4 --repeat 5",
    "glissade compare news.svm --target-loss 0.2 --json | tail -1",
    "glissade compare news.svm --strategies serial,bsp,asp --engine cluster --workers 2",
  ],
  run: compareStrategies,
};

async function compareStrategies(context: CommandContext): Promise<number> {
  const { settings, output, arguments: args } = context;
  const files = inputFiles(args, "compare");
  using signals = new Signals({
    graceSeconds: settings.grace,
    onFirst: (name) => output.note(`${name}: stopping after what was learned so far`),
  });
  const dataset = await signals.race(
    loadDataset(files, { ...loadOptions(settings), signal: signals.signal, residence: "memory" }),
  );
  const like = { ...loadOptions(settings), arena: dataset.arena, like: dataset };
  const validation = settings.valid === null ? null : await loadDataset(settings.valid, like);
  const test = settings.test === null ? null : await loadDataset(settings.test, like);
  const cluster = await placeOf(context, dataset);
  const extras = { validation, test, cluster };
  const options = await withL2(dataset, runOptionsOf(settings), extras);
  output.note(`l2 ${options.l2} for all, seeds from ${settings.seed}`);
  const contest: Contest = {
    strategies: settings.strategies,
    workers: workersOf(settings),
    repeat: settings.repeat,
    targetLoss: settings.targetLoss,
    options,
  };
  const entries: Entry[] = [];
  for await (const entry of runContest(dataset, contest, extras, signals.signal)) {
    entries.push(entry);
    if (!output.quiet) output.note(entryLine(entry));
  }
  report(context, entries);
  if (signals.received !== null) return signals.exitCode;
  return entries.every(({ error }) => error !== null) ? exitCode.failed : exitCode.done;
}

/** Where members of engine `cluster` run; null for threads. */
async function placeOf({ settings, output }: CommandContext, dataset: LoadedDataset) {
  if (settings.engine !== "cluster") return null;
  output.note(
    "engine cluster: processes of this machine, one run after the other; strategies that exchange no messages run on threads of this one",
  );
  return await (await import("./cluster-place.ts")).localPlace(settings, dataset);
}

/** Why there is nothing to compare; null where any run came to its end. */
export function allFailed(runs: readonly { readonly error: string | null }[]): string | null {
  if (runs.some(({ error }) => error === null)) return null;
  return `all runs failed, the first as: ${runs[0]?.error}`;
}

export function runOptionsOf(settings: Settings): TrainOptions {
  const names = Object.keys(trainSchema.shape).filter((name) => !settingsOfOneRun.includes(name));
  return Object.fromEntries(
    names.map((name) => [name, settings[name as SettingName]]),
  ) as TrainOptions;
}

/** One l2 for all runs: where it is auto, what a serial run chooses. */
async function withL2(
  dataset: Parameters<typeof train>[0],
  options: TrainOptions,
  extras: Parameters<typeof train>[2],
): Promise<TrainOptions> {
  if (options.l2 !== "auto" || options.C !== null) return options;
  const serial = { ...options, engine: "threads", solver: "sgd", stop: "epochs:1" } as const;
  const { l2, error } = await train(dataset, serial, extras).result;
  if (error) throw new RangeError(error.message);
  return { ...options, l2: l2! };
}

export function workersOf({ workers }: Settings): readonly number[] {
  if (workers === "auto") return [usableCores().count];
  return typeof workers === "number" ? [workers] : workers;
}

function entryLine({ strategy, workers, seed, result, error, bestLoss }: Entry): string {
  const who = `${strategy}, ${workers} ${workers === 1 ? "worker" : "workers"}, seed ${seed}`;
  if (error !== null) return `${who}: failed: ${error}`;
  return `${who}: loss ${bestLoss?.toPrecision(5)}, ${formatSeconds(result!.seconds.train)}`;
}

function report({ settings, output }: CommandContext, entries: readonly Entry[]): void {
  const rows = standings(entries);
  const { targetLoss } = settings;
  if (!output.json) {
    for (const line of contestTable(rows, targetLoss)) output.result(line);
    return;
  }
  output.result(jsonObject("compare", { targetLoss, rows, entries }, allFailed(entries)));
}

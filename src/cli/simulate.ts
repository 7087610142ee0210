import { type ComparisonRow, compareStrategies } from "../run/compare.ts";
import { summarise } from "../run/compare-summary.ts";
import { readFaultFile } from "../run/fault-file.ts";
import { loadDataset } from "../run/load.ts";
import { readMeasuredCosts } from "../run/measured-costs.ts";
import { type SettingName, type Settings, trainSchema } from "../run/settings.ts";
import { type CommandContext, type CommandDefinition, exitCode, UsageError } from "./command.ts";
import { allFailed, runOptionsOf, settingsOfOneRun, workersOf } from "./compare.ts";
import { contestTable } from "./contest-table.ts";
import { inputFiles, loadOptions } from "./input.ts";
import { jsonObject } from "./output.ts";

export const simulateCommand: CommandDefinition = {
  name: "simulate",
  description:
    "Run strategies with any number of workers in virtual time: the real strategies and rows, with modelled costs of learning and of the network. The same seed gives the same figures.",
  arguments: [{ syntax: "[files...]", description: "rows, as for train" }],
  settings: [
    ...(Object.keys(trainSchema.shape) as SettingName[]).filter(
      (name) => !settingsOfOneRun.includes(name) && !["valid", "test", "engine"].includes(name),
    ),
    ...(["workers", "strategies", "repeat", "targetLoss", "slow", "slowLinks"] as const),
    ...(["faults", "faultSeed"] as const),
    ...(["learnCost", "latency", "bandwidth", "messageCost", "costs"] as const),
    ...(["json", "quiet", "verbose", "color"] as const),
  ],
  examples: [
    "glissade simulate news.svm.gz --strategies bsp,ssp,dssp --workers 16 --slow 1:10",
    "glissade simulate news.svm --strategies ad-psgd --workers 1000 --epochs 2",
    "glissade simulate news.svm --strategies allreduce,peer-to-peer --workers 8 --faults storm.yaml",
    "glissade measure > costs.json && glissade simulate news.svm --costs costs.json",
  ],
  run: simulate,
};

async function simulate(context: CommandContext): Promise<number> {
  const { settings, output, arguments: args } = context;
  const files = inputFiles(args, "simulate");
  const dataset = await loadDataset(files, { ...loadOptions(settings), residence: "memory" });
  const { slow, slowLinks, targetLoss, strategies, repeat, faults, faultSeed } = settings;
  if (faults !== null && faultSeed !== null) {
    throw new UsageError("--fault-seed: leave it out where --faults says what happens");
  }
  const rows: ComparisonRow[] = [];
  const question = {
    ...{ strategies, repeat, workers: workersOf(settings) },
    settings: runOptionsOf(settings),
    costs: await costsOf(settings),
    ...(slow === null ? {} : { slow }),
    ...(slowLinks === null ? {} : { slowLinks }),
    ...(targetLoss === null ? {} : { targetLoss }),
    ...(faults === null ? {} : { faults: await readFaultFile(faults) }),
    ...(faultSeed === null ? {} : { faultSeed }),
  };
  for await (const row of compareStrategies(dataset, question)) {
    rows.push(row);
    const { strategy, workers, seed, error, cutShort } = row;
    const said = error === null ? `${row.seconds.toPrecision(3)} virtual s` : `failed: ${error}`;
    const ended = cutShort === null ? "" : `, ${cutShort}`;
    output.note(`${strategy}, ${workers} workers, seed ${seed}: ${said}${ended}`);
    if (output.verbose) for (const fault of row.faults) output.note(`  ${fault}`);
  }
  const wrong = allFailed(rows);
  if (output.json) {
    const summaries = summarise(rows);
    output.result(jsonObject("simulate", { targetLoss, rows: summaries, entries: rows }, wrong));
  } else for (const line of contestTable(summarise(rows), targetLoss)) output.result(line);
  return wrong === null ? exitCode.done : exitCode.failed;
}

async function costsOf(settings: Settings) {
  if (settings.costs !== null) return await readMeasuredCosts(settings.costs);
  return {
    learnSecondsPerRow: settings.learnCost,
    latencySeconds: settings.latency,
    bytesPerSecond: settings.bandwidth / 8,
    secondsPerMessage: settings.messageCost,
  };
}

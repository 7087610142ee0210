import { formatCount, formatNumber, formatPercent, formatSeconds } from "../report/format.ts";
import type { Evaluated } from "../run/events.ts";
import { findRun, listRuns, type RunSummary, readEvents } from "../run/history.ts";
import { settingText } from "../run/setting-text.ts";
import { kebabCase } from "../run/settings-origin.ts";
import { type CommandContext, type CommandDefinition, exitCode, UsageError } from "./command.ts";
import { jsonObject } from "./output.ts";
import { formatTable } from "./table.ts";

/** How a curve of many evaluations is thinned out for reading. */
const shownEvaluationsMax = 20;

export const runsCommand: CommandDefinition = {
  name: "runs",
  description: "List the records of runs, or show one: its settings, its curve, how it ended.",
  arguments: [
    { syntax: "[action]", description: "list or show (default: list)" },
    { syntax: "[run]", description: "id of a run, a unique part of it, or latest" },
  ],
  settings: ["runs", "top", "json", "quiet", "color"],
  examples: ["glissade runs", "glissade runs show latest", "glissade runs list --json"],
  run: async (context) => {
    const [action = "list", id] = context.arguments;
    if (action === "list") return list(context);
    if (action === "show") return show(context, id ?? "latest");
    throw new UsageError(`runs ${action}: expected list or show, found "${action}"`);
  },
};

function list({ settings, output, resolved }: CommandContext): number {
  const all = listRuns(settings.runs);
  // Without --top there is no reason to hide any.
  const shown = resolved.origins.top.from === "default" ? all : all.slice(-settings.top);
  if (output.json) {
    const runs = shown.map(({ run, status, folder, manifest }) => ({
      run,
      status,
      folder,
      started: manifest.started,
      result: manifest.result,
    }));
    output.result(jsonObject("runs", { runs }));
    return exitCode.done;
  }
  if (all.length === 0) {
    output.note(`no runs in ${settings.runs}: glissade train FILE makes one`);
    return exitCode.done;
  }
  const header = ["run", "status", "data", "strategy", "loss", "l2", "accuracy", "epochs", "time"];
  for (const line of formatTable([header, ...shown.map(runRow)])) output.result(line);
  return exitCode.done;
}

function runRow({ run, status, manifest }: RunSummary): string[] {
  const { result, data, settings } = manifest;
  const score = result?.test ?? result?.validation ?? null;
  const [first] = data?.files ?? [];
  const more = (data?.files.length ?? 0) > 1 ? ` +${data!.files.length - 1}` : "";
  return [
    run,
    status,
    first === undefined ? "-" : `${first.name.split("/").at(-1)}${more}`,
    String(result?.strategy ?? settings.strategy.value),
    String(result?.loss ?? settings.loss.value),
    result?.l2 == null ? "-" : formatNumber(Number(result.l2.toPrecision(3))),
    score?.accuracy == null ? "-" : formatPercent(score.accuracy),
    result === null ? "-" : String(Number(result.epochs.toFixed(2))),
    result === null ? "-" : formatSeconds(result.seconds.total),
  ];
}

function show({ settings, output }: CommandContext, id: string): number {
  const run = findRun(settings.runs, id);
  if (run === null) {
    throw new UsageError(
      `runs show: no run "${id}" in ${settings.runs}, or several: see glissade runs list`,
    );
  }
  const { manifest } = run;
  if (output.json) {
    const { folder, status } = run;
    output.result(jsonObject("runs", { status, folder, manifest }));
    return exitCode.done;
  }
  for (const line of [...aboutRun(run), "", ...aboutSettings(run), "", ...aboutCurve(run)]) {
    output.result(line);
  }
  return exitCode.done;
}

function aboutRun({ run, status, folder, manifest }: RunSummary): string[] {
  const { data, result, machine } = manifest;
  const rows: string[][] = [
    ["run", run],
    ["status", `${status}${result?.stopped ? ` (${result.stopped})` : ""}`],
    ["started", manifest.started],
    ["folder", folder],
    ["machine", `${machine.cores} ${machine.cores === 1 ? "core" : "cores"}, ${machine.processor}`],
    ["versions", `glissade ${manifest.version}, Node ${machine.node}`],
  ];
  for (const file of data?.files ?? [])
    rows.push(["data", `${file.name} (${formatCount(file.rows)} rows)`]);
  for (const { setting, value, reason } of manifest.chosen) {
    const text = typeof value === "number" ? formatNumber(value) : value;
    rows.push(["chosen", `${setting} ${text}: ${reason}`]);
  }
  if (result?.validation) rows.push(["validation", scoreText(result.validation)]);
  if (result?.test) rows.push(["test", scoreText(result.test)]);
  if (result?.model) rows.push(["model", result.model]);
  if (result?.error) rows.push(["error", result.error.message]);
  return formatTable(rows);
}

function scoreText(score: { loss: number; accuracy: number | null; rows: number }): string {
  const accuracy = score.accuracy === null ? "" : `, accuracy ${formatPercent(score.accuracy)}`;
  return `loss ${score.loss.toPrecision(5)}${accuracy}, ${formatCount(score.rows)} rows`;
}

function aboutSettings({ manifest }: RunSummary): string[] {
  const given = Object.entries(manifest.settings).filter(([, { from }]) => from !== "default");
  if (given.length === 0) return ["all settings as they are by default"];
  const rows = given.map(([name, { value, where }]) => [
    kebabCase(name),
    settingText(value as never),
    `# ${where}`,
  ]);
  return ["settings", ...formatTable(rows).map((line) => `  ${line}`)];
}

function aboutCurve({ folder }: RunSummary): string[] {
  const all = readEvents(folder).filter((event) => event.kind === "evaluated");
  if (all.length === 0) return ["no evaluations"];
  const step = Math.ceil(all.length / shownEvaluationsMax);
  const shown = all.filter((event, i) => i % step === 0 || i === all.length - 1 || event.best);
  const header = ["epoch", "rows", "seconds", "loss", "accuracy", ""];
  return formatTable([header, ...shown.slice(-2 * shownEvaluationsMax).map(evaluatedRow)]);
}

function evaluatedRow(event: Evaluated): string[] {
  return [
    String(Number(event.epoch.toFixed(2))),
    formatCount(event.rows),
    event.trainSeconds.toFixed(3),
    event.loss === null ? "-" : event.loss.toPrecision(5),
    event.accuracy === null ? "-" : formatPercent(event.accuracy),
    event.best ? "best" : "",
  ];
}

/** `train --resume`: a run that was killed or interrupted is taken up with the settings it was started with. */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { loadCheckpoint } from "../run/checkpoint.ts";
import { findRun, type RunSummary } from "../run/history.ts";
import { isModelFile } from "../run/model-file.ts";
import type { Manifest } from "../run/record.ts";
import type { RunState } from "../run/run-state.ts";
import { type SettingName, settingsSchema } from "../run/settings.ts";
import { kebabCase, type ResolvedSettings } from "../run/settings-origin.ts";
import { type CommandContext, UsageError } from "./command.ts";

/** Commands to run, hosts and secrets: never taken from a file that may be somebody else's. */
const neverFromRun: readonly SettingName[] = [
  ...(["hosts", "ssh", "remoteCommand", "remoteCredentials", "insecure"] as const),
  ...(["token", "tokenFile", "credentials", "tlsCa", "tlsCert", "tlsKey"] as const),
];

/** What may be said anew: how to print and whom to let in, not what to learn. */
const settableAnew: readonly SettingName[] = [
  ...neverFromRun,
  ...(["resume", "runs", "json", "quiet", "verbose", "color", "grace", "checkpointEvery"] as const),
];

/** A run to go on with. */
export interface ResumedRun {
  readonly context: CommandContext;
  readonly files: readonly string[];
  readonly folder: string;
  readonly manifest: Manifest;
  /** Null where no checkpoint was written yet: the run begins anew. */
  readonly from: { readonly state: RunState; readonly path: string } | null;
}

/** @throws UsageError when there is no such run, it cannot be gone on with, or other settings are given. */
export async function resumeRun(context: CommandContext, command: string): Promise<ResumedRun> {
  const { settings, resolved, output } = context;
  const run = runToResume(settings.resume!, settings.runs);
  const { manifest } = run;
  if (manifest.command !== command) {
    throw new UsageError(
      `${run.run} is no run of glissade ${command}: glissade ${manifest.command} --resume ${settings.resume}`,
    );
  }
  refuseOthers(context);
  refuseForeign(run.folder);
  const files = manifest.inputs ?? [];
  refuseCode(run);
  if (files.length === 0 || files.includes("-")) {
    throw new UsageError(
      `${run.run} cannot be resumed: its rows came from standard input, which is not there again`,
    );
  }
  // Names in its settings and inputs are relative to the folder it was started in.
  const folder = resolve(run.folder);
  process.chdir(manifest.workingFolder ?? ".");
  const again = settingsOfRun(manifest, resolved);
  refuseOverwriting(again.settings.model);
  const from = await loadCheckpoint(folder, (message) => output.warn(message));
  return {
    context: { ...context, arguments: files, settings: again.settings, resolved: again },
    ...{ files, folder, manifest, from },
  };
}

function runToResume(name: string, runs: string): RunSummary {
  const isFolder = /[/\\]/.test(name);
  const run = isFolder ? findRun(dirname(resolve(name)), basename(name)) : findRun(runs, name);
  if (!run) throw new UsageError(`--resume ${name}: no such run: see glissade runs`);
  if (run.status === "running") {
    throw new UsageError(`${run.run} is still going on, in process ${run.manifest.process}`);
  }
  if (run.status === "done") {
    throw new UsageError(`${run.run} is done: there is nothing left to learn, start a new run`);
  }
  return run;
}

/** A run is gone on with in its own folder: files in it that lead elsewhere would be written there. */
function refuseForeign(folder: string): void {
  const link = readdirSync(folder, { withFileTypes: true }).find((entry) => entry.isSymbolicLink());
  if (link === undefined) return;
  throw new UsageError(
    `--resume: ${join(folder, link.name)} is a symbolic link, which no run makes: it could lead anywhere; copy the run's own files`,
  );
}

/** The record says what to do, but never what program to run. */
function refuseCode({ run, manifest }: RunSummary): void {
  const strategy = String(manifest.settings.strategy?.value ?? "");
  if (!/[./\\]/.test(strategy)) return;
  throw new UsageError(
    `${run} cannot be resumed: its strategy is the program ${strategy}, which is only run where it is named: start a new run with --strategy ${strategy}`,
  );
}

/** Whatever the record names as its model is replaced only where it is one. */
function refuseOverwriting(path: string): void {
  if (!existsSync(path) || isModelFile(path)) return;
  throw new UsageError(
    `--resume: ${path}, where the run's model goes, is no model: move it, or start a new run with another --model`,
  );
}

function refuseOthers({ arguments: given, resolved }: CommandContext): void {
  const others = (Object.keys(resolved.origins) as SettingName[]).filter(
    (name) => resolved.origins[name].from === "flag" && !settableAnew.includes(name),
  );
  const [first] = [...others.map((name) => `--${kebabCase(name)}`), ...given];
  if (first === undefined) return;
  throw new UsageError(
    `--resume takes files and settings from the run it goes on with: leave out ${first}`,
  );
}

/** The settings of the run, with what is said anew in their place. */
function settingsOfRun(manifest: Manifest, now: ResolvedSettings): ResolvedSettings {
  const names = Object.keys(settingsSchema.shape) as SettingName[];
  const isNew = (name: SettingName) =>
    settableAnew.includes(name) && now.origins[name].from !== "default";
  const values: Record<string, unknown> = {};
  const origins: Record<string, unknown> = {};
  for (const name of names) {
    const kept = manifest.settings[name];
    const fromRun = kept !== undefined && !isNew(name) && !neverFromRun.includes(name);
    values[name] = fromRun ? kept.value : now.settings[name];
    origins[name] = fromRun ? { from: kept.from, where: kept.where } : now.origins[name];
  }
  return {
    settings: settingsSchema.parse(values),
    origins: origins as ResolvedSettings["origins"],
  };
}

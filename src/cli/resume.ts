/** `train --resume`: a run that was killed or interrupted is taken up with the settings it was started with. */
import { basename, dirname, resolve } from "node:path";
import { loadCheckpoint } from "../run/checkpoint.ts";
import { findRun, type RunSummary } from "../run/history.ts";
import type { Manifest } from "../run/record.ts";
import type { RunState } from "../run/run-state.ts";
import { type SettingName, settingsSchema } from "../run/settings.ts";
import { kebabCase, type ResolvedSettings } from "../run/settings-origin.ts";
import { type CommandContext, UsageError } from "./command.ts";

/** What may be said anew: how to print and whom to let in, not what to learn. */
const settableAnew: readonly SettingName[] = [
  ...(["token", "tokenFile", "credentials", "tlsCa", "tlsCert", "tlsKey"] as const),
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
export async function resumeRun(context: CommandContext): Promise<ResumedRun> {
  const { settings, resolved, output } = context;
  const run = runToResume(settings.resume!, settings.runs);
  const { manifest } = run;
  refuseOthers(context);
  const files = manifest.inputs ?? [];
  if (files.length === 0 || files.includes("-")) {
    throw new UsageError(
      `${run.run} cannot be resumed: its rows came from standard input, which is not there again`,
    );
  }
  // Names in its settings and inputs are relative to the folder it was started in.
  const folder = resolve(run.folder);
  process.chdir(manifest.workingFolder ?? ".");
  const again = settingsOfRun(manifest, resolved);
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
    // A record holds no secrets.
    const fromRun = kept !== undefined && name !== "token" && !isNew(name);
    values[name] = fromRun ? kept.value : now.settings[name];
    origins[name] = fromRun ? { from: kept.from, where: kept.where } : now.origins[name];
  }
  return {
    settings: settingsSchema.parse(values),
    origins: origins as ResolvedSettings["origins"],
  };
}

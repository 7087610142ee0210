import { existsSync } from "node:fs";
import type { LinearModel } from "../model/model.ts";
import { checkpointNames } from "../run/checkpoint.ts";
import { contestShape } from "../run/contest-settings.ts";
import type { RunEvent, RunEventBody, TrainResult } from "../run/events.ts";
import { eventsVersion } from "../run/events.ts";
import { checkWritable } from "../run/files.ts";
import { clusterStateFile, RunRecord } from "../run/record.ts";
import { refusePlan } from "../run/refuse-plan.ts";
import { goesOnExactly, type RunState } from "../run/run-state.ts";
import { type SettingName, type Settings, settingsSchema } from "../run/settings.ts";
import { settingsWithoutEffect } from "../run/settings-effect.ts";
import { askedFor, kebabCase } from "../run/settings-origin.ts";
import { strategyOn } from "../run/strategy-names.ts";
import type { Run } from "../run/train.ts";
import { version } from "../version.ts";
import { type CommandContext, type CommandDefinition, exitCode, UsageError } from "./command.ts";
import { describeError, exitCodeOf, reportFailure } from "./failure.ts";
import type { FirstFailure } from "./first-failure.ts";
import { inputFiles } from "./input.ts";
import { createProgress, type Progress } from "./progress.ts";
import { type ResumedRun, resumeRun } from "./resume.ts";
import { Signals } from "./signals.ts";
import { loadTrainingData, manifestData, startRun, workersFor } from "./train-input.ts";
import { saveEverywhere } from "./train-output.ts";
import { collisionLine, emptyResult, summaryLine, unmetRequirements } from "./train-result.ts";

const settingsOfOtherCommands: readonly string[] = [
  "output",
  "top",
  "blocks",
  ...Object.keys(contestShape),
  ...["join", "rank"],
];

export const trainCommand: CommandDefinition = {
  name: "train",
  description:
    "Train a linear model by stochastic gradient descent: from files of rows to a model file, and a record of the run.",
  arguments: [
    {
      syntax: "[files...]",
      description:
        "svmlight/libsvm or LYRL2004 rows: plain, .gz, .zst; folders and patterns; - or none: stdin; synthetic:news",
    },
  ],
  settings: settingNames().filter(
    (name) => name === "workers" || !settingsOfOtherCommands.includes(name),
  ),
  examples: [
    "glissade train news.svm.gz",
    "glissade train train.svm --test test.svm --loss log --l2 1e-5 -o news.safetensors",
    "glissade train vectors.dat.gz --topics topics.qrels --topic CCAT",
    "glissade train news.svm --stop time:60s,patience:3 --json | tail -1",
  ],
  run: (context) => trainFromFiles(context),
};

/** A training that goes on, with all that has to be ended whatever happens. */
export interface Job extends TrainVariant {
  readonly context: CommandContext;
  readonly record: RunRecord;
  readonly progress: Progress;
  readonly signals: Signals;
  /** What a resumed run goes on from. */
  readonly state: RunState | null;
  /** Set once learning has begun: a signal then asks it to stop. */
  run: Run | null;
  /** Of a cluster: who failed first. */
  firstFailure: FirstFailure | null;
  /** Takes an event to record and terminal; without a time of its own it happens now. */
  readonly emit: (body: RunEventBody, time?: number) => void;
  /** Seconds since the job started. */
  readonly seconds: () => number;
}

/** How a command differs from `train`. */
export interface TrainVariant {
  /** Members of the cluster are started by others. */
  readonly waitsForMembers: boolean;
}

export async function trainFromFiles(
  given: CommandContext,
  variant: TrainVariant = { waitsForMembers: false },
): Promise<number> {
  const context = given.settings.resume === null ? withStrategy(given) : given;
  try {
    const join = variant.waitsForMembers ? null : await joinAsTask(context);
    if (join !== null) return await (await import("./worker.ts")).workFor(join, context);
    const command = commandOf(variant);
    const resumed = context.settings.resume === null ? null : await resumeRun(context, command);
    if (resumed) {
      const again = withClusterEngine(resumed.context, variant);
      return await runJob(await prepareJob(again, resumed, variant), resumed.files);
    }
    const files = inputFiles(context.arguments, "train");
    return await runJob(await prepareJob(context, null, variant), files);
  } catch (error) {
    // Nothing was begun: no record, but the same object as for every other end.
    const ended = { run: null, status: "failed", error: describeError(error) } as const;
    const result = emptyResult(context.settings, ended);
    return reportFailure(error, context.output, { command: "train", result });
  }
}

/** The manifest has the settings as they were given; that members join is the command's own. */
function withClusterEngine(context: CommandContext, { waitsForMembers }: TrainVariant) {
  const engine = waitsForMembers ? "cluster" : context.settings.engine;
  return withStrategy({ ...context, settings: { ...context.settings, engine } });
}

function commandOf({ waitsForMembers }: TrainVariant): "train" | "coordinator" {
  return waitsForMembers ? "coordinator" : "train";
}

/** Where to join, when a scheduler started several of these and another one coordinates. */
async function joinAsTask(context: CommandContext): Promise<string | null> {
  if (context.settings.engine !== "cluster") return null;
  return (await import("./cluster-place.ts")).joinAsTask(context);
}

/** Rows are read for the strategy that takes part, which the engine says where it is left open. */
function withStrategy(context: CommandContext): CommandContext {
  const { settings } = context;
  return { ...context, settings: { ...settings, strategy: strategyOn(settings) } };
}

/** Finds out what cannot work before anything is read, and opens the record. */
async function prepareJob(
  context: CommandContext,
  resumed: ResumedRun | null,
  variant: TrainVariant = { waitsForMembers: false },
): Promise<Job> {
  const { settings, resolved, output } = context;
  await checkSettings(settings);
  warnAboutSettings(context);
  if (settings.engine === "cluster") {
    const { checkPlace } = await import("./cluster-place.ts");
    await checkPlace(settings, { ...variant, resumes: resumed !== null });
  }
  await checkWritable(settings.model);
  const { runs } = settings;
  const inputs = context.arguments;
  // From here on there is something to end well.
  const listener = listenForSignals(context);
  try {
    const record = resumed
      ? await RunRecord.reopen(resumed.folder, resumed.manifest)
      : await RunRecord.open({ runs, command: commandOf(variant), version, resolved, inputs });
    const progress = await createProgress(output);
    const state = resumed?.from?.state ?? null;
    const { signals } = listener;
    const job = createJob(context, { record, progress, state, signals, ...variant });
    listener.job = job;
    if (resumed) tellResumed(job, resumed);
    return job;
  } catch (error) {
    listener.signals[Symbol.dispose]();
    throw error;
  }
}

/** The first signal ends what the terminal shows and, once there is one, the run. */
function listenForSignals({ settings, output }: CommandContext) {
  const listener: { job: Job | null; signals: Signals } = {
    job: null,
    signals: new Signals({
      graceSeconds: settings.grace,
      onFirst: (name) => {
        listener.job?.progress.end();
        output.note(`${name}: stopping, then saving the best model so far; again to leave at once`);
        listener.job?.run?.stop();
      },
    }),
  };
  return listener;
}

function tellResumed(job: Job, { from, manifest }: ResumedRun): void {
  const rows = from?.state.solver.numbers.rows ?? 0;
  const exact = from === null || goesOnExactly(from.state);
  job.emit({ kind: "resumed", path: from?.path ?? null, rows, exact });
  const how = exact
    ? "exactly as it would have gone on"
    : "from the model that was judged last: what was learned after it is learned again, in another order";
  // Members of a run that was killed may live, have learned on then, and need no checkpoint; whether any do is not known before the rows are read.
  const hasEnded = manifest.result !== null;
  const mayLive = job.waitsForMembers && !hasEnded && existsSync(job.record.path(clusterStateFile));
  const unless = mayLive ? ": its members go on where they are, if any live; else" : "";
  job.context.output.note(
    from
      ? `resuming ${job.record.id}${unless} after ${rows} rows, ${how}`
      : `resuming ${job.record.id}${unless} from the start, as it had no checkpoint yet`,
  );
}

async function runJob(job: Job, files: readonly string[]): Promise<number> {
  try {
    return await trainAndSave(job, files);
  } catch (error) {
    job.progress.end();
    return await failJob(job, error);
  } finally {
    job.signals[Symbol.dispose]();
    await job.record[Symbol.asyncDispose]();
    const problem = job.record.problem();
    if (problem !== null) job.context.output.warn(`the record is not complete: ${problem}`);
  }
}

function createJob(
  context: CommandContext,
  parts: Pick<Job, "record" | "progress" | "state" | "signals" | "waitsForMembers">,
): Job {
  const { record, progress } = parts;
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  return {
    ...parts,
    context,
    run: null,
    firstFailure: null,
    seconds,
    emit: (body, time = seconds()) => {
      const event: RunEvent = { v: eventsVersion, time, ...body };
      record.append(event);
      progress.show(event);
    },
  };
}

async function trainAndSave(job: Job, files: readonly string[]): Promise<number> {
  const { context, record, progress, signals } = job;
  const data = await signals.race(loadTrainingData(job, files));
  const { validation, splitSeed, valid } = context.settings;
  await record.update({
    data: manifestData(data.training),
    split: valid === null && validation > 0 ? { validation, seed: splitSeed } : null,
  });
  job.run = await startRun(job, data);
  // A signal may have come while the run was being made.
  if (signals.received !== null) job.run.stop();
  const { result, model } = await follow(job, job.run);
  progress.end();
  const finished: TrainResult = {
    ...result,
    run: record.id,
    model: context.settings.model,
    seconds: { ...result.seconds, load: data.seconds, total: performance.now() / 1000 },
  };
  await saveEverywhere(job, model);
  return finishJob(job, finished);
}

/** Passes the run's events on, until it ends. Its own last event waits for the model to be saved. */
async function follow(job: Job, run: Run): Promise<{ result: TrainResult; model: LinearModel }> {
  const begun = job.seconds();
  for await (const event of run) {
    if (event.kind === "run-finished") continue;
    const { time, v, ...body } = event;
    job.emit(later(body, begun), begun + time);
  }
  return { result: await run.result, model: await run.model };
}

async function finishJob(job: Job, result: TrainResult): Promise<number> {
  const { context, record, signals } = job;
  const { output, settings } = context;
  job.emit({ kind: "run-finished", result });
  await record.update({ result });
  const place = settings.engine === "cluster" ? await import("./cluster-place.ts") : null;
  const isOwnChoice = settings.workers === "auto" && !place?.workersOfPlace(settings);
  const collisions = collisionLine(result);
  if (collisions !== null) output.note(collisions);
  const summary = summaryLine(result, isOwnChoice);
  if (output.json) {
    output.note(summary);
    output.result(JSON.stringify(result));
  } else if (!output.quiet) {
    output.result(summary);
  }
  if (signals.received !== null) return signals.exitCode;
  if (result.error !== null) {
    await record.writeError({ ...result.error, member: null });
    output.error(result.error.message);
    return exitCode.failed;
  }
  const unmet = unmetRequirements(settings.require ?? [], result);
  for (const line of unmet) output.error(`--require: ${line}`);
  return unmet.length > 0 ? exitCode.requirementNotMet : exitCode.done;
}

/** The run counts from when the rows were there, the record from when the command began. */
function later(body: RunEventBody, seconds: number): RunEventBody {
  if (body.kind !== "waiting") return body;
  return { ...body, since: body.since + seconds, until: body.until + seconds };
}

/** Records and prints why there is no model. A signal that came before learning is no failure. */
async function failJob(job: Job, error: unknown): Promise<number> {
  const { context, record, signals } = job;
  const { output, settings } = context;
  const interrupted = signals.received !== null;
  const result = emptyResult(settings, {
    run: record.id,
    status: interrupted ? "interrupted" : "failed",
    error: interrupted ? null : describeError(error),
  });
  job.emit({ kind: "run-finished", result });
  try {
    await record.update({ result });
    const member = job.firstFailure?.failure ?? null;
    if (result.error !== null) await record.writeError({ ...result.error, member });
  } catch {
    // The disk that took no model takes no record either; the error below says so.
  }
  if (!interrupted) {
    const code = reportFailure(error, output, { command: "train", result });
    if (settings.engine === "cluster") await tellCheckpoint(job);
    await tellFirstFailure(job, result.error?.message ?? "");
    return code;
  }
  output.note("interrupted before anything was learned: no model is saved");
  if (output.json) output.result(JSON.stringify(result));
  return signals.exitCode ?? exitCodeOf(error);
}

/** What was judged before members failed is not lost, where there is a checkpoint. */
async function tellCheckpoint({ record, context, ...job }: Job): Promise<void> {
  const [newest] = await checkpointNames(record.folder).catch(() => []);
  if (newest === undefined || context.arguments.includes("-")) return;
  const again = `glissade ${commandOf(job)} --resume ${record.folder}`;
  context.output.error(
    `the best model judged is kept in ${record.path(newest)}; go on from it: ${again}`,
  );
}

/** Whose failure was the first, last of all that is printed. */
async function tellFirstFailure({ firstFailure, context }: Job, said: string): Promise<void> {
  const failure = firstFailure?.failure;
  if (!failure) return;
  const { failureLines } = await import("./first-failure.ts");
  for (const line of failureLines(failure, said)) context.output.error(line);
}

/** Before anything is read or written; a setting that cannot be had is wrong use. */
async function checkSettings(settings: Settings): Promise<void> {
  const { workers } = await workersFor(settings);
  try {
    await refusePlan(settings, workers === "auto" ? 1 : workers);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error;
  }
}

function warnAboutSettings({ settings, resolved, output }: CommandContext): void {
  for (const { setting, reason } of settingsWithoutEffect(settings, askedFor(resolved))) {
    const { from, where } = resolved.origins[setting];
    const place = from === "file" ? `${where}: ${kebabCase(setting)}` : where;
    output.warn(`${place} has no effect here: ${reason}`);
  }
}

function settingNames(): SettingName[] {
  return Object.keys(settingsSchema.shape) as SettingName[];
}

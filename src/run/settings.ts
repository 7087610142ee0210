/**
 * Every setting of glissade, once: name, grammar, default, meaning. Flags, `GLISSADE_<NAME>`,
 * `glissade.yaml`, help, `--print-config` and the manifest are all made from this schema. Values may be
 * text as a user writes it or the plain data it stands for; the outcome is plain data.
 */
import { z } from "zod";
import { contestShape } from "./contest-settings.ts";
import { readNumber, readRange, readSize, readTime } from "./grammar.ts";
import type { Interval, Requirement, StepRule, StopRule } from "./rules.ts";
import { readInterval, readRequirements, readStep, readStop } from "./rules.ts";
import {
  choice,
  flag,
  grammar,
  type Input,
  isRecord,
  number,
  orAuto,
  type SettingMeta,
  scalar,
  text,
} from "./setting-fields.ts";
import { clusterShape } from "./settings-cluster.ts";
import { securityShape } from "./settings-security.ts";
import { autoStrategy, readStrategyOrAuto, strategyNames } from "./strategy-names.ts";

export type { SettingGroup, SettingMeta } from "./setting-fields.ts";

const lossAliases = { logistic: "log", log_loss: "log", mse: "squared" } as const;
const topologyNames = [
  "ring",
  "torus",
  "exponential",
  "hypercube",
  "tree",
  "star",
  "complete",
] as const;

const dataShape = {
  indexBase: choice(["auto", "0", "1"], "auto").meta({
    group: "data",
    syntax: "auto|0|1",
    description: "what the first feature is numbered; auto: 0 if id 0 occurs, else 1",
  }),
  topic: text(null).meta({
    group: "data",
    syntax: "CODE",
    description: "LYRL2004 topic to learn: a row is positive if any of its lines names it",
  }),
  topics: text(null).meta({
    group: "data",
    syntax: "FILE",
    description: "LYRL2004 topics file (topic, document id, 1 a line)",
  }),
  skipBadRows: number(0, { min: 0, integer: true }).meta({
    group: "data",
    syntax: "N",
    description: "bad rows to count and skip before giving up",
  }),
  validation: number(0.1, { min: 0, below: 1 }).meta({
    group: "data",
    syntax: "SHARE",
    description: "share of the rows, by hash, kept to judge the model; 0: none",
  }),
  valid: text(null).meta({
    group: "data",
    syntax: "FILE",
    description: "validation rows in a file of their own",
  }),
  test: text(null).meta({
    group: "data",
    syntax: "FILE",
    description: "rows judged once, at the end; no rule sees them",
  }),
  splitSeed: number(1, { min: 0, integer: true }).meta({
    group: "data",
    syntax: "N",
    description: "names the split into training and validation rows",
  }),
  verify: flag(false).meta({
    group: "data",
    syntax: "",
    description: "fingerprint all bytes of the input, not samples",
  }),
  cache: choice(["auto", "on", "off"], "auto", { true: "on", false: "off" }).meta({
    group: "data",
    syntax: "auto|on|off",
    description: "on: keep the rows as blocks for next time; auto: use what was kept",
    bare: "on",
  }),
  memory: grammar<number | "auto">("auto", (input) => orAuto(input, readSize)).meta({
    group: "data",
    syntax: "SIZE",
    description: "memory to use at most, as in 512MiB; auto: what the machine or container allows",
  }),
};

const modelShape = {
  loss: choice(["hinge", "squared-hinge", "log", "squared"], "hinge", lossAliases).meta({
    group: "model",
    syntax: "hinge|squared-hinge|log|squared",
    description: "what an error costs; hinge is the SVM, log logistic regression",
  }),
  l2: grammar<number | "auto">("auto", (input) =>
    orAuto(input, (value) => readNumber(value, { min: 0 })),
  ).meta({
    group: "model",
    syntax: "X",
    description: "regularisation (scikit-learn's alpha); auto: tried on the validation rows",
  }),
  C: grammar<number | null>(null, (input) => readNumber(scalar(input), { above: 0 })).meta({
    group: "model",
    syntax: "X",
    description: "the same as LIBLINEAR writes it: l2 = 1/(C*rows)",
  }),
  bias: flag(false).meta({
    group: "model",
    syntax: "",
    description: "add a constant column, regularised like any other",
  }),
  init: text(null).meta({
    group: "model",
    syntax: "MODEL",
    description: "start from this model's weights",
  }),
  metric: choice(["loss", "accuracy", "f1", "auc", "log-loss"], "loss").meta({
    group: "model",
    syntax: "loss|accuracy|f1|auc|log-loss",
    description: "what selects the best weights and stopping rules watch",
  }),
  average: choice(["auto", "always", "never"], "auto").meta({
    group: "model",
    syntax: "auto|always|never",
    description: "average of the snapshots; auto: if it is better on the validation rows",
  }),
};

const learningShape = {
  solver: choice(["auto", "sgd", "sdca"], "auto").meta({
    group: "learning",
    syntax: "auto|sgd|sdca",
    defaultText: "auto: sgd where one or two passes do, else sdca",
    description: "sdca: dual coordinate ascent (strategies serial and replicas)",
  }),
  step: grammar<StepRule>({ name: "auto" }, (input) =>
    isRecord(input) ? readStep(stepText(input)) : readStep(String(scalar(input))),
  ).meta({
    group: "learning",
    syntax: "NAME[:k=v,...]",
    defaultText: "optimal; inverse-scaling when --l2 0",
    description: "optimal, constant, inverse-scaling, decay, adagrad, antunes",
  }),
  learn: choice(["local", "gradient"], "local").meta({
    group: "learning",
    syntax: "local|gradient",
    description: "local: step after every row; gradient: one step per batch",
  }),
  rowsPerUpdate: grammar<number | "auto">("auto", (input) =>
    orAuto(input, (value) => readNumber(value, { min: 1, integer: true })),
  ).meta({ group: "learning", syntax: "N", description: "rows a worker learns for one update" }),
  merge: choice(["auto", "sum", "mean", "anticipate"], "auto").meta({
    group: "learning",
    syntax: "auto|sum|mean|anticipate",
    description: "how updates made at the same time are joined",
  }),
  decay: choice(["exact", "touched"], "exact").meta({
    group: "learning",
    syntax: "exact|touched",
    description: "touched: Hogwild!'s own rule, regularises the coordinates a row touches",
  }),
  seed: number(1, { min: 0, integer: true }).meta({
    group: "learning",
    syntax: "N",
    description: "the same seed, the same run",
  }),
};

const workersShape = {
  strategy: grammar<string>(autoStrategy, readStrategyOrAuto).meta({
    group: "workers",
    syntax: "NAME|FILE",
    description: `how workers agree: auto (by a stated rule serial or replicas; on a cluster bsp), ${strategyNames.join(", ")}, or ./mine.ts`,
  }),
  engine: choice(["threads", "cluster"], "threads").meta({
    group: "workers",
    syntax: "threads|cluster",
    description: "where workers run: threads of this process, or processes here or at --hosts",
  }),
  workers: grammar<number | "auto">("auto", (input) =>
    orAuto(input, (value) => readNumber(value, { min: 1, max: 65536, integer: true })),
  ).meta({
    group: "workers",
    syntax: "N",
    defaultText: "cores this machine or container allows",
    description: "workers that learn",
  }),
  servers: number(1, { min: 1, max: 4096, integer: true }).meta({
    group: "workers",
    syntax: "N",
    description: "parameter servers (bsp, asp, ssp, dssp)",
  }),
  standby: flag(false).meta({
    group: "workers",
    syntax: "",
    description: "a second server for each, which takes over when it dies",
  }),
  staleness: grammar<{ readonly low: number; readonly high: number } | null>(null, (input) =>
    isRecord(input)
      ? readRange(`${input.low}:${input.high}`, { min: 0, integer: true })
      : readRange(scalar(input), { min: 0, integer: true }),
  ).meta({
    group: "workers",
    syntax: "N|N:N",
    defaultText: "3, for dssp 3:15",
    description:
      "clocks a worker may be ahead of the slowest; ad-psgd: updates it learns before it waits for an average",
  }),
  uncapped: flag(false).meta({
    group: "workers",
    syntax: "",
    description: "dssp as published, without the cap on its credit",
  }),
  topology: choice(["auto", ...topologyNames], "auto").meta({
    group: "workers",
    syntax: "NAME",
    defaultText: "ring; allreduce and feature-parallel up to 8 workers: complete",
    description: `who talks to whom: ${topologyNames.join(", ")}`,
  }),
  values: choice(["f32", "f16", "bf16"], "f32").meta({
    group: "workers",
    syntax: "f32|f16|bf16",
    description: "how values travel (peer-to-peer, ad-psgd); what rounding leaves is carried",
  }),
  topK: number(0, { min: 0, integer: true }).meta({
    group: "workers",
    syntax: "N",
    description: "values of an update that travel, the largest; the rest is carried; 0: all",
  }),
  tolerance: number(0, { min: 0, below: 1 }).meta({
    group: "workers",
    syntax: "X",
    description: "values smaller than this share of the largest are carried, not sent; 0: none",
  }),
  lock: choice(["none", "vector", "coordinates"], "none").meta({
    group: "workers",
    syntax: "none|vector|coordinates",
    description: "locks for hogwild, to show what they cost",
  }),
};

const stoppingShape = {
  stop: grammar<readonly StopRule[] | "auto">("auto", readStopInput).meta({
    group: "stopping",
    syntax: "LIST",
    defaultText: "auto: when the validation rows show no gain",
    description:
      "epochs:20, time:60s, target-loss:0.25, target-accuracy:0.94, gap:0.1%, window:15, patience:3, plateau:1e-4; first to hold wins",
  }),
  evaluateEvery: grammar<Interval>({ every: 1, unit: "epochs" }, (input) =>
    isRecord(input)
      ? readInterval(`${input.every}${input.unit === "seconds" ? "s" : input.unit}`)
      : readInterval(scalar(input)),
  ).meta({
    group: "stopping",
    syntax: "INTERVAL",
    defaultText: "1epochs",
    description: "how often a snapshot is judged: 1epochs, 5000rows, 10s",
  }),
  certify: flag(false).meta({
    group: "stopping",
    syntax: "",
    description: "prove how far the result is from the optimum (needs l2 above 0)",
  }),
};

const outputShape = {
  model: text("model.safetensors").meta({
    group: "output",
    syntax: "FILE",
    description: "where the model goes",
  }),
  blocks: text(null).meta({
    group: "output",
    syntax: "PATH",
    defaultText: "beside the source, FILE.blocks",
    description: "file or folder where convert writes the blocks",
  }),
  runs: text("runs").meta({
    group: "output",
    syntax: "FOLDER",
    description: "where records of runs go",
  }),
  require: grammar<readonly Requirement[] | null>(null, (input) =>
    readRequirements(String(scalar(input))),
  ).meta({
    group: "output",
    syntax: "LIST",
    description: 'exit with code 3 unless it holds, as in "accuracy>=0.94" or "gap<=0.1%"',
  }),
  grace: grammar<number>(25, (input) => readTime(scalar(input))).meta({
    group: "output",
    syntax: "TIME",
    defaultText: "25s",
    description: "time to save and leave in after a signal",
  }),
  checkpointEvery: grammar<number>(10, (input) => readTime(scalar(input))).meta({
    group: "output",
    syntax: "TIME",
    defaultText: "10s",
    description: "time between two checkpoints at least; 0s: one at every evaluation",
  }),
  resume: text(null).meta({
    group: "output",
    syntax: "RUN",
    description: "go on with a run that was killed or interrupted: its folder, its id, or latest",
  }),
  output: choice(["labels", "predictions", "probabilities"], "labels").meta({
    group: "output",
    syntax: "labels|predictions|probabilities",
    description: "what predict prints for each row; probabilities need a model of --loss log",
  }),
  top: number(10, { min: 0, max: 1000, integer: true }).meta({
    group: "output",
    syntax: "N",
    description: "features or runs to list",
  }),
  json: flag(false).meta({
    group: "output",
    syntax: "",
    description: "the last line of standard output is one JSON object",
  }),
  quiet: flag(false).meta({ group: "output", syntax: "", description: "only errors" }),
  verbose: flag(false).meta({ group: "output", syntax: "", description: "say more" }),
  color: flag(true).meta({ group: "output", syntax: "", description: "colours" }),
};

/** Schema of what a run needs to know; `TrainSettings` is what it makes. */
export const trainSchema = z.strictObject({
  ...dataShape,
  ...modelShape,
  ...learningShape,
  ...workersShape,
  ...stoppingShape,
});

/** Schema of everything, with what only commands need. */
export const settingsSchema = z.strictObject({
  ...trainSchema.shape,
  ...outputShape,
  ...contestShape,
  ...clusterShape,
  ...securityShape,
});

/** Settings of a run: resolved, plain data. */
export type TrainSettings = Readonly<z.output<typeof trainSchema>>;
/** Settings as a caller gives them: text or data, all optional; `epochs: 20` is `stop: "epochs:20"`. */
export type TrainOptions = Readonly<z.input<typeof trainSchema> & { epochs?: number }>;
/** Settings of a command: resolved, plain data. */
export type Settings = Readonly<z.output<typeof settingsSchema>>;
export type SettingName = keyof Settings;

/** The settings of a run where the user asked for nothing. */
export function defaultTrainSettings(): TrainSettings {
  return trainSchema.parse({});
}

/**
 * Reads settings given as text or data; what is not given gets its default.
 * @throws RangeError that names each setting that is unknown or wrong, what was expected and found.
 */
export function parseTrainSettings({ epochs, ...input }: TrainOptions): TrainSettings {
  const given: Record<string, unknown> = Object.fromEntries(
    Object.entries(input).filter(([, value]) => value !== undefined),
  );
  if (epochs !== undefined) given.stop = joinEpochs(given.stop, epochs);
  const result = trainSchema.safeParse(given);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue === undefined) throw new RangeError("Cannot read settings");
  if (issue.code === "unrecognized_keys") {
    throw new RangeError(
      `Cannot read settings as ${issue.keys.join(", ")} is no setting: see docs/cli.md for all names`,
    );
  }
  throw new RangeError(`Cannot read setting ${issue.path.join(".")}: ${issue.message}`);
}

/** `epochs` is short for one more rule of `stop`. */
export function joinEpochs(stop: unknown, epochs: unknown): unknown {
  const rule = `epochs:${epochs}`;
  if (stop === undefined || stop === "auto") return rule;
  return Array.isArray(stop) ? [...stop, rule] : `${stop},${rule}`;
}

/** What the schema says of a setting. */
export function settingMeta(name: SettingName): SettingMeta {
  return settingsSchema.shape[name].meta() as unknown as SettingMeta;
}

function readStopInput(input: Input): readonly StopRule[] | "auto" {
  if (!Array.isArray(input)) return readStop(String(scalar(input)));
  return readStop(input.map((item) => (isRecord(item) ? stopText(item) : item)).join(","));
}

/** Data becomes text again so that one reader checks both. */
function stopText(rule: Readonly<Record<string, unknown>>): string {
  const [value] = Object.entries(rule).filter(([key]) => key !== "rule");
  return `${rule.rule}:${value?.[1]}`;
}

function stepText({ name, ...parameters }: Readonly<Record<string, unknown>>): string {
  const list = Object.entries(parameters).map(([key, value]) => `${key}=${value}`);
  return list.length === 0 ? String(name) : `${name}:${list.join(",")}`;
}

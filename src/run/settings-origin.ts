/**
 * Where a setting's value comes from: flag, then `GLISSADE_<NAME>`, then `glissade.yaml` or `--config`,
 * then the default. Nothing here reads a file or the environment by itself.
 */

import { didYouMean, nearestWord, quote } from "./grammar.ts";
import { settingText, shownValue } from "./setting-text.ts";
import { joinEpochs, type SettingName, type Settings, settingsSchema } from "./settings.ts";

/** Which of the four sources gave a value, and its place there, as in `glissade.yaml:3`. */
export interface Origin {
  readonly from: "flag" | "environment" | "file" | "default";
  readonly where: string;
}

/** One value of `glissade.yaml`, with the line it stands in. */
export interface ConfigEntry {
  readonly key: string;
  readonly value: unknown;
  readonly line: number;
}

export interface ConfigFile {
  readonly path: string;
  readonly entries: readonly ConfigEntry[];
}

export interface SettingSources {
  /** By camel-case name, as the command line gave them. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly config: ConfigFile | null;
}

export interface ResolvedSettings {
  readonly settings: Settings;
  readonly origins: Readonly<Record<SettingName, Origin>>;
}

/** A setting that cannot be used: the user's mistake, exit code 2. */
export class SettingError extends Error {
  override readonly name = "SettingError";
  readonly code = "wrong-setting";
}

/** Names a user may write: those of the schema, and `epochs`, short for `stop: epochs:N`. */
export const settingNames: readonly string[] = [...Object.keys(settingsSchema.shape), "epochs"];

/**
 * Resolves every setting of the schema.
 * @throws SettingError for an unknown key of the file or a wrong value, saying where it stands.
 */
export function resolveSettings(sources: SettingSources): ResolvedSettings {
  const layers = [
    readConfig(sources.config),
    readEnvironment(sources.environment),
    readFlags(sources.flags),
  ];
  const given: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  for (const layer of layers) {
    for (const [name, { value, origin }] of joinLayerEpochs(layer)) {
      given[name] = value;
      origins[name] = origin;
    }
  }
  const result = settingsSchema.safeParse(given);
  if (!result.success) {
    throw new SettingError(
      result.error.issues
        .map((issue) => describeIssue(String(issue.path[0]), issue.message, origins))
        .join("\n"),
    );
  }
  const settings = withImplied(result.data, origins);
  for (const name of Object.keys(settings)) origins[name] ??= { from: "default", where: "" };
  refuseContradictions(settings, origins);
  return { settings, origins: origins as Record<SettingName, Origin> };
}

/** Hosts mean a cluster, unless an engine was asked for. */
function withImplied(settings: Settings, origins: Record<string, Origin>): Settings {
  if (settings.hosts === null || origins.engine !== undefined) return settings;
  origins.engine = origins.hosts!;
  return { ...settings, engine: "cluster" };
}

/** The settings that the user set; a default written out in a file, as `--print-config` does, asks for nothing. */
export function askedFor({ settings, origins }: ResolvedSettings): ReadonlySet<SettingName> {
  const defaults = settingsSchema.parse({});
  const isDefault = (name: SettingName) =>
    JSON.stringify(settings[name]) === JSON.stringify(defaults[name]);
  const names = Object.keys(settings) as SettingName[];
  return new Set(
    names.filter((name) => {
      const { from } = origins[name];
      return from !== "default" && !(from === "file" && isDefault(name));
    }),
  );
}

/** `rows-per-update` for `rowsPerUpdate`: as flags and keys of the file are written. */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter, at) => (at === 0 ? letter : `-${letter.toLowerCase()}`));
}

/** `GLISSADE_ROWS_PER_UPDATE` for `rowsPerUpdate`. */
export function environmentName(name: string): string {
  return `GLISSADE_${kebabCase(name).replaceAll("-", "_").toUpperCase()}`;
}

/** Each setting, its value as a user writes it and where it comes from: `--print-config`. */
export function printConfig(
  { settings, origins }: ResolvedSettings,
  names: readonly SettingName[],
): string {
  const rows = names.map((name) => {
    const { from, where } = origins[name];
    const place = from === "default" ? "default" : `${from}: ${where}`;
    const value = shownValue(name, settings[name]);
    // A secret that is not shown must not be read back as the word that stands for it.
    const prefix = value === settings[name] ? "" : "# ";
    return [`${prefix}${kebabCase(name)}: ${yamlText(value)}`, `# ${place}`] as const;
  });
  const width = Math.min(44, Math.max(...rows.map(([setting]) => setting.length)));
  return rows.map(([setting, place]) => `${setting.padEnd(width)}  ${place}\n`).join("");
}

/** A text as YAML reads it back: in quotes where it would be a number, a word of YAML's or no plain text. */
function yamlText(value: Parameters<typeof settingText>[0]): string {
  const text = settingText(value);
  if (text === "") return "";
  const isPlain = /^[\w./~][^#:"'\\]*(?::(?! |$)[^#:"'\\]*)*$/.test(text) && text.trim() === text;
  const isOther =
    typeof value === "string" &&
    (/^(null|~|true|false|\.nan|\.inf)$/i.test(text) || !Number.isNaN(Number(text)));
  return isPlain && !isOther ? text : JSON.stringify(text);
}

type Layer = Map<string, { value: unknown; origin: Origin }>;

function readConfig(config: ConfigFile | null): Layer {
  const layer: Layer = new Map();
  if (config === null) return layer;
  const keys = settingNames.map(kebabCase);
  const seen = new Map<string, number>();
  for (const { key, value, line } of config.entries) {
    const where = `${config.path}:${line}`;
    const name = settingNames.find((known) => kebabCase(known) === key);
    if (name === undefined) {
      const near = nearestWord(kebabCase(key), keys);
      const hint = near === null ? "" : `; did you mean "${near}"?`;
      throw new SettingError(`${where}: ${quote(key)} is no setting${hint}`);
    }
    const before = seen.get(key);
    if (before !== undefined) {
      throw new SettingError(`${where}: ${key} is given twice, first in line ${before}; keep one`);
    }
    seen.set(key, line);
    // A key without a value is how YAML leaves a line open: the default stays.
    if (value !== null) layer.set(name, { value, origin: { from: "file", where } });
  }
  return layer;
}

/** Only names of the schema are read: other programs may use the prefix for their own ends. */
function readEnvironment(environment: SettingSources["environment"]): Layer {
  const layer: Layer = new Map();
  for (const name of settingNames) {
    const where = environmentName(name);
    const value = environment[where];
    if (value !== undefined && value !== "") {
      layer.set(name, { value, origin: { from: "environment", where } });
    }
  }
  return layer;
}

function readFlags(flags: SettingSources["flags"]): Layer {
  const layer: Layer = new Map();
  for (const name of settingNames) {
    const value = flags[name];
    if (value === undefined) continue;
    const where = value === false ? `--no-${kebabCase(name)}` : `--${kebabCase(name)}`;
    layer.set(name, { value, origin: { from: "flag", where } });
  }
  return layer;
}

/** `epochs` is short for a rule of `stop`; within one source both count. */
function joinLayerEpochs(layer: Layer): Layer {
  const epochs = layer.get("epochs");
  if (epochs === undefined) return layer;
  layer.delete("epochs");
  const stop = layer.get("stop");
  layer.set("stop", { value: joinEpochs(stop?.value, epochs.value), origin: epochs.origin });
  return layer;
}

function describeIssue(name: string, message: string, origins: Record<string, Origin>): string {
  const origin = origins[name];
  if (origin === undefined) return `${kebabCase(name)}: ${message}`;
  if (origin.from !== "file") return `${origin.where}: ${message}`;
  return `${origin.where}: ${kebabCase(name)}: ${message}`;
}

function refuseContradictions(settings: Settings, origins: Record<string, Origin>): void {
  const place = (name: string) => origins[name]?.where || kebabCase(name);
  if (origins.token?.from === "flag") {
    throw new SettingError(
      "--token: every user of this machine sees command lines, and shells keep them: give the token by GLISSADE_TOKEN, or a file that holds it by --token-file",
    );
  }
  if (settings.C !== null && settings.l2 !== "auto") {
    throw new SettingError(
      `${place("C")} and ${place("l2")} say the same thing twice (l2 = 1/(C*rows)): keep one`,
    );
  }
  if (settings.quiet && settings.verbose) {
    throw new SettingError(
      `${place("quiet")} and ${place("verbose")} exclude each other: keep one`,
    );
  }
  if (settings.topic !== null && settings.topics === null) {
    throw new SettingError(`${place("topic")} needs --topics FILE: which rows have that topic?`);
  }
  if (settings.topics !== null && settings.topic === null) {
    throw new SettingError(`${place("topics")} needs --topic CODE: which topic shall be learned?`);
  }
}

/** For an unknown name where a setting was expected: the hint, or nothing. */
export function suggestSetting(name: string): string {
  return didYouMean(name, settingNames.map(kebabCase));
}

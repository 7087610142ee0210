/** Flags of a command, made from the schema of settings. */
import { type Command, Option } from "commander";
import { settingText } from "../run/setting-text.ts";
import {
  type SettingGroup,
  type SettingName,
  settingMeta,
  settingsSchema,
} from "../run/settings.ts";
import { kebabCase } from "../run/settings-origin.ts";

const headings: Record<SettingGroup, string> = {
  data: "Data:",
  model: "Model:",
  learning: "Learning:",
  workers: "Workers:",
  stopping: "Evaluation and stopping:",
  output: "Output and records:",
  cluster: "Cluster:",
};

const shortFlags: Partial<Record<SettingName, string>> = {
  model: "-o",
  blocks: "-o",
  quiet: "-q",
  verbose: "-v",
};

/** Adds a flag for each of these settings, with its default in the help; `wordings` where a command has its own words. */
export function addSettingOptions(
  command: Command,
  names: readonly SettingName[],
  wordings: Partial<Record<SettingName, string>> = {},
): void {
  const defaults = settingsSchema.parse({});
  for (const name of names) {
    const { group, description, syntax, defaultText, bare } = settingMeta(name);
    const value = defaults[name];
    if (typeof value === "boolean") {
      addSwitch(command, { name, fallback: value, description, heading: headings[group] });
      continue;
    }
    const shown = defaultText ?? settingText(value);
    const words = wordsOf(syntax);
    const alone = bare === undefined ? "" : `; without a word: ${bare}`;
    const own = wordings[name] ?? description;
    const text = `${words === null ? own : `${own}: ${words}`}${alone}`;
    const short = shortFlags[name] === undefined ? "" : `${shortFlags[name]}, `;
    const argument = bare === undefined ? `<${shortSyntax(syntax)}>` : `[${syntax}]`;
    const option = new Option(
      `${short}--${kebabCase(name)} ${argument}`,
      shown === "" ? text : `${text} (default: ${shown})`,
    );
    command.addOption(option.preset(bare).helpGroup(headings[group]));
    if (bare !== undefined) {
      const off = new Option(`--no-${kebabCase(name)}`).helpGroup(headings[group]);
      command.addOption(off.hideHelp().default(undefined));
    }
  }
  if (names.includes("stop")) {
    command.addOption(
      new Option("--epochs <N>", "short for --stop epochs:N").helpGroup(headings.stopping),
    );
  }
}

/** Flags that every command has and that are no settings. */
export function addCommonOptions(command: Command): void {
  command.addOption(
    new Option("--config <FILE>", "settings in YAML (default: glissade.yaml of this folder)"),
  );
  command.addOption(
    new Option("--print-config", "print each setting and where it comes from, and leave"),
  );
}

interface Switch {
  readonly name: SettingName;
  readonly fallback: boolean;
  readonly description: string;
  readonly heading: string;
}

/** Both directions exist, so that a flag can undo what a file says; help shows the one that changes. */
function addSwitch(command: Command, { name, fallback, description, heading }: Switch): void {
  const short = shortFlags[name] === undefined ? "" : `${shortFlags[name]}, `;
  const on = new Option(`${short}--${kebabCase(name)}`, description).helpGroup(heading);
  const off = new Option(`--no-${kebabCase(name)}`, `no ${description}`).helpGroup(heading);
  // commander sets a default of its own for --no-x: undefined keeps "not given" apart from "false".
  command.addOption((fallback ? on.hideHelp() : on).default(undefined));
  command.addOption((fallback ? off : off.hideHelp()).default(undefined));
}

/** Long lists of words go to the description; the flag's column stays narrow. */
function shortSyntax(syntax: string): string {
  return wordsOf(syntax) === null ? syntax : "NAME";
}

function wordsOf(syntax: string): string | null {
  return syntax.length > 24 ? syntax.replaceAll("|", ", ") : null;
}

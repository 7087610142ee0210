/** What a command is: its words for help, the settings it reads, and what it does. */
import type { SettingName, Settings } from "../run/settings.ts";
import type { ResolvedSettings } from "../run/settings-origin.ts";
import type { Output } from "./output.ts";

export interface CommandDefinition {
  readonly name: string;
  readonly description: string;
  /** Positional arguments as commander writes them, as in `<model> [files...]`. */
  readonly arguments: readonly { readonly syntax: string; readonly description: string }[];
  readonly settings: readonly SettingName[];
  /** What settings mean here, where that is less than elsewhere. */
  readonly wordings?: Partial<Record<SettingName, string>>;
  readonly examples: readonly string[];
  /** Does it; returns the exit code. */
  readonly run: (context: CommandContext) => Promise<number>;
}

export interface CommandContext {
  /** Positional arguments, one list: what commander calls variadic is flattened. */
  readonly arguments: readonly string[];
  readonly settings: Settings;
  readonly resolved: ResolvedSettings;
  readonly output: Output;
}

/** Exit codes; conventions know no others. */
export const exitCode = {
  done: 0,
  failed: 1,
  wrongUse: 2,
  requirementNotMet: 3,
  orphaned: 4,
  interrupted: 130,
  terminated: 143,
} as const;

/** The user asked for something that cannot be: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly code = "wrong-use";
}

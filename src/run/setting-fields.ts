/** Kinds of settings: what their text may be, and what is said of them. */
import { z } from "zod";
import { quote, readChoice, readNumber } from "./grammar.ts";

/** Headings that help sorts settings under. */
export type SettingGroup =
  | "data"
  | "model"
  | "learning"
  | "workers"
  | "stopping"
  | "output"
  | "cluster";

/** What is known of a setting beside its grammar. */
export interface SettingMeta {
  readonly group: SettingGroup;
  readonly description: string;
  /** How its value is written in help, as in `N`; empty for a switch. */
  readonly syntax: string;
  /** What the flag means without a value. */
  readonly bare?: string;
  /** Shown in help in place of the default's own text. */
  readonly defaultText?: string;
}

/**
 * A value with a grammar: `read` turns text or data into plain data, or throws a RangeError. `Given` is
 * what a caller in TypeScript may write beside the data itself; flags and YAML may bring anything.
 */
export function grammar<Value, Given = string | number>(
  fallback: Value,
  read: (input: Input) => Value,
) {
  return z
    .custom<Given | Value>()
    .transform((input, context): Value => {
      if (input === fallback) return fallback;
      try {
        return read(input as Input);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        context.addIssue({ code: "custom", message: error.message });
        return z.NEVER;
      }
    })
    .prefault(() => fallback as Given | Value);
}

/** What YAML, a flag or a caller may give. */
export type Input =
  | string
  | number
  | boolean
  | Readonly<Record<string, unknown>>
  | readonly unknown[];

/** One of some words; aliases stand for one of them. */
export function choice<const Word extends string, const Alias extends string = never>(
  words: readonly Word[],
  fallback: NoInfer<Word>,
  aliases: Readonly<Record<Alias, NoInfer<Word>>> = {} as Readonly<Record<Alias, NoInfer<Word>>>,
) {
  return grammar<Word, Word | Alias>(fallback, (input) =>
    readChoice(String(scalar(input)), words, aliases),
  );
}

/** A number within bounds. */
export function number(fallback: number, rule: Parameters<typeof readNumber>[1]) {
  return grammar<number, number>(fallback, (input) => readNumber(scalar(input), rule));
}

/** Any text but none. */
export function text<Fallback extends string | null>(fallback: Fallback) {
  return grammar<string | Fallback, string>(fallback, (input) => {
    const value = String(scalar(input));
    if (value === "") throw new RangeError('expected some text, found ""');
    return value;
  });
}

/** A switch. */
export function flag(fallback: boolean) {
  return grammar<boolean, boolean>(fallback, (input) => {
    const word = String(input);
    if (["true", "yes", "1"].includes(word)) return true;
    if (["false", "no", "0"].includes(word)) return false;
    throw new RangeError(`expected true or false, found ${quote(input)}`);
  });
}

/** What `read` reads, or the word auto. */
export function orAuto(input: Input, read: (value: string | number) => number): number | "auto" {
  return input === "auto" ? "auto" : read(scalar(input));
}

/** One value, no list or record. */
export function scalar(input: Input): string | number {
  if (typeof input === "string" || typeof input === "number") return input;
  throw new RangeError(`expected one value, found ${quote(input)}`);
}

/** Whether data were given in place of text. */
export function isRecord(input: Input): input is Readonly<Record<string, unknown>> {
  return typeof input === "object" && input !== null && !Array.isArray(input);
}

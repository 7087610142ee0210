/**
 * Settings with a grammar of their own, read into plain data: `--stop`, `--step`, `--evaluate-every`,
 * `--require`. Readers throw a RangeError that says what was expected and found.
 */
import {
  didYouMean,
  quote,
  readChoice,
  readList,
  readNamed,
  readNumber,
  readShare,
  readTime,
} from "./grammar.ts";

/** One rule of `--stop`; learning ends when the first of the list holds. */
export type StopRule =
  | { readonly rule: "epochs"; readonly epochs: number }
  | { readonly rule: "time"; readonly seconds: number }
  | { readonly rule: "target-loss"; readonly loss: number }
  | { readonly rule: "target-accuracy"; readonly accuracy: number }
  /** Proved distance to the optimum, relative to it. */
  | { readonly rule: "gap"; readonly relative: number }
  /** This many losses in a row are all above the best before them (Antunes). */
  | { readonly rule: "window"; readonly evaluations: number }
  /** This many evaluations in a row brought no better one (Beaud). */
  | { readonly rule: "patience"; readonly evaluations: number }
  /** Two mean losses in a row differ by less than this (Declety, independent of n). */
  | { readonly rule: "plateau"; readonly difference: number };

/** A step size rule; "auto" parameters are calibrated by the run. */
export type StepRule =
  /** `optimal`, or `inverse-scaling` where there is no regularisation. */
  | { readonly name: "auto" }
  | { readonly name: "optimal"; readonly t0: number | "auto" }
  | { readonly name: "constant"; readonly eta0: number | "auto" }
  | {
      readonly name: "inverse-scaling";
      readonly eta0: number | "auto";
      readonly power: number;
    }
  | { readonly name: "decay"; readonly eta0: number | "auto"; readonly beta: number }
  | { readonly name: "adagrad"; readonly eta0: number | "auto" }
  | { readonly name: "antunes" };

/** How often a snapshot is judged. */
export interface Interval {
  readonly every: number;
  readonly unit: "epochs" | "rows" | "seconds";
}

/** One condition of `--require`; a run that ends without it exits with code 3. */
export interface Requirement {
  readonly quantity: RequiredQuantity;
  readonly operator: "<=" | ">=" | "<" | ">";
  readonly value: number;
  /** As the user wrote it, for messages. */
  readonly text: string;
}

const requiredQuantities = [
  "gap",
  "loss",
  "accuracy",
  "test-loss",
  "test-accuracy",
  "objective",
  "seconds",
  "lost-updates",
] as const;
/** What `--require` can speak of: `loss` and `accuracy` are those of the validation rows. */
export type RequiredQuantity = (typeof requiredQuantities)[number];

const stopRules = [
  "epochs",
  "time",
  "target-loss",
  "target-accuracy",
  "gap",
  "window",
  "patience",
  "plateau",
] as const;

/** Reads `epochs:20,window:15` into rules; `auto` leaves the choice to the run. */
export function readStop(text: string): readonly StopRule[] | "auto" {
  if (text.trim() === "auto") return "auto";
  const rules = readList(text).map(readStopRule);
  const repeated = rules.find((rule, i) => rules.findIndex((r) => r.rule === rule.rule) < i);
  if (repeated !== undefined) {
    throw new RangeError(`expected each rule once, found ${repeated.rule} twice in ${quote(text)}`);
  }
  return rules;
}

function readStopRule(text: string): StopRule {
  const colon = text.indexOf(":");
  const rule = readChoice(colon < 0 ? text : text.slice(0, colon), stopRules);
  if (colon < 0)
    throw new RangeError(`expected ${rule}:VALUE as in ${example(rule)}, found ${quote(text)}`);
  const value = text.slice(colon + 1);
  switch (rule) {
    case "epochs":
      return { rule, epochs: readNumber(value, { above: 0 }) };
    case "time":
      return { rule, seconds: readTime(value) };
    case "target-loss":
      return { rule, loss: readNumber(value, { min: 0 }) };
    case "target-accuracy":
      return { rule, accuracy: readNumber(readShare(value), { above: 0, max: 1 }) };
    case "gap":
      return { rule, relative: readNumber(readShare(value), { above: 0 }) };
    case "window":
    case "patience":
      return { rule, evaluations: readNumber(value, { min: 1, integer: true }) };
    case "plateau":
      return { rule, difference: readNumber(value, { above: 0 }) };
    default:
      return rule satisfies never;
  }
}

function example(rule: (typeof stopRules)[number]): string {
  const values: Record<typeof rule, string> = {
    epochs: "20",
    time: "60s",
    "target-loss": "0.25",
    "target-accuracy": "0.94",
    gap: "0.1%",
    window: "15",
    patience: "3",
    plateau: "1e-4",
  };
  return `${rule}:${values[rule]}`;
}

/** Writes a stop rule the way a user would. */
export function writeStopRule(rule: StopRule): string {
  switch (rule.rule) {
    case "epochs":
      return `epochs:${rule.epochs}`;
    case "time":
      return `time:${rule.seconds}s`;
    case "target-loss":
      return `target-loss:${rule.loss}`;
    case "target-accuracy":
      return `target-accuracy:${rule.accuracy}`;
    case "gap":
      return `gap:${Number((rule.relative * 100).toPrecision(12))}%`;
    case "window":
    case "patience":
      return `${rule.rule}:${rule.evaluations}`;
    case "plateau":
      return `plateau:${rule.difference}`;
    default:
      return rule satisfies never;
  }
}

/** The parameters that each step size takes, with what they are when not given. */
const stepParameters = {
  auto: {},
  optimal: { t0: "auto" },
  constant: { eta0: "auto" },
  "inverse-scaling": { eta0: "auto", power: 0.5 },
  decay: { eta0: "auto", beta: 0.9 },
  adagrad: { eta0: "auto" },
  antunes: {},
} as const;

/** Reads `optimal`, `constant:eta0=0.1`, `inverse-scaling:eta0=1,power=0.5`. */
export function readStep(text: string): StepRule {
  const { name, parameters } = readNamed(text);
  const known = readChoice(name, Object.keys(stepParameters) as (keyof typeof stepParameters)[]);
  const step: Record<string, unknown> = { name: known, ...stepParameters[known] };
  const words = Object.keys(stepParameters[known]);
  for (const [key, value] of parameters) {
    if (!words.includes(key)) {
      throw new RangeError(
        words.length === 0
          ? `expected ${known} alone as it takes no parameters, found ${quote(key)}`
          : `expected parameters of ${known} (${words.join(", ")}), found ${quote(key)}${didYouMean(key, words)}`,
      );
    }
    step[key] = readStepParameter(key, value);
  }
  return step as unknown as StepRule;
}

function readStepParameter(key: string, value: string): number | "auto" {
  if (value === "auto" && (key === "eta0" || key === "t0")) return "auto";
  const rule = key === "beta" ? { above: 0, max: 1 } : key === "power" ? { min: 0 } : { above: 0 };
  return readNumber(value, rule);
}

/** Writes a step rule the way a user would. */
export function writeStep(step: StepRule): string {
  const parameters = Object.entries(step).filter(([key]) => key !== "name");
  const list = parameters.map(([key, value]) => `${key}=${value}`).join(",");
  return list === "" ? step.name : `${step.name}:${list}`;
}

/** Reads `1epochs`, `5000rows`, `10s`; a bare number counts epochs. */
export function readInterval(text: string | number): Interval {
  const trimmed = String(text).trim();
  const [, digits = "", unit = ""] = /^([0-9.eE+-]*?[0-9.])\s*([a-z]*)$/.exec(trimmed) ?? [];
  if (unit === "" || unit === "epoch" || unit === "epochs") {
    return { every: readNumber(digits || trimmed, { above: 0 }), unit: "epochs" };
  }
  if (unit === "row" || unit === "rows") {
    return { every: readNumber(digits, { min: 1, integer: true }), unit: "rows" };
  }
  try {
    return { every: readNumber(readTime(trimmed), { above: 0 }), unit: "seconds" };
  } catch {
    throw new RangeError(
      `expected an interval such as 1epochs, 5000rows or 10s, found ${quote(trimmed)}`,
    );
  }
}

/** Writes an interval the way a user would. */
export function writeInterval({ every, unit }: Interval): string {
  return `${every}${unit === "seconds" ? "s" : unit}`;
}

/** Reads `gap<=0.1%,accuracy>=0.94`. */
export function readRequirements(text: string): readonly Requirement[] {
  return readList(text).map((item) => {
    const match = /^([a-z-]+)\s*(<=|>=|<|>)\s*(.+)$/.exec(item);
    if (match === null) {
      throw new RangeError(`expected a condition such as gap<=0.1%, found ${quote(item)}`);
    }
    const [, name = "", operator = "", value = ""] = match;
    return {
      quantity: readChoice(name, requiredQuantities),
      operator: operator as Requirement["operator"],
      value: readShare(value),
      text: item,
    };
  });
}

/** Settings written the way a user would write them: for help, `--print-config` and messages. */
import { type Limits, limitDefaults } from "../engines/cluster/protection.ts";
import {
  type Interval,
  type Requirement,
  type StepRule,
  type StopRule,
  writeInterval,
  writeStep,
  writeStopRule,
} from "./rules.ts";

type Plain =
  | string
  | number
  | boolean
  | null
  | Interval
  | StepRule
  | { readonly low: number; readonly high: number }
  | { readonly count: number; readonly factor: number }
  | readonly StopRule[]
  | readonly string[]
  | readonly number[]
  | readonly Requirement[]
  | Limits;

/** The text that reads back as this value; an unset one is empty. */
export function settingText(value: Plain): string {
  if (value === null) return "";
  if (typeof value !== "object") return String(value);
  if ("unit" in value) return writeInterval(value);
  if ("low" in value)
    return value.low === value.high ? `${value.low}` : `${value.low}:${value.high}`;
  if ("count" in value) return `${value.count}:${value.factor}`;
  if ("name" in value) return writeStep(value);
  if ("introduction" in value) return limitsText(value);
  const list: readonly (StopRule | Requirement | string | number)[] = value;
  return list.map(itemText).join(",");
}

function itemText(item: StopRule | Requirement | string | number): string {
  if (typeof item !== "object") return String(item);
  return "rule" in item ? writeStopRule(item) : item.text;
}

/** Those limits that are not what they are by default. */
function limitsText(limits: Limits): string {
  return (Object.keys(limits) as (keyof Limits)[])
    .filter((name) => limits[name] !== limitDefaults[name])
    .map((name) => `${name}=${limits[name]}`)
    .join(",");
}

/** What stands for a value that only its owner may know. */
const hidden = "(hidden)";
const secretSettings: readonly string[] = ["token"];

/** The value as records and `--print-config` may show it. */
export function shownValue<Value>(name: string, value: Value): Value | typeof hidden {
  return secretSettings.includes(name) && value !== null ? hidden : value;
}

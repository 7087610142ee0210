/**
 * How values are written wherever a user writes one: sizes `512MiB`, times `10s`, rates `1Gbps`,
 * ranges `1:10`, shares `0.1%`, lists with commas, `NAME:k=v,k=v`. Every reader throws a RangeError
 * that says what was expected and what was found; who calls it adds where.
 */

const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?/;

const sizeUnits = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
const timeUnits = { us: 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600, d: 86400 };
const rateUnits = { bps: 1, kbps: 1e3, Kbps: 1e3, Mbps: 1e6, Gbps: 1e9 };

/** Reads a size in bytes: `512MiB`, `1.5GB`; a bare number is bytes. */
export function readSize(text: string | number): number {
  return Math.round(readQuantity(text, { units: sizeUnits, what: "a size such as 512MiB" }));
}

/** Reads a time in seconds: `10s`, `250ms`, `2min`; a bare number is seconds. */
export function readTime(text: string | number): number {
  return readQuantity(text, { units: timeUnits, what: "a time such as 10s, 250ms or 2min" });
}

/** Reads a rate in bits per second: `1Gbps`; a bare number is bits per second. */
export function readRate(text: string | number): number {
  return readQuantity(text, { units: rateUnits, what: "a rate such as 1Gbps" });
}

/** Reads a share: `0.1%` or the fraction `0.001`. */
export function readShare(text: string | number): number {
  return readQuantity(text, { units: { "%": 0.01 }, what: "a share such as 0.1% or 0.001" });
}

/** Bounds of a number, for the check and for the message. */
export interface NumberRule {
  readonly min?: number;
  readonly max?: number;
  /** The minimum itself is not allowed. */
  readonly above?: number;
  readonly below?: number;
  readonly integer?: boolean;
}

/** Reads a plain number within bounds. */
export function readNumber(text: string | number, rule: NumberRule = {}): number {
  const trimmed = String(text).trim();
  const value = typeof text === "number" ? text : parseWhole(trimmed);
  const fits =
    Number.isFinite(value) &&
    (!rule.integer || Number.isSafeInteger(value)) &&
    (rule.min === undefined || value >= rule.min) &&
    (rule.max === undefined || value <= rule.max) &&
    (rule.above === undefined || value > rule.above) &&
    (rule.below === undefined || value < rule.below);
  if (!fits) throw new RangeError(`expected ${describeNumber(rule)}, found ${quote(trimmed)}`);
  return value;
}

/** Reads `3` as 3 to 3, and `3:15` as 3 to 15. */
export function readRange(text: string | number, rule: NumberRule = {}) {
  const parts = String(text).split(":");
  if (parts.length > 2) {
    throw new RangeError(`expected a number or a range such as 3:15, found ${quote(text)}`);
  }
  const low = readNumber(parts[0]!, rule);
  const high = parts.length === 2 ? readNumber(parts[1]!, rule) : low;
  if (high < low) {
    throw new RangeError(
      `expected a range whose end is not below its start, found ${quote(text)}: write ${high}:${low}`,
    );
  }
  return { low, high };
}

/** Splits a list at its commas; blanks around items do not count, empty items are refused. */
export function readList(text: string): string[] {
  const items = text.split(",").map((item) => item.trim());
  if (items.some((item) => item === "")) {
    throw new RangeError(`expected items with commas between them, found ${quote(text)}`);
  }
  return items;
}

/** Reads `NAME` or `NAME:k=v,k=v`. */
export function readNamed(text: string): { name: string; parameters: Map<string, string> } {
  const colon = text.indexOf(":");
  const name = (colon < 0 ? text : text.slice(0, colon)).trim();
  const parameters = new Map<string, string>();
  if (colon < 0) return { name, parameters };
  for (const item of readList(text.slice(colon + 1))) {
    const equals = item.indexOf("=");
    if (equals < 1) {
      throw new RangeError(`expected NAME:key=value,key=value, found ${quote(text)}`);
    }
    parameters.set(item.slice(0, equals).trim(), item.slice(equals + 1).trim());
  }
  return { name, parameters };
}

/** Reads one of several words; another is answered with the nearest of them, and `also` says what else there is. */
export function readChoice<Word extends string>(
  text: string,
  words: readonly Word[],
  aliases: Readonly<Record<string, Word>> = {},
  also = "",
): Word {
  const found = words.find((word) => word === text) ?? ownValue(aliases, text);
  if (found !== undefined) return found;
  throw new RangeError(
    `expected one of ${words.join(", ")}${also}, found ${quote(text)}${didYouMean(text, [...words, ...Object.keys(aliases)])}`,
  );
}

/** `; did you mean "x"?` for the nearest word within reach of a typing slip, else nothing. */
export function didYouMean(text: string, words: readonly string[]): string {
  const nearest = nearestWord(text, words);
  return nearest === null ? "" : `; did you mean "${nearest}"?`;
}

/** The word that differs least from `text`, or null when all differ too much to be meant. */
export function nearestWord(text: string, words: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const word of words) {
    const distance = editDistance(text.toLowerCase(), word.toLowerCase());
    if (distance < bestDistance) {
      best = word;
      bestDistance = distance;
    }
  }
  return best ?? words.find((word) => text.length >= 3 && word.startsWith(text)) ?? null;
}

/** Puts a found value in quotes, cut where it would fill the line. */
export function quote(found: unknown): string {
  const text = typeof found === "string" ? found : (JSON.stringify(found) ?? String(found));
  return `"${text.length > 60 ? `${text.slice(0, 57)}...` : text}"`;
}

interface QuantityRule {
  readonly units: Readonly<Record<string, number>>;
  readonly what: string;
}

function readQuantity(text: string | number, { units, what }: QuantityRule): number {
  const trimmed = String(text).trim();
  const digits = numberPattern.exec(trimmed)?.[0] ?? "";
  const unit = trimmed.slice(digits.length).trim();
  const factor = unit === "" ? 1 : ownValue(units, unit);
  const value = digits === "" || factor === undefined ? Number.NaN : Number(digits) * factor;
  if (!Number.isFinite(value) || value < 0) {
    const hint = factor === undefined ? ` (units: ${Object.keys(units).join(", ")})` : "";
    throw new RangeError(`expected ${what}, found ${quote(trimmed)}${hint}`);
  }
  return value;
}

/** Number() reads "", "0x10" and " " as numbers; a setting does not. */
function parseWhole(text: string): number {
  return numberPattern.exec(text)?.[0] === text && text !== "" ? Number(text) : Number.NaN;
}

function describeNumber(rule: NumberRule): string {
  const bounds = [
    rule.min === undefined ? "" : `at least ${rule.min}`,
    rule.above === undefined ? "" : `above ${rule.above}`,
    rule.max === undefined ? "" : `at most ${rule.max}`,
    rule.below === undefined ? "" : `below ${rule.below}`,
  ].filter((bound) => bound !== "");
  return [rule.integer ? "a whole number" : "a number", bounds.join(" and ")].join(" ").trim();
}

function ownValue<Value>(record: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** Levenshtein's distance with swaps of neighbours counted as one slip. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, beforeLast[j - 2]! + 1);
      }
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

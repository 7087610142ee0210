/**
 * Data sets that are made, not read: the same rows for the same settings, on every machine.
 *
 * `synthetic:news` looks like a collection of news stories: word frequencies fall as 1 / rank (Zipf),
 * values are log(1 + count) * log(columns / rank-ish) scaled to length 1, as term weights are, and the
 * label is the side of a hidden linear model, with a few labels turned.
 *
 * `synthetic:known-optimum` is small and its optimum is known in closed form (see knownOptimum).
 */
import {
  nextBelow,
  nextNormal,
  nextUniform,
  type RandomState,
  randomStream,
} from "../math/random.ts";
import { InputError } from "./input-error.ts";
import type { Row } from "./rows.ts";

export const syntheticPrefix = "synthetic:";

export interface MadeRow extends Row {
  readonly label: number;
  readonly index: number[];
  readonly value: number[];
}

interface NewsSettings {
  readonly rows: number;
  readonly columns: number;
  readonly seed: number;
}

interface SyntheticSet {
  readonly defaults: NewsSettings;
  readonly make: (settings: NewsSettings) => Iterable<Row>;
}

const sets: Record<string, SyntheticSet> = {
  news: { defaults: { rows: 20_000, columns: 5_000, seed: 1 }, make: newsRows },
  "known-optimum": { defaults: { rows: 1_000, columns: 100, seed: 1 }, make: knownOptimumRows },
};

const limits = { rows: 100_000_000, columns: 2 ** 24, seed: 2 ** 53 - 1 };

/**
 * The rows of `synthetic:news` or `synthetic:known-optimum`, with settings as in
 * `synthetic:news:rows=1000,columns=500,seed=7`.
 * @throws InputError for a name or setting that does not exist.
 */
export function syntheticRows(source: string): Iterable<Row> {
  const [name = "", settingText = ""] = source.slice(syntheticPrefix.length).split(":", 2);
  const set = Object.hasOwn(sets, name) ? sets[name] : undefined;
  if (!set) throw unknownPart(source, JSON.stringify(name), Object.keys(sets));
  const settings = { ...set.defaults };
  for (const part of settingText.split(",").filter((text) => text !== "")) {
    const [key = "", text = ""] = part.split("=", 2);
    if (!Object.hasOwn(settings, key)) throw unknownPart(source, part, Object.keys(settings));
    settings[key as keyof NewsSettings] = readCount(source, key as keyof NewsSettings, text);
  }
  return set.make(settings);
}

function readCount(source: string, key: keyof NewsSettings, text: string): number {
  const count = Number(text);
  const least = key === "seed" ? 0 : 2;
  if (text !== "" && Number.isInteger(count) && count >= least && count <= limits[key])
    return count;
  throw new InputError({
    code: "missing-file",
    file: source,
    found: `${key}=${text}`,
    expected: `a whole number from ${least} to ${limits[key]}`,
    hint: "correct the setting or leave it out",
  });
}

function unknownPart(source: string, found: string, known: readonly string[]): InputError {
  return new InputError({
    code: "missing-file",
    file: source,
    found,
    expected: `one of ${known.join(", ")}`,
    hint: "write synthetic:news or synthetic:news:rows=20000,columns=5000,seed=1",
  });
}

const wordsMin = 20;
const wordsMax = 120;
const labelNoise = 0.02;
/** Most documents are clearly of one kind: words lean to one of two themes, the more the rarer. */
const themeShare = 0.35;

/** News-like rows; ids from 1. */
export function* newsRows({ rows, columns, seed }: NewsSettings): Generator<MadeRow> {
  const hidden = hiddenWeights(columns, seed);
  const state = randomStream({ seed, purpose: "synthetic-news" });
  for (let row = 0; row < rows; row++) {
    const side = nextUniform(state) < 0.47 ? 1 : -1;
    const document = drawDocument(state, { columns, side, hidden });
    const margin = document.index.reduce(
      (sum, id, i) => sum + hidden[id - 1]! * document.value[i]!,
      0,
    );
    const turned = nextUniform(state) < labelNoise;
    yield { ...document, label: margin > 0 !== turned ? 1 : -1 };
  }
}

function hiddenWeights(columns: number, seed: number): Float64Array {
  const state = randomStream({ seed, purpose: "synthetic-news-model" });
  return Float64Array.from({ length: columns }, () => nextNormal(state));
}

function drawDocument(
  state: RandomState,
  { columns, side, hidden }: { columns: number; side: number; hidden: Float64Array },
) {
  const words = wordsMin + nextBelow(state, wordsMax - wordsMin);
  const counts = new Map<number, number>();
  for (let i = 0; i < words; i++) {
    let word = drawWord(state, columns);
    // A themed word is drawn again until it speaks for the document's side; a few tries are enough.
    const themed = nextUniform(state) < themeShare;
    for (let tries = 0; themed && tries < 4 && hidden[word]! * side < 0.3; tries++) {
      word = drawWord(state, columns);
    }
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const index = [...counts.keys()].sort((a, b) => a - b);
  const weights = index.map((word) => Math.log1p(counts.get(word)!) * Math.log1p(word + 1));
  const length = Math.hypot(...weights);
  return {
    index: index.map((word) => word + 1),
    value: weights.map((weight) => Math.fround(weight / length)),
  };
}

/** A rank from 0 with probability about 1 / (rank + 1): the inverse of the logarithm. */
function drawWord(state: RandomState, columns: number): number {
  return Math.min(columns - 1, Math.floor((columns + 1) ** nextUniform(state)) - 1);
}

/**
 * Rows with a known optimum, for any number of rows that is a multiple of the columns: row i has the one
 * entry (1 + i mod columns : 1) and the label +1 in even columns, -1 in odd ones. The objective then falls
 * apart into one problem a column, with r = rows / columns equal rows and n rows in all:
 *   P(w) = sum over columns of (r / n) loss(w_j, y_j) + (l2 / 2) w_j^2,
 * whose minimum for hinge and squared loss is knownOptimumWeight.
 */
export function* knownOptimumRows({ rows, columns }: NewsSettings): Generator<MadeRow> {
  for (let i = 0; i < rows; i++) {
    const column = i % columns;
    yield { label: column % 2 === 0 ? 1 : -1, index: [column + 1], value: [1] };
  }
}

/** |w_j| at the optimum of knownOptimumRows, rows a multiple of columns; its sign is the label's. */
export function knownOptimumWeight(
  loss: "hinge" | "squared",
  { columns, l2 }: { columns: number; l2: number },
): number {
  const share = 1 / columns;
  return loss === "hinge" ? Math.min(1, share / l2) : share / (share + l2);
}

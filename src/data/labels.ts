import type { LabelSet } from "./dataset.ts";
import { distinctLabelsMax } from "./parser.ts";

/** Distinct labels seen so far, in order of appearance, up to as many as are worth listing. */
export interface LabelTally {
  readonly labels: number[];
  more: boolean;
}

/** Adds the distinct labels of one chunk to the tally. */
export function absorbLabels(tally: LabelTally, labels: Iterable<number>, more: boolean): void {
  tally.more ||= more;
  for (const label of labels) {
    if (tally.labels.includes(label)) continue;
    if (tally.labels.length < distinctLabelsMax) tally.labels.push(label);
    else tally.more = true;
  }
}

/** What the labels mean: two distinct ones are classes, the lower one the negative class. */
export function labelSet(tally: Readonly<LabelTally>): LabelSet {
  const examples = tally.labels.toSorted((a, b) => a - b);
  const [first, second] = examples;
  if (!tally.more && first !== undefined) {
    if (second === undefined) return { kind: "single", label: first };
    if (examples.length === 2) return { kind: "binary", negative: first, positive: second };
  }
  return { kind: "real", examples };
}

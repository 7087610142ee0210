/**
 * Deadlines that adapt: how long to wait before something counts as late, from how long it took before.
 *
 *     deadline = max(floor, median + spreads * MAD),   MAD = median of |duration - median|
 *
 * over the last `durationsMax` durations; median and MAD, unlike mean and variance, are not moved by the
 * late ones themselves. Before there are durations: `first`.
 *
 * Source: algorithms.md, section 10.
 * Invariant: a deadline is never below its floor, nor below the median of what was seen.
 */

/** The last durations, in a ring. Plain data. */
export interface Durations {
  readonly recent: Float64Array;
  count: number;
}

/** How a deadline follows from durations. */
export interface DeadlineRule {
  readonly floorSeconds: number;
  readonly firstSeconds: number;
  /** How many median absolute deviations above the median is late. */
  readonly spreads: number;
}

const durationsMax = 32;

/** Nothing seen yet. */
export function createDurations(): Durations {
  return { recent: new Float64Array(durationsMax), count: 0 };
}

/** Remembers a duration; the oldest is forgotten. */
export function addDuration(durations: Durations, seconds: number): void {
  durations.recent[durations.count++ % durationsMax] = seconds;
}

/** After how many seconds something is late. */
export function deadlineOf({ recent, count }: Durations, rule: DeadlineRule): number {
  if (count === 0) return rule.firstSeconds;
  const seen = recent.slice(0, Math.min(count, durationsMax));
  const middle = medianOf(seen);
  const spread = medianOf(seen.map((seconds) => Math.abs(seconds - middle)));
  return Math.max(rule.floorSeconds, middle + rule.spreads * spread);
}

/** The longest of the last durations; 0 before there are any. */
export function longestOf({ recent, count }: Durations): number {
  return Math.max(0, ...recent.subarray(0, Math.min(count, durationsMax)));
}

/** The median; of an even number the mean of the middle two. Sorts in place. */
export function medianOf(values: Float64Array): number {
  values.sort();
  const half = values.length >> 1;
  return values.length % 2 === 1 ? values[half]! : (values[half - 1]! + values[half]!) / 2;
}

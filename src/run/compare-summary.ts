/** Rows of a comparison put together: the median of the repeats, and their range. */
import type { ComparisonRow } from "./compare.ts";

/** A figure over the repeats of one run. */
export interface Interval {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** All repeats of one strategy with one number of workers. */
export interface ComparisonSummary {
  readonly strategy: string;
  readonly workers: number;
  readonly runs: number;
  readonly failed: number;
  readonly error: string | null;
  /** Null unless every run that did not fail reached the target. */
  readonly secondsToTarget: Interval | null;
  readonly seconds: Interval | null;
  readonly loss: Interval | null;
  readonly accuracy: Interval | null;
  readonly bytes: Interval | null;
  /** What all members sent for each update that one of them learned. */
  readonly bytesPerUpdate: Interval | null;
  readonly messages: Interval | null;
  readonly staleness: Interval | null;
  readonly waited: Interval | null;
}

/** One summary for every strategy and number of workers, in the order they came. */
export function summarise(rows: readonly ComparisonRow[]): ComparisonSummary[] {
  const groups = new Map<string, ComparisonRow[]>();
  for (const row of rows) {
    const key = `${row.strategy} ${row.workers}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].map(summaryOf);
}

function summaryOf(rows: readonly ComparisonRow[]): ComparisonSummary {
  const done = rows.filter(({ status }) => status === "done");
  const over = (of: (row: ComparisonRow) => number | null) => intervalOf(done.map(of));
  return {
    strategy: rows[0]!.strategy,
    workers: rows[0]!.workers,
    runs: rows.length,
    failed: rows.length - done.length,
    error: rows.find(({ error }) => error !== null)?.error ?? null,
    secondsToTarget: over((row) => row.secondsToTarget),
    seconds: over((row) => row.seconds),
    loss: over((row) => row.loss),
    accuracy: over((row) => row.accuracy),
    bytes: over((row) => row.bytes),
    bytesPerUpdate: over((row) => (row.updates > 0 ? row.bytes / row.updates : null)),
    messages: over((row) => row.messages),
    staleness: over((row) => row.staleness),
    waited: over((row) => row.waited),
  };
}

/** Median, lowest and highest; null when there is no figure, or one is missing. */
export function intervalOf(figures: readonly (number | null)[]): Interval | null {
  const known = figures.filter((figure): figure is number => figure !== null);
  if (known.length === 0 || known.length < figures.length) return null;
  const sorted = known.sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, low: sorted[0]!, high: sorted.at(-1)! };
}

/** Runs side by side, as a table for people; `compare` and `simulate` print the same one. */
import { formatPercent, formatSeconds, formatSize } from "../report/format.ts";
import type { ComparisonSummary, Interval } from "../run/compare-summary.ts";
import { formatTable } from "./table.ts";

/** A line for every strategy and number of workers; median, and the range where runs differ. */
export function contestTable(
  rows: readonly ComparisonSummary[],
  targetLoss: number | null,
): string[] {
  const head = [
    ...["strategy", "workers", "runs"],
    ...(targetLoss === null ? [] : [`to loss ${targetLoss}`]),
    ...["learning", "loss", "accuracy", "sent", "an update", "messages", "staleness", "waiting"],
  ];
  return formatTable([head, ...rows.map((row) => cellsOf(row, targetLoss !== null))]);
}

function cellsOf(row: ComparisonSummary, target: boolean): string[] {
  const { strategy, workers, runs, failed, error } = row;
  const first = [strategy, String(workers), failed > 0 ? `${runs}, ${failed} failed` : `${runs}`];
  if (failed === runs) return [...first, `failed: ${error}`];
  return [
    ...first,
    ...(target ? [show(row.secondsToTarget, formatSeconds, "not reached by all")] : []),
    show(row.seconds, formatSeconds),
    show(row.loss, (x) => x.toPrecision(5)),
    show(row.accuracy, formatPercent),
    show(row.bytes, formatSize),
    show(row.bytesPerUpdate, (x) => formatSize(Math.round(x))),
    show(row.messages, (x) => String(Math.round(x))),
    show(row.staleness, (x) => x.toFixed(1)),
    show(row.waited, formatPercent),
  ];
}

function show(interval: Interval | null, format: (value: number) => string, none = "-"): string {
  if (interval === null) return none;
  const [median, low, high] = [interval.median, interval.low, interval.high].map(format);
  return low === high ? median! : `${median} [${low}, ${high}]`;
}

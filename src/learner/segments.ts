/**
 * Rows are cut into segments, the unit in which they have owners: `segmentsPerWorker` for each worker that a run is
 * planned with. At first they are dealt out in turns; who owns which in a view is membership's affair
 * (membership/segments.ts), which rows a segment is, a task's. A task of shares gives segment s to the worker s mod
 * `workers`, as a part of that worker's share.
 *
 * Invariant: every row is in exactly one segment.
 */

/** Segments a worker owns at first: with fewer, a departed worker's rows could not be shared out evenly. */
export const segmentsPerWorker = 16;

/** A run of rows that are in one segment; rows are counted from the `first` one asked for. */
export interface SegmentRun {
  readonly segment: number;
  readonly from: number;
  readonly to: number;
}

/** The runs of one segment among the rows [first, first + count) of `total`, which are cut in their order. */
export function segmentRuns(of: {
  first: number;
  count: number;
  total: number;
  segments: number;
}): SegmentRun[] {
  const { first, count, total, segments } = of;
  const runs: SegmentRun[] = [];
  for (let from = 0; from < count; ) {
    const segment = Math.floor(((first + from) * segments) / total);
    const to = Math.min(count, Math.ceil(((segment + 1) * total) / segments) - first);
    runs.push({ segment, from, to });
    from = to;
  }
  return runs;
}

/** Rows [from, to) of a worker's share. */
export interface SharePart {
  readonly worker: number;
  readonly from: number;
  readonly to: number;
}

/**
 * The parts of shares that these segments are, neighbours in one; `rowsOf` counts the rows of a worker's share. All
 * segments that a worker has at first are its whole share.
 */
export function partsOfShares(
  segments: readonly number[],
  { workers, rowsOf }: { workers: number; rowsOf: (worker: number) => number },
): SharePart[] {
  const parts: SharePart[] = [];
  for (const segment of segments) {
    const worker = segment % workers;
    const part = Math.floor(segment / workers);
    const rows = rowsOf(worker);
    const from = Math.floor((part * rows) / segmentsPerWorker);
    const to = Math.floor(((part + 1) * rows) / segmentsPerWorker);
    const last = parts.at(-1);
    if (last?.worker === worker && last.to === from) parts[parts.length - 1] = { ...last, to };
    else parts.push({ worker, from, to });
  }
  return parts;
}

/**
 * What a data set is like: sizes, norms, frequent features, and the three numbers by which Hogwild! tells
 * how well lock-free learning will do (Niu et al. 2011, arXiv 1106.5730, section 3; rows are the
 * hyperedges):
 *   Omega = the most non-zeros in a row,
 *   Delta = the largest share of rows that have one feature,
 *   rho   = the largest share of rows that share a feature with one row; rho >= Delta.
 */
import type { Block } from "../data/block.ts";

export interface DataDescription {
  readonly rows: number;
  readonly nonZeros: number;
  readonly emptyRows: number;
  /** Features that occur in at least one row. */
  readonly usedFeatures: number;
  readonly nonZerosPerRow: { readonly min: number; readonly mean: number; readonly max: number };
  /** Euclidean norms of the rows. */
  readonly norm: { readonly min: number; readonly mean: number; readonly max: number };
  readonly values: { readonly min: number; readonly max: number };
  readonly blockBytes: number;
  /** Rows by label, the most frequent labels first. */
  readonly labels: readonly { readonly label: number; readonly rows: number }[];
  readonly distinctLabels: number;
  /** Raw ids, as the file writes them. */
  readonly frequentFeatures: readonly { readonly id: number; readonly rows: number }[];
  readonly omega: number;
  readonly delta: number;
  readonly rho: Rho;
}

/** Exact when low = high; else rho lies between. */
export interface Rho {
  readonly low: number;
  readonly high: number;
  /** Rows whose neighbours were counted. */
  readonly rowsChecked: number;
}

export interface DescribeOptions {
  readonly featuresMax: number;
  /** Work that counting neighbours may take, in entries looked at. */
  readonly rhoEntriesMax?: number;
}

const labelsShownMax = 10;
/** Some tenths of a second. */
const rhoEntriesMaxDefault = 300_000_000;

/** Describes all rows of these blocks. */
export function describeData(
  blocks: readonly Block[],
  { featuresMax, rhoEntriesMax = rhoEntriesMaxDefault }: DescribeOptions,
): DataDescription {
  const width = blocks.reduce((most, block) => Math.max(most, block.width), 0);
  const counts = new Uint32Array(width);
  const sums = createSums();
  for (const block of blocks) absorbBlock(block, counts, sums);
  const { rows, nonZeros } = sums;
  const frequent = mostFrequent(counts, Math.max(1, featuresMax));
  const delta = rows === 0 ? 0 : (frequent[0]?.rows ?? 0) / rows;
  const labels = [...sums.labels].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  return {
    rows,
    nonZeros,
    emptyRows: sums.emptyRows,
    usedFeatures: counts.reduce((used, count) => used + (count > 0 ? 1 : 0), 0),
    nonZerosPerRow: {
      min: finite(sums.leastInRow),
      mean: ratio(nonZeros, rows),
      max: sums.mostInRow,
    },
    norm: { min: finite(sums.leastNorm), mean: ratio(sums.normSum, rows), max: sums.mostNorm },
    values: { min: finite(sums.leastValue), max: finite(sums.mostValue) },
    blockBytes: sums.bytes,
    labels: labels.slice(0, labelsShownMax).map(([label, count]) => ({ label, rows: count })),
    distinctLabels: labels.length,
    frequentFeatures: frequent.slice(0, featuresMax),
    omega: sums.mostInRow,
    delta,
    rho: computeRho(blocks, { counts, rows, delta, rhoEntriesMax }),
  };
}

interface Sums {
  rows: number;
  nonZeros: number;
  emptyRows: number;
  leastInRow: number;
  mostInRow: number;
  normSum: number;
  leastNorm: number;
  mostNorm: number;
  leastValue: number;
  mostValue: number;
  bytes: number;
  readonly labels: Map<number, number>;
}

function createSums(): Sums {
  return {
    rows: 0,
    nonZeros: 0,
    emptyRows: 0,
    leastInRow: Number.POSITIVE_INFINITY,
    mostInRow: 0,
    normSum: 0,
    leastNorm: Number.POSITIVE_INFINITY,
    mostNorm: 0,
    leastValue: Number.POSITIVE_INFINITY,
    mostValue: Number.NEGATIVE_INFINITY,
    bytes: 0,
    labels: new Map(),
  };
}

function absorbBlock(block: Block, counts: Uint32Array, sums: Sums): void {
  const { rows, rowStart, index, value, label } = block;
  sums.rows += rows;
  sums.nonZeros += block.nonZeros;
  sums.bytes += block.byteLength;
  for (let row = 0; row < rows; row++) {
    const start = rowStart[row]!;
    const end = rowStart[row + 1]!;
    let squares = 0;
    for (let k = start; k < end; k++) {
      const x = value[k]!;
      squares += x * x;
      counts[index[k]!]!++;
      if (x < sums.leastValue) sums.leastValue = x;
      if (x > sums.mostValue) sums.mostValue = x;
    }
    const norm = Math.sqrt(squares);
    sums.normSum += norm;
    sums.leastNorm = Math.min(sums.leastNorm, norm);
    sums.mostNorm = Math.max(sums.mostNorm, norm);
    sums.leastInRow = Math.min(sums.leastInRow, end - start);
    sums.mostInRow = Math.max(sums.mostInRow, end - start);
    if (end === start) sums.emptyRows++;
    const y = label[row]!;
    sums.labels.set(y, (sums.labels.get(y) ?? 0) + 1);
  }
}

/** The ids in most rows, the most frequent first; the lower id first among equals. */
function mostFrequent(counts: Uint32Array, most: number): { id: number; rows: number }[] {
  const best: { id: number; rows: number }[] = [];
  counts.forEach((rows, id) => {
    if (rows === 0 || (best.length === most && rows <= best[most - 1]!.rows)) return;
    const at = best.findIndex((other) => other.rows < rows);
    best.splice(at < 0 ? best.length : at, 0, { id, rows });
    if (best.length > most) best.pop();
  });
  return best;
}

interface RhoInput {
  readonly counts: Uint32Array;
  readonly rows: number;
  readonly delta: number;
  readonly rhoEntriesMax: number;
}

/**
 * Counting the neighbours of one row looks at all rows, so rows are tried from the largest upper bound
 * (the sum of their features' counts) down. Done when no untried row can beat the best found; or, when
 * that takes too long, what is left is the gap between `low` and `high`.
 */
function computeRho(blocks: readonly Block[], input: RhoInput): Rho {
  const { counts, rows, delta, rhoEntriesMax } = input;
  if (rows === 0) return { low: 0, high: 0, rowsChecked: 0 };
  const candidates = rankRows(blocks, counts, rows);
  const marked = new Uint8Array(counts.length);
  let best = Math.round(delta * rows);
  let entries = 0;
  let checked = 0;
  for (const { block, row, bound } of candidates) {
    if (bound <= best || best === rows) return exact(best / rows, checked);
    if (entries > rhoEntriesMax) {
      return { low: best / rows, high: Math.min(1, bound / rows), rowsChecked: checked };
    }
    const found = countNeighbours(blocks, blocks[block]!, row, marked);
    entries += found.entries;
    best = Math.max(best, found.rows);
    checked++;
  }
  return exact(best / rows, checked);
}

function exact(rho: number, rowsChecked: number): Rho {
  return { low: rho, high: rho, rowsChecked };
}

interface Candidate {
  readonly block: number;
  readonly row: number;
  /** No more rows than this can share a feature with the row. */
  readonly bound: number;
}

/** Rows by falling bound, uncapped so that the widest come first; bounds are capped at the rows. */
function rankRows(blocks: readonly Block[], counts: Uint32Array, rows: number): Candidate[] {
  const candidates: (Candidate & { reach: number })[] = [];
  blocks.forEach(({ rows: count, rowStart, index }, block) => {
    for (let row = 0; row < count; row++) {
      let reach = 0;
      for (let k = rowStart[row]!; k < rowStart[row + 1]!; k++) reach += counts[index[k]!]!;
      candidates.push({ block, row, bound: Math.min(rows, reach), reach });
    }
  });
  return candidates.sort((a, b) => b.reach - a.reach);
}

/** Rows, itself among them, that share a feature with this row. */
function countNeighbours(blocks: readonly Block[], own: Block, row: number, marked: Uint8Array) {
  const start = own.rowStart[row]!;
  const end = own.rowStart[row + 1]!;
  for (let k = start; k < end; k++) marked[own.index[k]!] = 1;
  let rows = 0;
  let entries = 0;
  for (const { rows: count, rowStart, index } of blocks) {
    for (let other = 0; other < count; other++) {
      const last = rowStart[other + 1]!;
      let k = rowStart[other]!;
      while (k < last && marked[index[k]!] === 0) k++;
      if (k < last) rows++;
      entries += k - rowStart[other]! + 1;
    }
  }
  for (let k = start; k < end; k++) marked[own.index[k]!] = 0;
  return { rows, entries };
}

function ratio(total: number, count: number): number {
  return count === 0 ? 0 : total / count;
}

/** Nothing was seen: 0 reads better than infinity. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}

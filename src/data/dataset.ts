import type { Block } from "./block.ts";

/** What the labels of a data set are, and how a classifier reads them. */
export type LabelSet =
  /** Exactly two distinct labels, ascending: the first is the negative class (-1), the second +1. */
  | { readonly kind: "binary"; readonly negative: number; readonly positive: number }
  /** One label only: nothing to separate. */
  | { readonly kind: "single"; readonly label: number }
  /** More than two distinct labels: regression, or an error for a classifier. */
  | { readonly kind: "real"; readonly examples: readonly number[] };

/** One source as it was read. */
export interface SourceFile {
  readonly name: string;
  /** Bytes on disk, or read from a stream. */
  readonly bytes: number;
  readonly rows: number;
  readonly skippedRows: number;
}

/** A data set: blocks in the order of their sources, and what is true of all of them together. */
export interface Dataset {
  /** Those in memory: empty when blocks are read from a file as they are needed. */
  readonly blocks: readonly Block[];
  readonly rows: number;
  readonly nonZeros: number;
  /** Length of a weight vector over raw ids: largest id + 1. */
  readonly width: number;
  /** 0 when id 0 occurs, else 1 (unless the user said). A model has width - indexBase columns. */
  readonly indexBase: 0 | 1;
  readonly labels: LabelSet;
  readonly sources: readonly SourceFile[];
  readonly skippedRows: number;
  /** Identifies the content: size, modification time and hashes of samples of every source. */
  readonly fingerprint: string;
  /** Seconds that loading took. */
  readonly loadSeconds: number;
}

/** Number of columns a model of this data set has. */
export function columnsOf(dataset: Pick<Dataset, "width" | "indexBase">): number {
  return Math.max(0, dataset.width - dataset.indexBase);
}

import type { Block } from "./block.ts";

/** The port of an arena, as far as data needs one: memory that kernels share, given out by address. */
export interface BlockArena {
  /** Replaced when the memory grows: read it again after every `allocate`. */
  readonly buffer: ArrayBufferLike;
  allocate(byteLength: number): number;
  release(address: number, byteLength: number): void;
}

/**
 * Text in an arena. It ends with a line feed, and 64 readable bytes follow it: a parser may load whole
 * words without looking for the end of the text.
 */
export interface TextRange {
  readonly address: number;
  readonly byteLength: number;
}

/** Bytes that must be readable after a text. */
export const textPaddingBytes = 64;

/** Largest id that is accepted: a weight vector then takes 1 GiB. */
export const idMax = 2 ** 28 - 1;

/** How many distinct labels a report lists before it only says that there are more. */
export const distinctLabelsMax = 16;

/** How many bad rows of one chunk a report describes; all are counted. */
export const faultsMax = 8;

export interface ParseOptions {
  /** lyrl: rows start with a document id, whose bits the label column holds until topics are known. */
  readonly format: "svmlight" | "lyrl";
  /** optional: a line may start with its first entry; its label is then NaN. */
  readonly labels: "required" | "optional";
  /** Entries whose id is not below this are dropped and counted as unseen. */
  readonly widthLimit: number;
  /** Bad rows to pass over; parsing stops at the next one. */
  readonly badRowsMax: number;
}

/** What can be wrong with a row; the numbers are the kernel's. */
export const faultCodes = {
  1: "label-bad",
  2: "label-missing",
  3: "label-not-finite",
  4: "label-too-large",
  5: "id-bad",
  6: "id-too-large",
  7: "colon-missing",
  8: "id-repeated",
  9: "id-unsorted",
  10: "value-missing",
  11: "value-bad",
  12: "value-not-finite",
  13: "value-too-large",
  14: "document-bad",
  15: "query-bad",
} as const;

export type FaultCode = (typeof faultCodes)[keyof typeof faultCodes];

export interface Fault {
  readonly code: FaultCode;
  /** Of the token that is wrong, from the start of the text. */
  readonly offset: number;
}

/** What a parser found in one text, beside the columns it filled. */
export interface ParseReport {
  readonly rows: number;
  readonly nonZeros: number;
  /** Largest stored id + 1. */
  readonly width: number;
  /** Smallest stored id; undefined when there is none. */
  readonly idMin: number | undefined;
  /** Rows including the bad ones that were passed over: the row ids used up. */
  readonly ordinals: number;
  /** Entries dropped because of widthLimit. */
  readonly unseen: number;
  /** Distinct labels in order of appearance; one more than distinctLabelsMax entries never occur. */
  readonly labels: readonly number[];
  readonly moreLabels: boolean;
  readonly faultCount: number;
  readonly faults: readonly Fault[];
}

/** The port of the parser: a kernel, or its slow twin. */
export interface TextParser {
  /** Line feeds and colons: upper bounds of rows and entries. */
  count(text: TextRange): { newlines: number; colons: number };
  /** Fills the columns of a block of at least that shape. */
  parse(text: TextRange, block: Block, options: ParseOptions): ParseReport;
}

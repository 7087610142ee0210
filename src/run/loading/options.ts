import type { LabelSet } from "../../data/dataset.ts";
import { InputError } from "../../data/input-error.ts";
import { idMax, type ParseOptions } from "../../data/parser.ts";
import type { CsrArrays, Row } from "../../data/rows.ts";
import type { Arena } from "../../kernels/arena.ts";

/**
 * What to read: names of files, folders or patterns, "-" for standard input, `synthetic:news`; or rows in
 * memory, as CSR arrays or one by one.
 */
export type DataSource =
  | string
  | readonly string[]
  | CsrArrays
  | Iterable<Row>
  | AsyncIterable<Row>;

export interface LoadOptions {
  /** Where the blocks go; several data sets may share one arena. A new one by default. */
  readonly arena?: Arena | undefined;
  /** What the ids count from; by default 0 when id 0 occurs, else 1. */
  readonly indexBase?: 0 | 1 | undefined;
  /** Bad rows to count and pass over before giving up; 0 by default. */
  readonly skipBadRows?: number | undefined;
  /** Text of a compressed file beyond 64 MiB may be so many times its size; 200 by default. */
  readonly growthMax?: number | undefined;
  /** The data a model was trained on: ids it never saw are dropped and counted, other labels refused. */
  readonly like?: LikeData | undefined;
  /** auto: lyrl when `topics` is given. */
  readonly format?: "auto" | "svmlight" | "lyrl" | undefined;
  /** LYRL2004 topics file; with `topic`, the positive class. */
  readonly topics?: string | undefined;
  readonly topic?: string | undefined;
  /** optional: rows may come without a label, which is then NaN. */
  readonly labels?: "required" | "optional" | undefined;
  /** Threads that read and parse; by default the cores that this process may use. */
  readonly threads?: number | undefined;
  /** Hash all bytes for the fingerprint, not samples. */
  readonly verify?: boolean | undefined;
  /**
   * memory (default): all blocks end up in memory. auto: they may stay in a block file and be read whenever
   * they are needed; `blocks` is then empty, and `source` is what a run reads from.
   */
  readonly residence?: "memory" | "auto" | undefined;
  /**
   * auto: a block file that was made of the same sources is read in their place; on: one is made where there
   * is none; off (default): neither.
   */
  readonly cache?: "auto" | "on" | "off" | undefined;
  /** Told, in words, what happened beside reading: a cache that had to be made again, say. */
  readonly onWarning?: ((line: string) => void) | undefined;
  /** Memory that blocks may take, in bytes; with residence auto. */
  readonly memoryBytes?: number | undefined;
  /** Called with bytes taken from the sources so far, and in all (undefined with standard input). */
  readonly onProgress?: ((bytes: number, totalBytes: number | undefined) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LikeData {
  readonly width: number;
  readonly indexBase: 0 | 1;
  readonly labels?: LabelSet | undefined;
}

/** Where topics come from; undefined when labels stand in the rows. */
export interface TopicChoice {
  readonly file: string;
  readonly topic: string;
}

/** @throws InputError when only one of topics and topic is given, or LYRL rows come without both. */
export function topicChoice(options: LoadOptions): TopicChoice | undefined {
  const { topics: file, topic, format = "auto" } = options;
  if (file !== undefined && topic !== undefined && format !== "svmlight") return { file, topic };
  const unlabelled = format === "lyrl" && options.labels === "optional";
  if (file === undefined && topic === undefined && (format !== "lyrl" || unlabelled)) {
    return undefined;
  }
  const found =
    format === "svmlight"
      ? "--topics for svmlight rows"
      : file === undefined
        ? topic === undefined
          ? "LYRL2004 rows without topics"
          : `--topic ${topic} without --topics`
        : `--topics ${file} without --topic`;
  throw new InputError({
    code: "bad-topics",
    file: file ?? "topics",
    found,
    expected: "both a topics file and a topic for LYRL2004 rows",
    hint: "give --topics FILE --topic NAME, for example --topic CCAT",
  });
}

export function parseOptions(options: LoadOptions): ParseOptions {
  const documents = options.format === "lyrl" || topicChoice(options) !== undefined;
  return {
    format: documents ? "lyrl" : "svmlight",
    labels: options.labels ?? "required",
    widthLimit: Math.min(options.like?.width ?? Number.POSITIVE_INFINITY, idMax + 1),
    badRowsMax: Math.min(options.skipBadRows ?? 0, 2 ** 31),
  };
}

/** Whether the source is rows in memory, not names. */
export function isInMemory(
  source: DataSource,
): source is CsrArrays | Iterable<Row> | AsyncIterable<Row> {
  if (typeof source === "string") return false;
  return !(Array.isArray(source) && source.every((name) => typeof name === "string"));
}

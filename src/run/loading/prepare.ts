/** Before and after reading: what it needs, and what is made of what it found. */
import type { Collected } from "../../data/collector.ts";
import { InputError } from "../../data/input-error.ts";
import { loadKernels } from "../../kernels/loader.ts";
import { kernelParser } from "../../kernels/parser.ts";
import { Fingerprint } from "./fingerprint.ts";
import {
  type DataSource,
  isInMemory,
  type LoadOptions,
  parseOptions,
  topicChoice,
} from "./options.ts";
import type { Reading } from "./read.ts";
import { loadTopics } from "./topics.ts";

/** What reading needs, from what was asked. @throws InputError for topics that cannot be read. */
export async function prepareReading(
  target: Pick<Reading, "arena" | "blockArena" | "collector" | "threads">,
  options: LoadOptions,
): Promise<Reading> {
  const choice = topicChoice(options);
  return {
    ...target,
    parser: kernelParser(target.arena, loadKernels(target.arena)),
    parsing: parseOptions(options),
    topics: choice && (await loadTopics(choice)),
    fingerprint: new Fingerprint(),
    options,
  };
}

/** Blocks live in one memory of 4 GiB: the words for data that does not fit. */
export function arenaFull(error: unknown, source: DataSource): unknown {
  if (!(error instanceof RangeError && error.message.startsWith("Cannot allocate"))) return error;
  return new InputError({
    code: "too-large",
    file: isInMemory(source) ? "rows" : String(source),
    found: "more than 4 GiB of rows",
    expected: "data that fits into the 4 GiB of one WebAssembly memory",
    hint: "train on fewer files",
  });
}

/** Width, index base and labels are those of the training data where that is given. */
export function likeTraining(collected: Collected, { like, indexBase }: LoadOptions): Collected {
  return {
    ...collected,
    width: like?.width ?? collected.width,
    indexBase: indexBase ?? like?.indexBase ?? collected.indexBase,
    labels: like?.labels ?? collected.labels,
  };
}

/** @throws InputError when there are no rows. */
export function checkNotEmpty(source: DataSource, { rows, sources, skippedRows }: Collected): void {
  if (rows > 0) return;
  const file = sources.length === 1 || isInMemory(source) ? sources[0]?.name : String(source);
  const empty = sources.every(({ bytes }) => bytes === 0);
  throw new InputError({
    code: "empty-input",
    file: file ?? "input",
    found: skippedRows > 0 ? `only bad rows (${skippedRows})` : empty ? "nothing" : "no rows",
    expected: "at least one row",
    hint: "check that this is the right file and that it was written completely",
  });
}

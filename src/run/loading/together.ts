import type { Block } from "../../data/block.ts";
import { chunkBytes } from "../../data/chunk.ts";
import { InputError } from "../../data/input-error.ts";
import { unreadableFile } from "./names.ts";
import { checkUnchanged, type FileFacts } from "./open.ts";
import { parseInParallel } from "./parallel.ts";
import type { ChunkResult, ChunkTask } from "./range.ts";
import { absorb, type Reading } from "./read.ts";

/** The blocks of plain files that several threads read together; the same as if read one by one. */
export async function* readTogether(
  files: readonly FileFacts[],
  reading: Reading,
  progress: (bytes: number) => void,
): AsyncGenerator<Block> {
  const { arena, parser, parsing, threads, collector } = reading;
  const tasks = files.flatMap(tasksOf);
  const results = parseInParallel(tasks, {
    ...{ arena, parser, options: parsing, threads },
    discard: (chunks) => collector.discard(chunks),
  });
  try {
    for (const file of files) yield* readNext(file, results, { reading, progress });
  } catch (error) {
    throw await explain(error, files);
  } finally {
    await results.return(undefined);
  }
}

/** The blocks of the next file, whose chunks come next among the results. */
async function* readNext(
  { name, stats }: FileFacts,
  results: AsyncGenerator<ChunkResult>,
  { reading, progress }: { reading: Reading; progress: (bytes: number) => void },
): AsyncGenerator<Block> {
  const { collector, fingerprint, options } = reading;
  collector.openSource(name);
  for (let start = 0; start < stats.size; start += chunkBytes) {
    options.signal?.throwIfAborted();
    const { value } = await results.next();
    const result = value as ChunkResult;
    if (result.kind === "long-line") throw collector.longLine(result.linesBefore);
    const block = result.kind === "parsed" ? absorb(result.chunk, name, reading) : undefined;
    if (block) yield block;
    progress(Math.min(chunkBytes, stats.size - start));
  }
  await checkUnchanged(name, stats);
  await fingerprint.addFile(name, options.verify === true);
  collector.closeSource(stats.size);
}

function tasksOf({ name, stats }: FileFacts): ChunkTask[] {
  const chunks = Math.ceil(stats.size / chunkBytes);
  return Array.from({ length: chunks }, (_, chunk) => ({ file: name, chunk }));
}

/** A file that changed explains any error; an error of the system gets its words. */
async function explain(error: unknown, files: readonly FileFacts[]): Promise<unknown> {
  const system = (error as NodeJS.ErrnoException).syscall !== undefined;
  if (!system && !(error instanceof InputError)) return error;
  for (const { name, stats } of files) {
    const changed = await checkUnchanged(name, stats).catch((reason: unknown) => reason);
    if (changed) return changed;
  }
  if (!system) return error;
  const { path } = error as NodeJS.ErrnoException;
  return unreadableFile(path ?? files[0]!.name, error as NodeJS.ErrnoException);
}

import { statSync } from "node:fs";
import { basename, join } from "node:path";
import { syntheticPrefix } from "../data/synthetic.ts";
import { formatCount, formatSeconds, formatSize } from "../report/format.ts";
import { convertToBlocks } from "../run/convert.ts";
import { checkWritable, FileError } from "../run/files.ts";
import type { LoadOptions } from "../run/load.ts";
import { cacheEntry } from "../run/loading/cache.ts";
import { openCacheFolder } from "../run/loading/cache-folder.ts";
import { blockMemory } from "../run/memory.ts";
import { type CommandContext, type CommandDefinition, exitCode, UsageError } from "./command.ts";
import { inputFiles, loadOptions } from "./input.ts";
import { Signals } from "./signals.ts";

export const convertCommand: CommandDefinition = {
  name: "convert",
  description:
    "Write rows as a block file, which is read as fast as the disk allows. Any command takes it in place of the rows, and train finds it by itself when it lies beside them.",
  arguments: [{ syntax: "[files...]", description: "rows, as train takes them; - or none: stdin" }],
  settings: [
    ...([
      "blocks",
      "topic",
      "topics",
      "skipBadRows",
      "limits",
      "memory",
      "verify",
      "grace",
    ] as const),
    ...(["json", "quiet", "verbose", "color"] as const),
  ],
  examples: [
    "glissade convert news.svm.gz",
    "glissade convert part-*.svm -o /fast/disk/all.blocks",
    "glissade train /fast/disk/all.blocks",
  ],
  run: convert,
};

async function convert({ arguments: args, settings, output }: CommandContext): Promise<number> {
  const files = inputFiles(args, "convert");
  const begun = performance.now();
  const signals = new Signals({
    graceSeconds: settings.grace,
    onFirst: (name) => output.note(`${name}: stopping; nothing is written`),
  });
  try {
    const { signal } = signals;
    const { topic, topics, verify } = settings;
    const memoryBytes = blockMemory(settings.memory);
    const chosen = { ...(topic !== null && { topic }), ...(topics !== null && { topics }) };
    const options = { ...loadOptions(settings), ...chosen, verify, signal, memoryBytes };
    const beside = targetOf(files, settings.blocks);
    const path = settings.blocks === null ? await besideOrCached(beside, files, options) : beside;
    const manifest = await convertToBlocks(files, path, options);
    if (path !== beside) output.warn(`${beside} cannot be written: the blocks go to the cache`);
    const bytes = statSync(path).size;
    const seconds = (performance.now() - begun) / 1000;
    const { rows, nonZeros, skippedRows, fingerprint } = manifest;
    if (skippedRows > 0) output.warn(`${formatCount(skippedRows)} bad rows skipped`);
    const line = `${path}: ${formatCount(rows)} rows, ${formatSize(bytes)}, in ${formatSeconds(seconds)}; try: glissade train ${path}`;
    if (output.json) {
      output.note(line);
      const facts = {
        rows,
        nonZeros,
        skippedRows,
        fingerprint,
        bytes,
        seconds: { total: seconds },
      };
      const head = { glissade: "1", command: "convert", status: "done", blocks: path };
      output.result(JSON.stringify({ ...head, ...facts, error: null }));
    } else if (!output.quiet) {
      output.result(line);
    }
    return exitCode.done;
  } catch (error) {
    if (signals.received !== null) return signals.exitCode;
    throw error;
  } finally {
    signals[Symbol.dispose]();
  }
}

/** In a folder that is read-only, the blocks go where `train --cache` puts and finds them. */
async function besideOrCached(
  beside: string,
  files: readonly string[],
  options: LoadOptions,
): Promise<string> {
  try {
    await checkWritable(beside);
    return beside;
  } catch (error) {
    const entry = error instanceof FileError ? await cacheEntry(files, options) : null;
    if (!entry) throw error;
    openCacheFolder();
    return entry.path;
  }
}

/** Where the blocks go: the file asked for, a name of its own in the folder asked for, or beside the source. */
function targetOf(files: readonly string[], blocks: string | null): string {
  const [first = "-"] = files;
  const nameless = files.length > 1 || first === "-" || first.startsWith(syntheticPrefix);
  const folder =
    blocks !== null && statSync(blocks, { throwIfNoEntry: false })?.isDirectory() === true;
  if (blocks !== null && !folder) return blocks;
  if (nameless || statSync(first, { throwIfNoEntry: false })?.isFile() !== true) {
    const found = files.length > 1 ? `${files.length} files` : first;
    throw new UsageError(
      `convert: expected one file to name the blocks after, found ${found}: use -o FILE`,
    );
  }
  return blocks === null ? `${first}.blocks` : join(blocks, `${basename(first)}.blocks`);
}

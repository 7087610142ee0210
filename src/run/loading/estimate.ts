/** How much memory a source's blocks will take, from a look at its first bytes. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { syntheticPrefix } from "../../data/synthetic.ts";
import { compressionOf } from "./decompress.ts";
import { resolveNames } from "./names.ts";
import { type DataSource, isInMemory, type LoadOptions } from "./options.ts";

const headBytes = 64 * 1024;
/** The first rows may be shorter than the others. */
const margin = 1.3;
/** Blocks of a compressed file take this many times its size, seldom more. */
const compressedFactor = 8;
const lineFeed = 10;
const colon = 58;

export type Fit = "fits" | "unsure" | "too-large";

/**
 * Whether the blocks fit the memory given. When that is unsure they are read by one thread, which can stop in
 * time. Of streams nothing is known.
 */
export async function estimateFit(source: DataSource, options: LoadOptions): Promise<Fit> {
  const { residence, memoryBytes, like } = options;
  if (residence !== "auto" || memoryBytes === undefined || like !== undefined) return "fits";
  if (isInMemory(source)) return "fits";
  const given = typeof source === "string" ? [source] : (source as readonly string[]);
  let bytes = 0;
  for (const name of await resolveNames(given)) {
    bytes += name.startsWith(syntheticPrefix) ? 0 : blockBytesOf(name);
  }
  if (margin * bytes <= memoryBytes) return "fits";
  return bytes > margin * memoryBytes && Number.isFinite(bytes) ? "too-large" : "unsure";
}

function blockBytesOf(name: string): number {
  const stats = name === "-" ? undefined : statSync(name, { throwIfNoEntry: false });
  if (!stats?.isFile()) return Number.POSITIVE_INFINITY;
  const head = readHead(name);
  if (compressionOf(head) !== "none") return compressedFactor * stats.size;
  let [rows, entries] = [0, 0];
  for (const byte of head) {
    if (byte === lineFeed) rows++;
    else if (byte === colon) entries++;
  }
  return head.length === 0 ? 0 : (stats.size / head.length) * (12 * (rows + 1) + 8 * entries);
}

function readHead(name: string): Uint8Array {
  const file = openSync(name, "r");
  try {
    const head = new Uint8Array(headBytes);
    return head.subarray(0, readSync(file, head, 0, headBytes, 0));
  } finally {
    closeSync(file);
  }
}

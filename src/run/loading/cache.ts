/**
 * Block files that stand for text that was read before. One serves as long as the sources' fingerprint and what
 * was asked of the reader are the same; it lies beside its source or in the folder of the caches.
 */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  type BlockFileManifest,
  blockFileVersion,
  type CacheOrigin,
} from "../../data/block-file.ts";
import { chunkBytes } from "../../data/chunk.ts";
import { InputError } from "../../data/input-error.ts";
import { syntheticPrefix } from "../../data/synthetic.ts";
import { Arena } from "../../kernels/arena.ts";
import { openBlockFile } from "./block-open.ts";
import { cacheFolder } from "./cache-folder.ts";
import { Fingerprint } from "./fingerprint.ts";
import { convertedEnd, resolveNames } from "./names.ts";
import { type DataSource, isInMemory, type LoadOptions, topicChoice } from "./options.ts";

/** What a source's cache is called, and what it must say. */
export interface CacheEntry {
  readonly origin: CacheOrigin;
  /** Where a cache may lie, the one to look at first before. */
  readonly paths: readonly string[];
  /** Where it is written. */
  readonly path: string;
}

/** A cache that fits, one that was found damaged, or one of another state of the sources. */
export type CacheFound =
  | { readonly kind: "fits"; readonly path: string; readonly manifest: BlockFileManifest }
  | { readonly kind: "damaged"; readonly path: string; readonly problem: string }
  | { readonly kind: "stale"; readonly path: string };

/** The entry of a source; null for what cannot be read twice, or is made rather than read. */
export async function cacheEntry(
  source: DataSource,
  options: LoadOptions,
): Promise<CacheEntry | null> {
  if (isInMemory(source) || options.labels === "optional") return null;
  const given = typeof source === "string" ? [source] : (source as readonly string[]);
  if (given.some((name) => name === "-" || name.startsWith(syntheticPrefix))) return null;
  const names = await resolveNames(given);
  if (!names.every((name) => statSync(name, { throwIfNoEntry: false })?.isFile())) return null;
  const origin = { key: keyOf(options), fingerprint: await fingerprintOf(names, options) };
  const files = createHash("sha256").update(JSON.stringify(names.map((name) => resolve(name))));
  const id = files.update(origin.key).digest("hex").slice(0, 32);
  const path = join(cacheFolder(), `${id}.blocks`);
  const beside = names.length === 1 ? [besideOf(names[0]!)] : [];
  return { origin, path, paths: [...beside, path] };
}

/** The name of a block file beside its source. */
export function besideOf(name: string): string {
  return `${name}${convertedEnd}`;
}

/** The caches of an entry that are there, in the order in which they are to be tried. */
export function findCaches({ origin, paths }: CacheEntry): CacheFound[] {
  return paths.filter(isFileThere).flatMap((path): CacheFound[] => {
    try {
      const file = openBlockFile(new Arena(), path);
      file.close();
      const { manifest } = file;
      const { key, fingerprint } = manifest.origin ?? {};
      const fits = key === origin.key && fingerprint === origin.fingerprint;
      return [fits ? { kind: "fits", path, manifest } : { kind: "stale", path }];
    } catch (error) {
      // A cache that may not be read is none.
      return error instanceof InputError ? [{ kind: "damaged", path, problem: error.found }] : [];
    }
  });
}

/** A folder that may not be looked into holds no cache for us. */
function isFileThere(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** What was asked of the reader, as far as it changes the blocks. */
function keyOf(options: LoadOptions): string {
  const { skipBadRows = 0, format = "auto", topic = null } = options;
  const asked = { blockFileVersion, chunkBytes, skipBadRows, format, topic };
  return createHash("sha256").update(JSON.stringify(asked)).digest("hex").slice(0, 32);
}

async function fingerprintOf(names: readonly string[], options: LoadOptions): Promise<string> {
  const fingerprint = new Fingerprint();
  const topics = topicChoice(options);
  for (const name of topics ? [...names, topics.file] : names) {
    await fingerprint.addFile(name, options.verify === true);
  }
  return fingerprint.digest();
}

/**
 * Where the bench keeps what it makes: data, programs and environments of peers, never in the
 * checkout.
 */
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const shared = join(root, "..", "shared");
const base = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");

/** A folder of the bench's cache, made when it is not there. */
export function cacheFolder(...names) {
  const folder = join(base, "glissade-bench", ...names);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Where caches go: the folder that the platform has for them. */
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { FileError } from "../files.ts";

const tag = `Signature: 8a477f597d28d172789f06886806bc55
# This folder holds caches of glissade: it may be removed at any time, and backups may leave it out.
# See https://bford.info/cachedir/
`;

/** How the names of files start that serve one run only. */
export const spilledStart = "spilled-";

/** The folder of glissade's caches; it may not be there yet. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = environment;
  if (xdg !== undefined && xdg !== "") return join(xdg, "glissade");
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches", "glissade");
  if (process.platform === "win32" && local !== undefined) return join(local, "glissade");
  return join(homedir(), ".cache", "glissade");
}

/** Makes the folder of the caches and marks it as one. @throws FileError */
export function openCacheFolder(): string {
  const folder = cacheFolder();
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "CACHEDIR.TAG"), tag);
    removeLeftovers(folder);
    return folder;
  } catch (error) {
    throw new FileError(folder, error, "write");
  }
}

/** What a process that was killed did not finish; a file that is still written to is younger. */
const leftoverAgeMsMin = 24 * 3600 * 1000;

function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (!name.endsWith(".tmp") && !name.startsWith(spilledStart)) continue;
    const path = join(folder, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats && Date.now() - stats.mtimeMs > leftoverAgeMsMin) rmSync(path, { force: true });
  }
}

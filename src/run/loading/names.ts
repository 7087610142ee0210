/** From what the user names to the files that are read: folders, patterns, and words for what is not there. */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError } from "../../data/input-error.ts";
import { syntheticPrefix } from "../../data/synthetic.ts";
import { nearestWord } from "../grammar.ts";
import { isPattern, matcherOf } from "./pattern.ts";

const filesMax = 100_000;
/** What `glissade convert` puts behind the name of a source. */
export const convertedEnd = ".blocks";

/**
 * The files that the names stand for, in order: a folder for its files by name (not hidden ones, nor those
 * that start with "_"), a pattern for what it matches, by name. "-" and synthetic sets stay as they are.
 * @throws InputError when a name stands for nothing.
 */
export async function resolveNames(names: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const name of names) {
    files.push(...(await resolveName(name)));
    if (files.length > filesMax) throw tooManyFiles(name);
  }
  if (files.filter((name) => name === "-").length > 1) throw standardInputTwice();
  if (files.length === 0) throw nothingNamed();
  return files;
}

async function resolveName(name: string): Promise<string[]> {
  if (name === "-" || name.startsWith(syntheticPrefix)) return [name];
  const stats = await stat(name).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw unreadableFile(name, error);
  });
  if (stats?.isDirectory()) return filesOfFolder(name);
  if (stats) return [name];
  if (isPattern(name)) return filesOfPattern(name);
  throw await missingFile(name);
}

async function filesOfFolder(folder: string): Promise<string[]> {
  const names = await listFolder(folder);
  const files = names.filter((entry) => entry.isFile && isDataName(entry.name));
  if (files.length === 0) {
    throw new InputError({
      code: "empty-input",
      file: folder,
      found: "a folder without data files",
      expected: "at least one file",
      hint: "name the files, or a folder that holds them directly",
    });
  }
  return withoutConverted(files.map((entry) => join(folder, entry.name))).sort(byCodeUnits);
}

async function filesOfPattern(pattern: string): Promise<string[]> {
  const parts = pattern.split("/");
  const absolute = pattern.startsWith("/");
  let paths = [absolute ? "/" : ""];
  for (const [depth, part] of parts.entries()) {
    if (part === "") continue;
    const last = depth === parts.length - 1;
    const next = await Promise.all(paths.map((path) => matchPart(path, { part, last })));
    paths = next.flat();
    if (paths.length > filesMax) throw tooManyFiles(pattern);
  }
  if (paths.length > 0) return withoutConverted([...new Set(paths)]).sort(byCodeUnits);
  throw new InputError({
    code: "missing-file",
    file: pattern,
    found: "no file that matches",
    expected: "a pattern that matches at least one file",
    hint: "check the pattern, and quote it so that the shell leaves it alone",
  });
}

/** One step of a pattern: what `part` matches in the folder `path`. `**` matches folders at any depth. */
async function matchPart(path: string, { part, last }: { part: string; last: boolean }) {
  if (part === "**") return foldersBelow(path);
  if (!isPattern(part)) {
    const joined = join(path, part);
    const stats = await stat(joined).catch(() => undefined);
    return stats && (last ? stats.isFile() : stats.isDirectory()) ? [joined] : [];
  }
  const matches = matcherOf(part);
  const entries = await listFolder(path || ".").catch(() => []);
  return entries
    .filter((entry) => (last ? entry.isFile : entry.isFolder) && matches(entry.name))
    .map((entry) => join(path, entry.name));
}

async function foldersBelow(path: string): Promise<string[]> {
  const entries = await listFolder(path || ".").catch(() => []);
  const folders = entries.filter((entry) => entry.isFolder && !entry.name.startsWith("."));
  const below = await Promise.all(folders.map(({ name }) => foldersBelow(join(path, name))));
  return [path, ...below.flat()];
}

async function listFolder(folder: string) {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error) => {
    throw unreadableFile(folder, error);
  });
  return Promise.all(
    entries.map(async (entry) => {
      // A link counts as what it points to; `**` does not follow it, so a loop cannot trap us.
      const linked = entry.isSymbolicLink()
        ? await stat(join(folder, entry.name)).catch(() => undefined)
        : undefined;
      return {
        name: entry.name,
        isFile: entry.isFile() || linked?.isFile() === true,
        isFolder: entry.isDirectory(),
      };
    }),
  );
}

/** A block file beside its source holds the same rows. */
function withoutConverted(paths: readonly string[]): string[] {
  const there = new Set(paths);
  return paths.filter((path) => {
    const source = path.endsWith(convertedEnd) ? path.slice(0, -convertedEnd.length) : path;
    return source === path || !there.has(source);
  });
}

function isDataName(name: string): boolean {
  return !name.startsWith(".") && !name.startsWith("_");
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The error for a file that is not there; names the nearest one that is. */
export async function missingFile(name: string): Promise<InputError> {
  const folder = dirname(name);
  const siblings = await readdir(folder).catch(() => undefined);
  const near = siblings && nearestWord(basename(name), siblings);
  return new InputError({
    code: "missing-file",
    file: name,
    found: siblings ? "no such file" : `no such folder as ${folder}`,
    expected: "a file of rows",
    hint: near ? `did you mean ${join(folder, near)}?` : "check the name",
  });
}

/** The error for a file that is there and cannot be read. */
export function unreadableFile(name: string, error: NodeJS.ErrnoException): InputError {
  const denied = error.code === "EACCES" || error.code === "EPERM";
  return new InputError({
    code: "unreadable-file",
    file: name,
    found: denied ? "no permission to read it" : `an error of the system (${error.message})`,
    expected: "a file that can be read",
    hint: denied ? "check its owner and mode (chmod +r)" : "check the disk and the name",
  });
}

function tooManyFiles(name: string): InputError {
  return new InputError({
    code: "too-large",
    file: name,
    found: `more than ${filesMax} files`,
    expected: `at most ${filesMax}`,
    hint: "join them into larger ones",
  });
}

function standardInputTwice(): InputError {
  return new InputError({
    code: "missing-file",
    file: "-",
    found: "standard input named twice",
    expected: "it at most once",
    hint: "name it once",
  });
}

function nothingNamed(): InputError {
  return new InputError({
    code: "empty-input",
    file: "input",
    found: "no names of files",
    expected: "at least one file",
    hint: "name a file, a folder, a pattern or - for standard input",
  });
}

/**
 * Writing files so that a reader sees the old or the new bytes, never half of them; and saying what is
 * wrong with a file in words a person can act on.
 */
import { randomUUID } from "node:crypto";
import { accessSync, constants, realpathSync, type Stats, statSync } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * The bytes of a file of at most so many; devices and pipes, which have no end that is known, are refused.
 * @throws FileError
 */
export async function readBounded(path: string, bytesMax: number): Promise<Uint8Array> {
  try {
    const stats = await stat(path);
    if (!stats.isFile() && !stats.isDirectory()) {
      throw Object.assign(new Error("it is no regular file"), { code: "EINVAL" });
    }
    if (stats.size > bytesMax) {
      throw Object.assign(new Error(`it has ${stats.size} bytes, at most ${bytesMax} are read`), {
        code: "EFBIG",
      });
    }
    return await readFile(path);
  } catch (error) {
    throw new FileError(path, error, "read");
  }
}

/** A file or folder that cannot be read or written; the message names it and says what to do. */
export class FileError extends Error {
  override readonly name = "FileError";
  readonly code: string;
  readonly path: string;
  constructor(path: string, error: unknown, action: FileAction) {
    super(`${path}: ${describeFileError(error, action)}`, { cause: error });
    this.code = (error as NodeJS.ErrnoException).code ?? "EIO";
    this.path = path;
  }
}

export type FileAction = "read" | "write";

/** One clause on what went wrong with a file and what to do, for the system's error. */
export function describeFileError(error: unknown, action: FileAction): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
      return action === "read"
        ? "no such file: check the path"
        : "its folder does not exist: create it or choose another path";
    case "EACCES":
    case "EPERM":
      return action === "read"
        ? "no permission to read it: check its owner and mode"
        : "no permission to write there: choose a folder you may write to";
    case "EROFS":
      return "the file system is read-only: choose a folder you may write to";
    case "ENOSPC":
    case "EDQUOT":
      return "the disk is full: free some space or choose another disk";
    case "EISDIR":
      return "this is a folder, expected a file: add a file name";
    case "ENOTDIR":
      return "a part of this path is a file, expected folders: check the path";
    case "EMFILE":
    case "ENFILE":
      return "too many files are open: raise the limit (ulimit -n)";
    case "ENAMETOOLONG":
      return "the name is too long: choose a shorter one";
    default:
      return `cannot ${action} it: ${message}`;
  }
}

/**
 * Writes all bytes to a temporary file in the same folder, flushes them to disk, then renames it. If
 * anything fails the old file is untouched and the temporary one is gone.
 * @throws FileError
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string): Promise<void> {
  if (isDevice(path)) return writeThrough(path, bytes);
  const target = followLinks(path);
  const temporary = temporaryBeside(target);
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new FileError(path, error, "write");
  }
  await syncFolder(dirname(target));
}

/** `/dev/stdout` and the like cannot be renamed over; they take the bytes as they come. */
async function writeThrough(path: string, bytes: Uint8Array | string): Promise<void> {
  try {
    const file = await open(path, "w");
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new FileError(path, error, "write");
  }
}

/**
 * Finds out before any work is done whether a file can be written there later: its folder exists, is
 * writable and takes a byte.
 * @throws FileError
 */
export async function checkWritable(path: string): Promise<void> {
  try {
    if (isDevice(path)) return accessSync(path, constants.W_OK);
    if (isFolder(path)) throw Object.assign(new Error("is a folder"), { code: "EISDIR" });
    // Root may write where the mode says no, and a read-only mount says yes to access(): try it.
    const probe = temporaryBeside(followLinks(path));
    const file = await open(probe, "wx");
    try {
      await file.writeFile("probe");
    } finally {
      await file.close();
      await unlink(probe);
    }
  } catch (error) {
    throw new FileError(path, error, "write");
  }
}

/**
 * Makes a folder and those above it, one by one: asked for all at once, Node says "no such file" of a
 * read-only file system.
 * @throws FileError
 */
export async function makeFolder(path: string): Promise<void> {
  const above = dirname(path);
  if (above !== path && !isFolder(above)) await makeFolder(above);
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST" && isFolder(path)) return;
    throw new FileError(path, error, "write");
  }
}

function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}.tmp`);
}

/** The rename itself is only durable once its folder is flushed; not every file system offers it. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch {
    // Windows and some network file systems refuse to flush folders; the file itself is on disk.
  }
}

/** A link is followed: what is replaced is the file it leads to, never `/dev/stdout` itself. */
function followLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Nothing there yet, or nothing that can be reached: writing says what is wrong.
    return path;
  }
}

function isDevice(path: string): boolean {
  const stats = statsOf(path);
  return stats !== null && !stats.isFile() && !stats.isDirectory();
}

function isFolder(path: string): boolean {
  return statsOf(path)?.isDirectory() ?? false;
}

function statsOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

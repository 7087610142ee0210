/** Reads the records of runs back: which there are, and everything about one. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { RunEvent } from "./events.ts";
import { FileError } from "./files.ts";
import type { Manifest } from "./record.ts";

/** A run as its manifest tells it. */
export interface RunSummary {
  readonly run: string;
  readonly folder: string;
  readonly manifest: Manifest;
  /** `unfinished`: it is still going, or was killed. */
  readonly status: "done" | "failed" | "interrupted" | "running" | "unfinished";
}

/** All runs of a folder, the oldest first; folders that are no runs are passed over. */
export function listRuns(runs: string): RunSummary[] {
  let names: string[];
  try {
    names = readdirSync(runs);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new FileError(runs, error, "read");
  }
  return names
    .sort()
    .map((name) => readRun(join(runs, name)))
    .filter((run) => run !== null);
}

/** The run of this id, the latest for `latest`, or the only one whose id begins or ends like that. */
export function findRun(runs: string, id: string): RunSummary | null {
  const all = listRuns(runs);
  if (id === "latest") return all.at(-1) ?? null;
  const exact = all.find((run) => run.run === id);
  const like = all.filter((run) => run.run.startsWith(id) || run.run.endsWith(id));
  return exact ?? (like.length === 1 ? like[0]! : null);
}

/** A log that is longer is read no further: nobody looks at that many events. */
const logBytesMax = 2 ** 28;

/** The events of a run; a last line that was cut off by a kill is passed over. */
export function readEvents(folder: string): RunEvent[] {
  const path = join(folder, "events.jsonl");
  try {
    if (statSync(path).size > logBytesMax) return [];
    return eventsIn(readFileSync(path, "utf8"));
  } catch {
    return [];
  }
}

/** The events in the lines of a log; lines that are none are passed over. */
export function eventsIn(text: string): RunEvent[] {
  return text.split("\n").flatMap((line) => {
    try {
      const event = JSON.parse(line) as RunEvent | null;
      return typeof event?.kind === "string" ? [event] : [];
    } catch {
      return [];
    }
  });
}

function readRun(folder: string): RunSummary | null {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as Manifest;
    if (manifest.glissade !== "1" || !isRunId(manifest.run)) return null;
    return { run: manifest.run, folder, manifest, status: statusOf(manifest) };
  } catch {
    return null;
  }
}

/** Ids become names of files: one that leads elsewhere is none. */
function isRunId(id: unknown): boolean {
  return typeof id === "string" && /^\w[\w.-]{0,99}$/.test(id);
}

function statusOf({ result, process: pid }: Manifest): RunSummary["status"] {
  if (result !== null) return result.status;
  return isAlive(pid) ? "running" : "unfinished";
}

/** Signal 0 asks without disturbing; a number used again by another program can fool it. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

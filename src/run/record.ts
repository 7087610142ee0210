/**
 * The folder of a run: `runs/<id>/` with `manifest.json`, `events.jsonl`, `model.safetensors` and, after a
 * failure, `error.json`. The files are the truth; nothing else is kept of a run.
 */
import { randomBytes } from "node:crypto";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import type { RunError, RunEvent, TrainResult } from "./events.ts";
import { checkWritable, FileError, makeFolder, writeFileAtomic } from "./files.ts";
import { machineFacts } from "./machine.ts";
import { shownValue } from "./setting-text.ts";
import type { SettingName } from "./settings.ts";
import type { Origin, ResolvedSettings } from "./settings-origin.ts";

/** The coordinator's state in the folder of a run. */
export const clusterStateFile = "cluster.json";

/** Events that wait for the disk; beyond them the oldest progress is not worth memory. */
const pendingBytesMax = 16 * 2 ** 20;

/** `manifest.json`: what was asked for, of which data, on which machine, and how it ended. */
export interface Manifest {
  readonly glissade: "1";
  readonly run: string;
  readonly version: string;
  readonly command: string;
  /** ISO 8601, UTC. */
  readonly started: string;
  readonly process: number;
  readonly settings: Readonly<Record<SettingName, { value: unknown } & Origin>>;
  readonly data: ManifestData | null;
  readonly split: { readonly validation: number; readonly seed: number } | null;
  readonly machine: ReturnType<typeof machineFacts>;
  /** Names of the training files as they were given, and the folder they are relative to. */
  readonly inputs?: readonly string[];
  readonly workingFolder?: string;
  /** When the run was taken up again, ISO 8601, UTC. */
  readonly resumed?: readonly string[];
  /** What the run chose by itself: setting, value, reason. */
  readonly chosen: readonly { setting: string; value: string | number; reason: string }[];
  /** Null while the run goes, and for ever if it was killed. */
  readonly result: TrainResult | null;
}

/** The rows that a run read. */
export interface ManifestData {
  readonly files: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly rows: number;
  }[];
  readonly fingerprint: string;
  readonly rows: number;
  readonly columns: number;
  readonly nonZeros: number;
  readonly skippedRows: number;
}

/** The member of a cluster that failed first. */
export interface MemberFailure {
  readonly rank: number;
  readonly host: string;
  readonly cause: string;
  /** What it said last; none of a member that was started elsewhere. */
  readonly lines: readonly string[];
  /** File of all it said; null where it was started elsewhere. */
  readonly log: string | null;
}

/** Ids sort by time: UTC to the millisecond, then four random letters. */
export function newRunId(now: Date = new Date()): string {
  const stamp = now.toISOString().slice(0, 23).replaceAll(/[-:.]/g, "").replace("T", "-");
  const letters = [...randomBytes(4)].map((byte) => String.fromCharCode(97 + (byte % 26)));
  return `${stamp}-${letters.join("")}`;
}

/** Owns the folder and the open `events.jsonl` of one run. */
export class RunRecord {
  readonly id: string;
  readonly folder: string;
  #manifest: Manifest;
  #pending: string[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #file: Awaited<ReturnType<typeof open>>;
  #failure: FileError | null = null;
  #dropped = 0;

  private constructor(folder: string, manifest: Manifest, file: Awaited<ReturnType<typeof open>>) {
    this.id = manifest.run;
    this.folder = folder;
    this.#manifest = manifest;
    this.#file = file;
  }

  /**
   * Makes the folder and the first manifest.
   * @throws FileError when the folder cannot be written.
   */
  static async open(options: {
    runs: string;
    command: string;
    version: string;
    resolved: ResolvedSettings;
    inputs?: readonly string[];
  }): Promise<RunRecord> {
    const { runs, command, version, resolved, inputs = [] } = options;
    await makeFolder(runs);
    const started = new Date();
    const { id, folder } = await makeRunFolder(runs, started);
    const settings = Object.fromEntries(
      Object.entries(resolved.settings).map(([name, value]) => [
        name,
        { value: shownValue(name, value), ...resolved.origins[name as SettingName] },
      ]),
    ) as Manifest["settings"];
    const manifest: Manifest = {
      glissade: "1",
      run: id,
      version,
      command,
      started: started.toISOString(),
      process: process.pid,
      settings,
      data: null,
      split: null,
      machine: machineFacts(),
      inputs,
      workingFolder: process.cwd(),
      chosen: [],
      result: null,
    };
    const path = join(folder, "events.jsonl");
    await checkWritable(path);
    const record = new RunRecord(folder, manifest, await open(path, "a"));
    await record.update({});
    return record;
  }

  /**
   * Takes up the record of a run that was killed or interrupted; what happens from here on is added to it.
   * @throws FileError when the folder cannot be written.
   */
  static async reopen(folder: string, manifest: Manifest): Promise<RunRecord> {
    const path = join(folder, "events.jsonl");
    await checkWritable(join(folder, "manifest.json"));
    const file = await open(path, "a+");
    const { size } = await file.stat();
    const last = Buffer.alloc(1);
    // A kill may have cut the last line: what follows must not be joined to it.
    if (size > 0) await file.read(last, 0, 1, size - 1);
    if (size > 0 && last[0] !== 10) await file.appendFile("\n");
    const resumed = [...(manifest.resumed ?? []), new Date().toISOString()];
    const again: Manifest = { ...manifest, process: process.pid, resumed, result: null };
    const record = new RunRecord(folder, again, file);
    await record.update({});
    return record;
  }

  /** Path of a file of this run. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** What is known more of the run goes to the manifest. */
  async update(more: Partial<Pick<Manifest, "data" | "split" | "result">>): Promise<void> {
    this.#manifest = { ...this.#manifest, ...more };
    await writeFileAtomic(
      this.path("manifest.json"),
      `${JSON.stringify(this.#manifest, null, 2)}\n`,
    );
  }

  /** Adds an event to `events.jsonl`. Never throws and never waits: learning goes on without a disk. */
  append(event: RunEvent): void {
    if (event.kind === "calibrated") {
      const { setting, value, reason } = event;
      this.#manifest = {
        ...this.#manifest,
        chosen: [...this.#manifest.chosen, { setting, value, reason }],
      };
    }
    const line = `${JSON.stringify(event)}\n`;
    if (this.#failure !== null || this.#pendingBytes + line.length > pendingBytesMax) {
      this.#dropped++;
      return;
    }
    this.#pending.push(line);
    this.#pendingBytes += line.length;
    if (this.#pending.length === 1) this.#writing = this.#writing.then(() => this.#flush());
  }

  /** Why events are missing from the record, if any are. */
  problem(): string | null {
    if (this.#failure !== null) return this.#failure.message;
    if (this.#dropped === 0) return null;
    return `${this.path("events.jsonl")}: ${this.#dropped} events are missing as the disk was too slow`;
  }

  async writeError(error: RunError & { member: MemberFailure | null }): Promise<void> {
    await writeFileAtomic(this.path("error.json"), `${JSON.stringify(error, null, 2)}\n`);
  }

  /** Waits until every event is on disk, as far as it takes them. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    try {
      await this.#file.sync();
    } catch {
      // Pipes and some network file systems do not flush; what could be written is written.
    }
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    const text = this.#pending.join("");
    this.#pending = [];
    this.#pendingBytes = 0;
    try {
      await this.#file.appendFile(text);
    } catch (error) {
      this.#failure = new FileError(this.path("events.jsonl"), error, "write");
    }
  }
}

/** Two runs may start in the same millisecond; the letters are drawn again until the folder is new. */
async function makeRunFolder(runs: string, started: Date): Promise<{ id: string; folder: string }> {
  for (let attempt = 0; ; attempt++) {
    const id = newRunId(started);
    const folder = join(runs, id);
    try {
      await mkdir(folder);
      return { id, folder };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || attempt === 20) {
        throw new FileError(folder, error, "write");
      }
    }
  }
}

/**
 * What a coordinator leaves behind so that another process can take its run up: who has which seat, where they
 * are, and how far they may learn. Members keep everything else, and tell it when they find the new process at the
 * place of the old one.
 */
import { createHash } from "node:crypto";
import { ClusterError } from "./cluster-error.ts";
import type { RunIdentity } from "./handshake.ts";
import { stateSecondsMin } from "./limits.ts";
import type { Allowances } from "./pacer.ts";
import type { SavedRoster } from "./roster.ts";

/** A run that was under way; plain data. */
export interface SavedRun {
  readonly identity: RunIdentity;
  readonly port: number;
  /** Updates that an epoch is cut into, and seconds since the run began. */
  readonly updates: number;
  readonly seconds: number;
  /** Rows learned before that, where the run itself went on from a checkpoint. */
  readonly rowsBefore: number;
  readonly allowances: Allowances;
  readonly roster: SavedRoster;
}

/** Where the state of a run is kept; writing replaces it as a whole, and keeps the one before. */
export interface StateStore {
  /** What was kept there, the newest first, and what it is called. */
  read(): Promise<readonly { readonly name: string; readonly text: string }[]>;
  write(text: string): Promise<void>;
  /** Tells that something of it can't be read or written. */
  warn(message: string): void;
}

const format = "glissade-cluster/3";

/** The text of a saved run, with its checksum. */
export function encodeSaved(saved: SavedRun): string {
  const run = JSON.stringify(saved);
  return JSON.stringify({ format, checksum: checksumOf(run), run });
}

/** @throws ClusterError for a text that is none, or that is damaged; `name` says where it is from. */
export function decodeSaved(text: string, name: string): SavedRun {
  const hint = "move it away to go on from the last checkpoint with new members";
  let read: { format?: string; checksum?: string; run?: string };
  try {
    read = JSON.parse(text);
  } catch {
    throw new ClusterError(`${name}: the coordinator's state is no JSON: ${hint}`);
  }
  if (read.format !== format) {
    throw new ClusterError(`${name}: no coordinator's state of this glissade: ${hint}`);
  }
  if (read.run === undefined || checksumOf(read.run) !== read.checksum) {
    throw new ClusterError(
      `${name}: the coordinator's state is damaged, its checksum is wrong: ${hint}`,
    );
  }
  return JSON.parse(read.run) as SavedRun;
}

function checksumOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Writes the state now and then: one write at a time, and the last state is never missed. */
export class StateKeeper {
  readonly #store: StateStore;
  #writing: Promise<void> | null = null;
  #writtenAt = Number.NEGATIVE_INFINITY;

  constructor(store: StateStore) {
    this.#store = store;
  }

  /** Writes it unless that was done just now; `urgent`: what changed must not be lost. */
  keep(saved: () => SavedRun, { urgent }: { urgent: boolean }): void {
    const due = urgent || performance.now() - this.#writtenAt > 1000 * stateSecondsMin;
    if (!due || (this.#writing && !urgent)) return;
    this.#writtenAt = performance.now();
    const text = encodeSaved(saved());
    const before = this.#writing ?? Promise.resolve();
    const writing = before
      .then(() => this.#store.write(text))
      .catch((error: Error) => this.#store.warn(error.message))
      .finally(() => {
        if (this.#writing === writing) this.#writing = null;
      });
    this.#writing = writing;
  }

  /** Resolves when nothing is being written any more. */
  async settled(): Promise<void> {
    await this.#writing;
  }
}

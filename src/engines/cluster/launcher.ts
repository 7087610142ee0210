/** The port through which an engine has processes started, wherever; bodies of it are in deploy/. */

/** What a process that is to become a member needs. */
export interface MemberOrder {
  /** HOST:PORT of the coordinator. */
  readonly join: string;
  /** What it is to show, as variables of its environment: never as arguments. */
  readonly environment: Readonly<Record<string, string>>;
  readonly rank: number;
}

/** Processes that were started. */
export interface Launched extends AsyncDisposable {
  /** Their process ids, by rank; undefined for one that could not be started. */
  readonly processes: readonly (number | undefined)[];
  /** Resolves when all have ended by themselves. */
  readonly ended: Promise<void>;
}

/** How one of them ended, before it was asked to. */
export interface ProcessEnd {
  readonly rank: number;
  /** In words: "was killed by SIGKILL", "ended with code 1: ...its last lines". */
  readonly reason: string;
  /** The same without its last lines, and those. */
  readonly how: string;
  readonly lines: readonly string[];
}

/** Starts one process for each seat. */
export type Launch = (
  orders: readonly MemberOrder[],
  onEnd: (end: ProcessEnd) => void,
) => Promise<Launched>;

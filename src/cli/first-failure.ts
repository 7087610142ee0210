/** The member that failed first: what comes after it is mostly its consequence. */
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { ClusterEvent } from "../engines/cluster/events.ts";
import type { ProcessEnd } from "../engines/cluster/launcher.ts";
import type { MemberFailure } from "../run/record.ts";

/** Owns what is known of members until one fails. */
export class FirstFailure {
  readonly #logs: string;
  readonly #hostOf: (rank: number) => string;
  readonly #names = new Map<number, string>();
  #first: MemberFailure | null = null;

  /** @param hostOf where this process started the member of a rank. */
  constructor(logs: string, hostOf: (rank: number) => string = () => hostname()) {
    this.#logs = logs;
    this.#hostOf = hostOf;
  }

  /** Null as long as nobody failed. What a process said last is in its log, if it was started here. */
  get failure(): MemberFailure | null {
    const first = this.#first;
    if (!first || first.lines.length > 0) return first;
    const log = join(this.#logs, `rank-${first.rank}.log`);
    return existsSync(log) ? { ...first, log, lines: lastLines(log) } : first;
  }

  /** A process that was started here has ended before it was asked to. */
  ended({ rank, how, lines }: ProcessEnd): void {
    const log = join(this.#logs, `rank-${rank}.log`);
    // The coordinator may have noticed its silence first; how the process ended says more.
    if (this.#first && this.#first.rank !== rank) return;
    this.#first = { rank, host: this.#hostOf(rank), cause: how, lines, log };
  }

  /** Members from elsewhere tell by their connection only. */
  heard(event: ClusterEvent): void {
    if (event.kind === "joined") this.#names.set(event.rank, event.address);
    if (event.kind !== "lost" || this.#first) return;
    const { rank, reason } = event;
    const host = this.#names.get(rank) ?? this.#hostOf(rank);
    this.#first = { rank, host, cause: reason, lines: [], log: null };
  }
}

/** Lines at the end of a log that are kept in the record. */
const linesMax = 20;
const logBytesMax = 64 * 1024;

function lastLines(path: string): string[] {
  const text = readFileSync(path);
  const lines = text.subarray(-logBytesMax).toString("utf8").trimEnd().split("\n");
  return lines.slice(-linesMax);
}

/** What is printed of it, last of all; not what the message of the run's end has said already. */
export function failureLines(
  { rank, host, cause, lines, log }: MemberFailure,
  said: string,
): string[] {
  const more = lines.slice(-5).filter((line) => !said.includes(line));
  return [
    `first to fail: rank ${rank} at ${host}: ${cause.split("\n")[0]}`,
    ...more.map((line) => `  ${line}`),
    ...(log === null ? [] : [`  all it said: ${log}`]),
  ];
}

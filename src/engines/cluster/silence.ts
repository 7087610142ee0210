/**
 * The coordinator's ear: which members count as silent. Time in which this process itself did not run, because it was
 * stopped or the machine had no processor for it, is nobody's silence: what members said then is not read yet.
 */
import { reconnectSecondsMax } from "./limits.ts";
import { Patience } from "./patience.ts";
import { type Roster, type RosterEntry, silentEntries } from "./roster.ts";

const lookMs = 200;

/** What the watch needs of its coordinator. */
export interface SilencePort {
  /** Seconds of the run. */
  now(): number;
  isConnected(rank: number): boolean;
  /** It is waited for no longer. */
  silent(entry: RosterEntry, reason: string): void;
  /** Now and then, from the first look on. */
  looked(): void;
}

/** Owns the timers by which members' silence is found out. */
export class SilenceWatch {
  readonly #roster: Roster;
  readonly #port: SilencePort;
  readonly #patience = new Patience();
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = 0;

  constructor(roster: Roster, port: SilencePort) {
    this.#roster = roster;
    this.#port = port;
  }

  /** From now on silence counts. */
  begin(): void {
    this.#lookedAt = performance.now();
    this.#timer = setInterval(() => this.#look(), lookMs);
  }

  get isOn(): boolean {
    return this.#timer !== undefined;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /** A connection broke: the member has a moment to come back. */
  suspect(entry: RosterEntry, reason: string): void {
    const { rank } = entry;
    this.#patience.await(rank, reconnectSecondsMax, () => {
      if (this.#port.isConnected(rank)) return;
      this.#port.silent(entry, `${reason}; not back after ${reconnectSecondsMax} s`);
    });
  }

  /** It is connected. */
  found(rank: number): void {
    this.#patience.found(rank);
  }

  [Symbol.dispose](): void {
    this.end();
    this.#patience[Symbol.dispose]();
  }

  #look(): void {
    this.#forgive();
    this.#port.looked();
    const silent = silentEntries(this.#roster, this.#port.now());
    for (const { entry, reason } of silent) this.#port.silent(entry, reason);
  }

  /** As much later as this look is than it should be, so much later everybody counts as heard. */
  #forgive(): void {
    const at = performance.now();
    const lateSeconds = Math.max(0, at - this.#lookedAt - lookMs) / 1000;
    this.#lookedAt = at;
    const now = this.#port.now();
    for (const entry of this.#roster.entries.values()) {
      const { heardAt } = entry;
      entry.heardAt = Math.max(heardAt, Math.min(now, heardAt + lateSeconds));
    }
  }
}

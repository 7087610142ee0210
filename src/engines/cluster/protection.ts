/**
 * Limits that protect a process from others, each with a name, a default and a meaning; `--limits` changes
 * them. Reaching one refuses what was too much, is told in an event, and changes nothing else.
 */
import type { ClusterEvent } from "./events.ts";

/** How a limit's value is written. */
export type LimitUnit = "bytes" | "count" | "seconds" | "size";

interface LimitEntry {
  readonly value: number;
  readonly unit: LimitUnit;
  /** What is limited, to be read after its value. */
  readonly meaning: string;
}

/** Every limit: a table in docs/security.md is compared with it. */
export const limitTable = {
  message: { value: 256 * 2 ** 20, unit: "bytes", meaning: "in one message" },
  members: { value: 4096, unit: "count", meaning: "members of a run" },
  joins: { value: 6000, unit: "count", meaning: "attempts to join a minute" },
  connections: { value: 8192, unit: "count", meaning: "connections at a time" },
  strangers: { value: 128, unit: "count", meaning: "of them that have shown no token yet" },
  introduction: { value: 5, unit: "seconds", meaning: "for a connection to show a token" },
  streams: { value: 128, unit: "count", meaning: "calls at a time on one connection" },
  headers: { value: 16 * 2 ** 10, unit: "bytes", meaning: "of headers of a call" },
  buffered: { value: 512 * 2 ** 20, unit: "bytes", meaning: "waiting for one member" },
  model: { value: 2 ** 30, unit: "bytes", meaning: "of a model's weights" },
  norm: { value: 1e12, unit: "size", meaning: "norm of an update, as weights" },
  growth: { value: 200, unit: "count", meaning: "times a compressed file's size, of its text" },
} as const satisfies Record<string, LimitEntry>;

/** Name of a limit. */
export type LimitName = keyof typeof limitTable;

/** A value for each limit. */
export type Limits = Readonly<Record<LimitName, number>>;

/** What holds where nothing else is said. */
export const limitDefaults: Limits = Object.fromEntries(
  Object.entries(limitTable).map(([name, { value }]) => [name, value]),
) as Limits;

/** At most one event of a limit in this time; the others are counted in the next. */
const eventMsMin = 1_000;

/** Counts what was refused and says so, without letting a flood of attempts become one of events. */
export class LimitWatch {
  readonly limits: Limits;
  readonly #say: (event: ClusterEvent) => void;
  #joins: number[] = [];
  readonly #hits = new Map<LimitName, { count: number; toldAt: number }>();

  constructor(limits: Limits, say: (event: ClusterEvent) => void) {
    this.limits = limits;
    this.#say = say;
  }

  /** A limit was reached; `who` is an address or a member. */
  reached(limit: LimitName, who: string): void {
    const hit = this.#hits.get(limit) ?? { count: 0, toldAt: Number.NEGATIVE_INFINITY };
    hit.count++;
    this.#hits.set(limit, hit);
    const now = performance.now();
    if (now - hit.toldAt < eventMsMin) return;
    hit.toldAt = now;
    this.#say({ kind: "limit", limit, most: this.limits[limit], who, count: hit.count });
  }

  /** Counts an attempt to join at this time in ms; false when it is one too many for this minute. */
  takeJoin(now: number): boolean {
    this.#joins = this.#joins.filter((time) => now - time < 60_000);
    if (this.#joins.length >= this.limits.joins) return false;
    this.#joins.push(now);
    return true;
  }

  /** How often a limit was reached so far. */
  count(limit: LimitName): number {
    return this.#hits.get(limit)?.count ?? 0;
  }
}

/** What was refused, as a line of a log. */
export function describeRefusal(event: ClusterEvent): string {
  switch (event.kind) {
    case "limit": {
      const { limit, most, who, count } = event;
      return `refused ${who}: limit ${limit} is ${most} ${limitTable[limit].meaning} (${count} so far); --limits ${limit}=N changes it`;
    }
    case "denied":
      return `refused ${event.who}: ${event.reason} (${event.count} so far)`;
    case "rejected":
      return `${event.name} is not listened to any more: ${event.reason}`;
    default:
      return event.kind;
  }
}

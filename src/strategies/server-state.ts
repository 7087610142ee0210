/**
 * What a server of the parameter-server strategies knows, and the messages of that machine (parameter-server.ts
 * has the algorithm and its invariants).
 */
import type { Model } from "../math/replica.ts";
import type { Delta, Merge, Update } from "../math/update.ts";
import {
  count,
  type FieldShape,
  flag,
  type MessageShapes,
  modelRows,
  ordinal,
  orNothing,
  updateRows,
} from "../wire/shape.ts";
import { type ClockArrays, type ClockPolicy, type Clocks, createClocks } from "./clocks.ts";
import { createHolders, type Holders, partOf, type ServerRanks } from "./holders.ts";
import { type Outbox, type Seat, type ViewMember, viewOf } from "./strategy.ts";

/** A worker's slice of update `clock`. */
export interface Push {
  readonly kind: "push";
  readonly clock: number;
  readonly rows: number;
  readonly delta: Delta;
}

/** The worker sends nothing more: count it out; and if it asks, say when that is safe. */
export interface Bye {
  readonly kind: "bye";
  readonly clock: number;
  readonly asks: boolean;
}

/** A newcomer asks for the model. */
export interface Enter {
  readonly kind: "enter";
}

/** A server's range of the model: the worker may start the iteration after `clock`. */
export interface Answer {
  readonly kind: "model";
  readonly view: number;
  readonly clock: number;
  readonly rows: number;
  readonly values: Float32Array;
  /** To a newcomer, until it has pushed: what counts of earlier lives of its rank, as (incarnation, count) in a row. */
  readonly earlier: Int32Array | null;
}

/** The goodbye is known to all that need to know it. */
export interface Gone {
  readonly kind: "gone";
}

/**
 * What a server has of workers that are gone, as (rank, incarnation, count, told) in a row; and of the others its slowest
 * count, and which lives it counts, as (rank, incarnation).
 */
export interface Flush {
  readonly kind: "flush";
  readonly view: number;
  readonly slowest: number;
  readonly lives: Int32Array;
  readonly departed: Int32Array;
}

/** In this view the sender, and its standby, have settled the workers that are gone. */
export interface Flushed {
  readonly kind: "flushed";
  readonly view: number;
}

/**
 * To the standby: `number` of what the holder did. At time `at` worker `from` pushed or said goodbye; or, after a
 * duplicate, that worker's latest update, or its part of the round merged last, which may have to be taken back, or of the
 * open round, though the worker is gone.
 */
export interface Forward {
  readonly kind: "forward";
  readonly number: number;
  readonly from: number;
  readonly at: number;
  readonly what: "push" | "bye" | "latest" | "merged" | "open";
  readonly clock: number;
  readonly rows: number;
  readonly delta: Delta;
}

/** To the standby: everything, after `number`; and the lives that are counted, as (rank, incarnation). */
export interface Duplicate extends ClockArrays {
  readonly kind: "duplicate";
  readonly number: number;
  readonly rows: number;
  readonly values: Float32Array;
  readonly lives: Int32Array;
  readonly entered: Int32Array;
  /** Counts of workers that are gone, as (rank, incarnation, count, told) in a row. */
  readonly departed: Int32Array;
  /** In rounds, with several servers: the model before the round merged last. */
  readonly beforeRows: number;
  readonly before: Float32Array | null;
}

/** The standby has everything up to `number`. */
export interface Stored {
  readonly kind: "stored";
  readonly number: number;
}

/** Everybody has said goodbye. */
export interface Over {
  readonly kind: "over";
}

/** All messages of the parameter-server strategies. */
export type ServerMessage =
  | Push
  | Bye
  | Enter
  | Answer
  | Gone
  | Flush
  | Flushed
  | Forward
  | Duplicate
  | Stored
  | Over;

/** Slices of an update, and of the model, at a server. */
const slice: FieldShape = { type: "delta", length: "own" };
const part: FieldShape = { type: "values", length: "own" };
const countEach: FieldShape = { type: "counts", length: "members" };
const flagEach: FieldShape = { type: "bytes", length: "members" };
const timeEach: FieldShape = { type: "times", length: "members" };

export const serverShapes: MessageShapes = {
  push: {
    from: "worker",
    to: "server",
    fields: { clock: ordinal, rows: updateRows, delta: slice },
  },
  bye: { from: "worker", to: "server", fields: { clock: count, asks: flag } },
  enter: { from: "worker", to: "server", fields: {} },
  model: {
    ...{ from: "server", to: "worker" },
    fields: {
      ...{ view: count, clock: count, rows: modelRows },
      values: { type: "values", length: "theirs" },
      earlier: orNothing({ type: "records", each: 2 }),
    },
  },
  gone: { from: "server", to: "worker", fields: {} },
  flush: {
    ...{ from: "server", to: "server" },
    fields: {
      ...{ view: count, slowest: count },
      lives: { type: "records", each: 2, ranks: "members" },
      departed: { type: "records", each: 4, ranks: "members" },
    },
  },
  flushed: { from: "server", to: "server", fields: { view: count } },
  forward: {
    ...{ from: "server", to: "server" },
    fields: {
      ...{ number: ordinal, from: { type: "count", below: "members" }, at: { type: "measure" } },
      what: { type: "word", of: ["push", "bye", "latest", "merged", "open"] },
      ...{ clock: count, rows: updateRows, delta: slice },
    },
  },
  duplicate: {
    ...{ from: "server", to: "server" },
    fields: {
      ...{ number: ordinal, rows: modelRows, values: part, beforeRows: modelRows },
      ...{ before: orNothing(part), entered: countEach },
      lives: { type: "records", each: 2, ranks: "members" },
      departed: { type: "records", each: 4, ranks: "members" },
      ...{ counts: countEach, present: flagEach, credits: countEach, waits: flagEach },
      ...{ lastPush: timeEach, pushBefore: timeEach },
    },
  },
  stored: { from: "server", to: "server", fields: { number: count } },
  over: { from: "server", to: "server", fields: {} },
};

export type ServerOut = Outbox<ServerMessage>;

/** A message that came, and when. */
export interface Received {
  readonly from: number;
  readonly body: ServerMessage;
  readonly now: number;
}

/** One that waits, and the name of the life that sent it. */
interface Held extends Received {
  readonly life: string;
}

/** What is to be heard of other servers before a view is acted upon. */
export interface OpenFlush {
  /** Ranges whose holder has not been heard. */
  readonly waiting: Set<number>;
  /** By life the smallest and largest count that any other holder has. */
  readonly least: Map<string, number>;
  readonly most: Map<string, number>;
  /** Lives that every server heard so far counts, we too. */
  everywhere: ReadonlySet<string>;
  slowest: number;
}

/** A round that was merged: the model before it, and its updates by rank. */
interface MergedRound {
  readonly before: Model;
  readonly updates: (Update | null)[];
}

/**
 * What is known of a worker's life that is over: how many of its updates are here, once it is settled without those that
 * were taken back, and of how many all servers together have said what became of them.
 */
export type Departed = readonly [rank: number, incarnation: number, count: number, told: number];

/** The life that stands by, and what had been forwarded when it came: until more is stored it has no model. */
export interface Partner extends ViewMember {
  readonly since: number;
}

/** A server's state. */
export interface ServerState {
  readonly role: "server";
  readonly rank: number;
  readonly ranks: ServerRanks;
  readonly part: number;
  readonly rounds: boolean;
  readonly merge: Merge;
  clocks: Clocks;
  /** Incarnations of the workers that are counted, by rank; and the counts they were counted in with. */
  readonly lives: Map<number, number>;
  readonly entered: Int32Array;
  /** Updates of the open round, by rank. */
  readonly inbox: (Update | null)[];
  /** The last round, where other servers may not have merged it; and the last update of each worker otherwise. */
  merged: MergedRound | null;
  readonly latest: (Update | null)[];
  /** The model as it was last answered with: the one before the open round. */
  answered: Model | null;
  /** Updates applied so far, and how many that were when each worker was last answered. */
  version: number;
  readonly answeredAt: Float64Array;
  /** When each worker that waits began to. */
  readonly waitsSince: Float64Array;
  /** `apart`: without the model, until it gets it. */
  standing: "holder" | "standby" | "apart";
  view: number;
  readonly holders: Holders;
  flush: OpenFlush | null;
  /** By range the last view in which its holder had settled the departed. */
  readonly flushed: Map<number, number>;
  /** What came while a flush was open, or before we held the range. */
  held: Held[];
  /** Counts of workers that are gone, by life, whoever asks for them later. */
  readonly departed: Map<string, Departed>;
  /** The life that stands by; null without one. */
  partner: Partner | null;
  /** What was forwarded, what of it is stored; a standby: what was taken, and what came before its turn. */
  forwarded: number;
  stored: number;
  readonly early: Map<number, Forward>;
  /** Messages that wait until the standby has what they tell of. */
  deferred: { readonly number: number; readonly to: number; readonly body: ServerMessage }[];
  leaving: boolean;
}

interface ServerSetting {
  readonly rounds: boolean;
  readonly policy: ClockPolicy;
  readonly merge: Merge;
  readonly servers: number;
}

/** A server before the first push. */
export function createServer(seat: Seat, setting: ServerSetting): ServerState {
  const { workers, members, rank } = seat;
  const { rounds, merge, policy, servers } = setting;
  const ranks = { workers, servers };
  const view = viewOf(seat);
  const counted = view.members.filter(({ role }) => role === "worker");
  const part = partOf(ranks, rank);
  const holders = createHolders(ranks, view);
  const holder = holders.lives[part];
  const holds = typeof holder === "object" && holder.rank === rank;
  const other = view.members.find((life) => life.rank !== rank && isServerOf(ranks, life, part));
  return {
    role: "server",
    rank,
    ranks,
    part,
    rounds,
    merge,
    clocks: createClocks(
      members,
      policy,
      counted.map((life) => life.rank),
      seat.round,
    ),
    lives: new Map(counted.map((life) => [life.rank, life.incarnation])),
    entered: new Int32Array(members),
    inbox: rounds ? new Array<Update | null>(members).fill(null) : [],
    merged: null,
    latest: new Array<Update | null>(members).fill(null),
    answered: null,
    version: 0,
    answeredAt: new Float64Array(members),
    waitsSince: new Float64Array(members).fill(Number.NaN),
    standing: holds ? "holder" : holder === "unknown" ? "apart" : "standby",
    view: view.id,
    holders,
    flush: null,
    flushed: new Map(),
    held: [],
    departed: new Map(),
    partner: holds && other ? { ...other, since: -1 } : null,
    forwarded: 0,
    stored: 0,
    early: new Map(),
    deferred: [],
    leaving: false,
  };
}

function isServerOf(ranks: ServerRanks, life: ViewMember, part: number) {
  return life.role === "server" && partOf(ranks, life.rank) === part;
}

/** The pairs of `earlier` and of `lives`. */
export function* pairsOf(words: Int32Array): Generator<[number, number]> {
  for (let k = 0; k + 2 <= words.length; k += 2) yield [words[k]!, words[k + 1]!];
}

/** The records of departed lives. */
export function* departedOf(words: Int32Array): Generator<Departed> {
  for (let k = 0; k + 4 <= words.length; k += 4) {
    yield [words[k]!, words[k + 1]!, words[k + 2]!, words[k + 3]!];
  }
}

/** Sends once the standby has what was forwarded so far; at once where there is none. */
export function sendWhenStored(
  state: ServerState,
  to: number,
  body: ServerMessage,
  out: ServerOut,
): void {
  const { partner, stored, forwarded, deferred } = state;
  if (partner === null || stored >= forwarded) out.push({ kind: "send", to, body });
  else deferred.push({ number: forwarded, to, body });
}

/** The standby has everything up to a number, or there is none any more: sends what waited for it. */
export function releaseDeferred(state: ServerState, stored: number, out: ServerOut): void {
  state.stored = Math.max(state.stored, stored);
  const waits = state.deferred.filter(({ number }) => number > stored);
  for (const { number, to, body } of state.deferred) {
    if (number <= stored) out.push({ kind: "send", to, body });
  }
  state.deferred = waits;
}

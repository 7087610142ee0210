/**
 * What a member of peer-to-peer knows of the others, and the messages they exchange (peer-to-peer.ts has
 * the algorithm and its invariants).
 */

import type { Delta } from "../math/update.ts";
import { lifeName } from "../topology/view.ts";
import type { Carry } from "../wire/carry.ts";
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
import type { Intake } from "./intake.ts";
import { createIntake } from "./intake.ts";
import type { EarlierLife, Outbox, StrategyOptions, View, ViewMember } from "./strategy.ts";

/** Update `clock` of its sender. */
export interface PeerUpdate {
  readonly kind: "update";
  readonly clock: number;
  readonly rows: number;
  /** Packed where the options thin it out. */
  readonly delta: Delta | Uint8Array;
  /** Updates the sender had applied when it began to learn this one. */
  readonly version: number;
  /** Now and then: what the sender has of each member, as (rank, incarnation, clock) in a row. */
  readonly seen: Uint32Array | null;
}

/** Update `clock` of a member that is gone, passed on by one that has it. */
export interface PassedOn {
  readonly kind: "passed-on";
  readonly view: number;
  readonly rank: number;
  readonly incarnation: number;
  readonly clock: number;
  readonly rows: number;
  readonly delta: Delta;
  /** Counts what the sender passed on to the receiver in all views of both, from 1. */
  readonly number: number;
}

/** The sender has passed on everything it has of members that are gone: `count` updates in all views so far. */
export interface Settled {
  readonly kind: "settled";
  readonly view: number;
  readonly count: number;
}

/** In this view the sender has every update of members that are gone that any member of the view had. */
export interface Flushed {
  readonly kind: "flushed";
  readonly view: number;
}

/** A newcomer asks for all further updates. */
export interface Subscribe {
  readonly kind: "subscribe";
}

/** The newcomer gets the sender's updates from clock `first` on; `ready` senders have a model to copy. */
export interface Welcome {
  readonly kind: "welcome";
  readonly first: number;
  readonly ready: boolean;
}

/** A newcomer asks for a snapshot that holds at least these updates. */
export interface Ask {
  readonly kind: "ask";
  readonly need: Uint32Array;
}

/** A model, and what it holds: all clocks up to those of `seen`, and those in `ahead`. */
export interface Copy {
  readonly kind: "copy";
  readonly rows: number;
  readonly values: Float32Array;
  readonly seen: Uint32Array;
  readonly ahead: Uint32Array;
}

/**
 * The sender made `clock` updates and will make no more; of the departed it has passed on `given` to the receiver.
 * Said again when it leaves, if it has passed on more since.
 */
export interface PeerBye {
  readonly kind: "bye";
  readonly clock: number;
  readonly given: number;
}

/** In this view the sender has applied every update of every member, and will make no more. */
export interface Quiet {
  readonly kind: "quiet";
  readonly view: number;
}

export type PeerMessage =
  | PeerUpdate
  | PassedOn
  | Settled
  | Flushed
  | Subscribe
  | Welcome
  | Ask
  | Copy
  | PeerBye
  | Quiet;

/** (rank, incarnation, clock) in a row. */
const triples: FieldShape = { type: "records", each: 3, ranks: "members", clocks: true };
const delta: FieldShape = { type: "delta", length: "whole" };

export const peerShapes: MessageShapes = {
  update: {
    fields: {
      ...{ clock: ordinal, rows: updateRows, version: count, seen: orNothing(triples) },
      delta: { type: "either", of: [{ type: "packed", length: "whole" }, delta] },
    },
  },
  "passed-on": {
    fields: {
      ...{ view: count, rank: { type: "count", below: "members" }, incarnation: ordinal },
      ...{ clock: ordinal, rows: updateRows, delta, number: ordinal },
    },
  },
  settled: { fields: { view: count, count } },
  flushed: { fields: { view: count } },
  subscribe: { fields: {} },
  welcome: { fields: { first: ordinal, ready: flag } },
  ask: { fields: { need: triples } },
  copy: {
    fields: {
      ...{ rows: modelRows, values: { type: "values", length: "whole" } },
      ...{ seen: triples, ahead: triples },
    },
  },
  bye: { fields: { clock: count, given: count } },
  quiet: { fields: { view: count } },
};

export type PeerOut = Outbox<PeerMessage>;

/** One life of another member. */
export interface Peer {
  readonly rank: number;
  readonly incarnation: number;
  /** `left`: its part is over, what it sent still arrives. `gone`: nothing of it is taken any more. */
  standing: "present" | "left" | "gone";
  readonly intake: Intake;
  /** Updates of it that some member may not have. */
  readonly log: Map<number, { readonly rows: number; readonly delta: Delta }>;
  /** How many updates it made in all; Infinity until it says so. */
  last: number;
  /** The last of its updates that any present member says to have. */
  told: number;
  /** What it has of others, by life, as it last said. */
  readonly has: Map<string, number>;
  /** Whether it gets our updates: a newcomer does once it has subscribed. */
  subscribed: boolean;
  /** How many updates of the departed we passed on to it, and which of those that it passed on came. */
  given: number;
  readonly received: Intake;
  /** How many it said it passed on to us, once it left. */
  owed: number;
}

/** What remains to be heard in this view of members that are gone. */
export interface Flush {
  readonly view: number;
  /** Members whose word that they have passed on everything is missing. */
  readonly waiting: Set<number>;
  /** By member: how many it says it passed on. */
  readonly count: Map<number, number>;
  /** Who lacks nothing of them any more, we among them or not. */
  readonly flushed: Set<number>;
}

/** An update that waits for a snapshot. */
export interface Early {
  readonly life: string;
  readonly body: PeerUpdate | PassedOn;
}

/** A newcomer's way in. */
export interface Joining {
  /** First clock each member sends us itself, by rank; Infinity until it says so. */
  readonly first: Map<number, number>;
  readonly ready: Set<number>;
  /** Whom we asked for a snapshot. */
  asked: number | null;
  /** What came before the snapshot, by the life that sent it: its rank may have another by then. */
  readonly early: Early[];
}

export interface PeerState {
  readonly options: StrategyOptions;
  readonly rank: number;
  readonly incarnation: number;
  readonly earlier: EarlierLife[];
  /** What was learned and not sent yet, where the options thin updates out. */
  readonly carry: Carry | null;
  /** Own updates so far. */
  clock: number;
  /** Updates applied so far, a snapshot's included, and how many that were when the open learn began. */
  version: number;
  learnVersion: number;
  /** Mean staleness of the updates of others that came lately. */
  staleness: number;
  /** Every life of every other member that we have heard of, and the present or last one of each rank. */
  readonly lives: Map<string, Peer>;
  readonly peers: Map<number, Peer>;
  flush: Flush;
  joining: Joining | null;
  /** Snapshots that newcomers wait for. */
  readonly asked: Map<number, Ask>;
  exhausted: boolean;
  leaving: boolean;
  /** It learns nothing until what it lacks of another has come (peer-lack.ts). */
  waiting: boolean;
  /** The view in which we said that we are quiet; and by rank, in which others last said so. */
  quietIn: number;
  readonly quiet: Map<number, number>;
}

/** A member we have heard nothing of yet. */
export function createPeer({ rank, incarnation }: ViewMember, subscribed: boolean): Peer {
  return {
    rank,
    incarnation,
    standing: "present",
    intake: createIntake(),
    log: new Map(),
    last: Number.POSITIVE_INFINITY,
    told: 0,
    has: new Map(),
    subscribed,
    given: 0,
    received: createIntake(),
    owed: 0,
  };
}

/** Whether all came that a member which is not gone ever sends: its updates, and what it passed on before it left. */
export function isHeard({ standing, intake, last, received, owed }: Peer): boolean {
  return intake.below >= last && (standing !== "left" || received.below >= owed);
}

/** The members of the view that are there, in rank order; without ourselves. */
export function presentPeers({ peers }: PeerState): Peer[] {
  return [...peers.values()]
    .filter(({ standing }) => standing === "present")
    .sort((a, b) => a.rank - b.rank);
}

/** How many learn in this view. */
export function presentCount(state: PeerState): number {
  return 1 + presentPeers(state).length;
}

/** What must be heard at the start of a view. */
export function createFlush(view: View, rank: number): Flush {
  const others = view.members.filter((member) => member.rank !== rank);
  const waiting = new Set(view.id === 1 ? [] : others.map((member) => member.rank));
  return { view: view.id, waiting, count: new Map(), flushed: new Set() };
}

/** What we have of every member, as (rank, incarnation, clock) in a row; the own updates included. */
export function seenOf(state: PeerState): Uint32Array {
  const triples = [state.rank, state.incarnation, state.clock];
  for (const { rank, incarnation, intake } of state.lives.values()) {
    triples.push(rank, incarnation, intake.below);
  }
  return Uint32Array.from(triples);
}

/** Clocks taken beyond the first gap, as (rank, incarnation, clock) in a row. */
export function aheadOf(state: PeerState): Uint32Array {
  const triples: number[] = [];
  for (const { rank, incarnation, intake } of state.lives.values()) {
    for (const clock of intake.ahead) triples.push(rank, incarnation, clock);
  }
  return Uint32Array.from(triples);
}

/** The triples of `seen`, `ahead` or `need`. */
export function* triplesOf(words: Uint32Array): Generator<[string, number, ViewMember]> {
  for (let k = 0; k + 3 <= words.length; k += 3) {
    const [rank, incarnation, clock] = [words[k]!, words[k + 1]!, words[k + 2]!];
    yield [lifeName(rank, incarnation), clock, { rank, incarnation, role: "worker" }];
  }
}

/** What a member is told by its seat, and the messages between coordinator and members. */

import type { KernelTaskSpec } from "../../learner/kernel-task.ts";
import type { QuadraticOptions } from "../../learner/quadratic.ts";
import type { ShuffleShape } from "../../learner/rows.ts";
import type { SeatPlan, StrategyOptions, View } from "../../strategies/strategy.ts";
import { encodeFrame, readFrame } from "../../wire/frame.ts";
import type { StrategySource } from "../strategy-source.ts";
import type { TaskSpec } from "../task-spec.ts";
import type { TokenDigests } from "./gate.ts";
import type { ModelFacts } from "./keep-model.ts";
import type { PeerAddress } from "./links.ts";
import type { SharedRows } from "./shared-rows.ts";

/** Rows that are fetched from the coordinator, segment by segment. */
export interface RemoteRowsSpec
  extends Omit<KernelTaskSpec, "memory" | "train" | "judged" | "shares" | "shape"> {
  readonly rows: number;
  readonly segments: number;
  readonly shape: ShuffleShape;
  /** Where updates anticipate: the share of all rows that have each feature, as base64 of f32; else empty. */
  readonly featureShares: string;
  /** Where members may find the rows by themselves; null: with the coordinator only. */
  readonly shared: SharedRows | null;
}

/** A task as a member elsewhere gets it. */
export type RemoteTask =
  | { readonly kind: "rows"; readonly spec: RemoteRowsSpec }
  | { readonly kind: "quadratic"; readonly spec: Partial<QuadraticOptions> }
  | (TaskSpec & { readonly kind: "ledger" });

/** Everything a member begins with; plain data, sent as JSON. */
export interface ClusterJob {
  readonly workers: number;
  readonly seats: readonly SeatPlan[];
  readonly strategy: StrategySource;
  readonly options: StrategyOptions;
  readonly task: RemoteTask;
  readonly seed: number;
  readonly epochs: number;
  /** Snapshots are taken in lockstep after every so many epochs; 0 for never. */
  readonly snapshotEpochs: number;
  /** In lockstep, rounds done before, where the run goes on from a checkpoint. */
  readonly round: number;
  /** For members that save the model without a coordinator; null where nobody saves it. */
  readonly model: ModelFacts | null;
  /** What the member asks of its callers: digests of the run's tokens. */
  readonly access?: TokenDigests;
  /** Without a coordinator members learn on for so long. */
  readonly orphanSeconds: number;
  /** The run it comes into; null: it begins with everybody else. */
  readonly begun: Begun | null;
}

/** A run that has begun: who takes part, where they are, and into how many updates an epoch is cut. */
export interface Begun {
  readonly view: View;
  readonly addresses: readonly PeerAddress[];
  readonly updates: number;
  /** Since it began. */
  readonly seconds: number;
  /** Share of the run's rows that are learned already: no newcomer's affair. */
  readonly learned: number;
  /** Seconds of the run at which its time is up; null for none. Holds without a coordinator, too. */
  readonly endsAt: number | null;
  /** By rank, the highest number of a process that had the seat: see lives.ts. */
  readonly lives: readonly number[];
}

/** What the coordinator tells a member. */
export type Order =
  | ({ readonly kind: "begin" } & Begun)
  /** Where a newcomer is. */
  | { readonly kind: "address"; readonly address: PeerAddress }
  /** That process was seen to end. */
  | { readonly kind: "ended"; readonly rank: number; readonly incarnation: number }
  /** Lockstep: updates up to that number may be learned; `last`: and none beyond it, ever. */
  | { readonly kind: "grant"; readonly updates: number; readonly last: boolean }
  /** Free pace: that many rows more may be learned; `last`: and none beyond them. */
  | { readonly kind: "lease"; readonly rows: number; readonly last: boolean }
  /** Learn nothing further, and say how far you are. */
  | { readonly kind: "hold" }
  /** The run is over; `missed`: and ended without this member, which counted as silent. */
  | { readonly kind: "close"; readonly missed: boolean }
  /** The run has failed. */
  | { readonly kind: "abort"; readonly message: string };

/** What a member waits for. */
export interface MemberWait {
  readonly whom: string;
  readonly since: number;
  readonly until: number;
}

/** How far a member is. */
export interface MemberCounts {
  readonly updates: number;
  readonly rows: number;
  readonly bytes: number;
  readonly messages: number;
  /** Updates of earlier lives of its process that count nowhere. */
  readonly lost: number;
  readonly longestUpdate: number;
  readonly wait: MemberWait | null;
}

/** What a member tells the coordinator. */
export type Tale =
  | { readonly kind: "ready"; readonly updates: number | null }
  /** To a coordinator that was started again: everything it must know. */
  | {
      readonly kind: "here";
      readonly updates: number | null;
      readonly state: "ready" | "running" | "finished";
      readonly leaving: boolean;
      readonly view: View | null;
      /** Free pace: rows it may still learn. */
      readonly lease: number;
      readonly counts: MemberCounts;
    }
  | ({ readonly kind: "progress" } & MemberCounts)
  /** The view it is in now. */
  | { readonly kind: "view"; readonly view: View }
  /** Free pace: asks for rows; `left`: of those it was allowed; below zero where an update took some more. */
  | { readonly kind: "lease"; readonly rows: number; readonly left: number }
  | { readonly kind: "held"; readonly taken: number }
  | { readonly kind: "leaving" }
  /** That life of a member sent what no member sends. */
  | {
      readonly kind: "reject";
      readonly rank: number;
      readonly incarnation: number;
      readonly reason: string;
    }
  | { readonly kind: "finished" }
  | { readonly kind: "failed"; readonly message: string };

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Orders and tales travel as frames like everything else; they are few, so JSON is good enough. */
export function encodeNote(note: Order | Tale): Uint8Array {
  return encodeFrame({ kind: note.kind, json: encoder.encode(JSON.stringify(note)) });
}

/** @throws RangeError for bytes that are no note. */
export function decodeNote<Note extends Order | Tale>(bytes: Uint8Array): Note {
  const read = readFrame(bytes);
  if ("fault" in read) throw new RangeError(`Cannot read a note of the run: ${read.fault}`);
  const { json } = read.body;
  if (!(json instanceof Uint8Array)) throw new RangeError("Cannot read a note of the run: no JSON");
  return JSON.parse(decoder.decode(json)) as Note;
}

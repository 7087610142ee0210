/**
 * The strategy interface: how workers agree, as a pure state machine. An engine moves its messages and
 * does its work; the same strategy runs on threads, over a network, and in a simulator.
 *
 * A strategy is a record of two functions over plain data. `step` may change its own state and the
 * replica, nothing else: no clock, timer, socket, thread, file, random source or kernel. Times arrive
 * in events, randomness is a seed in the state. Same events, same effects.
 *
 * What an engine promises:
 * - Effects are carried out in the order they were pushed, after `step` has returned.
 * - `send` never blocks. A body belongs to the engine once sent and nobody changes it afterwards, so one
 *   body may be sent to many. Between members that stay alive each message arrives exactly once.
 *   Messages may overtake each other: a strategy recognises order by clocks it sends itself.
 * - `learn` works on the replica as it is when `step` returns; messages may arrive before its answer.
 *   A member has at most one `learn` open. Back-pressure: an engine may hold the answer back until the
 *   member's messages have left.
 * - A `learn` is answered by `learned`, or by `exhausted` when the run wants no more rows. For strategies
 *   with `pace: "lockstep"` the k-th `learn` of all workers is answered alike, all `learned` or all
 *   `exhausted`, so a round that began can end. For `pace: "free"` each worker is told on its own.
 * - Nothing is delivered after `finish`.
 */
import type { Concurrency } from "../math/anticipation.ts";
import type { Replica } from "../math/replica.ts";
import type { KeyRange, Merge, Update } from "../math/update.ts";
import type { TopologyName } from "../topology/topology.ts";
import { firstView, type Role, type View } from "../topology/view.ts";
import type { ValueFormat } from "../wire/packed.ts";
import type { MessageShapes } from "../wire/shape.ts";

// What a strategy of a user's own needs beside the interface comes from "glissade/strategy" too.
export type { Concurrency } from "../math/anticipation.ts";
export type { Model, Replica } from "../math/replica.ts";
export type { Delta, KeyRange, Merge, SparseDelta, Update } from "../math/update.ts";
export type { Role, View, ViewMember } from "../topology/view.ts";
export type { FieldShape, MessageShape, MessageShapes } from "../wire/shape.ts";

/** A member's place in a view. Workers have ranks 0..workers-1, servers the ranks after them. */
export interface Seat {
  readonly rank: number;
  /** Which life of the member this is, counted from 1. */
  readonly incarnation: number;
  readonly role: Role;
  readonly workers: number;
  readonly members: number;
  /** Length of v. */
  readonly width: number;
  /** The part of v this member's replica holds. */
  readonly range: KeyRange;
  readonly seed: number;
  /** Where it is not everybody's first view: the one the member joined by. */
  readonly view?: View;
  /** In lockstep, rounds that all had done before this run: it goes on after them, with the models they left. */
  readonly round?: number;
  /** Lives of this process that were expelled, and are not accounted for yet: the strategy takes them out. */
  readonly earlier?: EarlierLife[];
}

/** A life that was expelled, and the clock of the last update that it made. */
export interface EarlierLife {
  readonly incarnation: number;
  readonly clock: number;
}

/** The settings a strategy may read; `strategyOptions` fills in what is not given. */
export interface StrategyOptions {
  readonly rowsPerUpdate: number;
  /** How concurrent updates merge; `auto` is resolved before a strategy sees it. */
  readonly merge: Merge;
  readonly learn: "local" | "gradient";
  /** ssp: the threshold s. dssp: sL. ad-psgd: own updates after which a member waits for an exchange. */
  readonly staleness: number;
  /** dssp: sU. */
  readonly stalenessMax: number;
  /** dssp: the published rule, without the cap. */
  readonly uncapped: boolean;
  readonly servers: number;
  /** Parameter servers: each has a standby that holds a replica of its range. */
  readonly standby: boolean;
  readonly topology: TopologyName;
  readonly order: "average-then-adapt" | "adapt-then-average";
  /** peer-to-peer, ad-psgd: how values travel, and what of an update does (wire/carry.ts); 0: everything. */
  readonly values: ValueFormat;
  readonly topK: number;
  readonly tolerance: number;
}

/** A body that any engine can frame: `kind` and flat fields (see wire/frame.ts). */
export interface MessageBody {
  readonly kind: string;
}

/** What happens to a member. `now` is the member's own clock, in seconds. */
export type NodeEvent<Message> =
  | { readonly kind: "start"; readonly now: number }
  | { readonly kind: "learned"; readonly now: number; readonly update: Update }
  | { readonly kind: "exhausted"; readonly now: number }
  /** Answers `predict`: the own columns' part of w.x of the next rows, the same rows at every worker. */
  | {
      readonly kind: "predicted";
      readonly now: number;
      readonly rows: number;
      readonly margins: Float32Array;
    }
  | {
      readonly kind: "message";
      readonly now: number;
      readonly from: number;
      readonly body: Message;
    }
  | { readonly kind: "wake"; readonly now: number }
  /** From here on that view holds; the same views in the same order at every member that stays. */
  | { readonly kind: "view"; readonly now: number; readonly view: View }
  /** The member is asked to leave: it learns no more, hands over what it owes, and finishes. */
  | { readonly kind: "leave"; readonly now: number };

/** What a member asks of its engine. */
export type Effect<Message> =
  /**
   * Learn from about `rows` of the member's own rows (the engine owns the cursor). Inside a local run T
   * advances by `stride` per row: the number of workers under sum merging, else 1. With `anticipate` own steps
   * count for the others' too, which will be summed, and so does the stride (math/anticipation.ts); the update holds
   * them once. In
   * lockstep `round` says for which round, so that a newcomer learns what is due in the round it comes in.
   */
  | {
      readonly kind: "learn";
      readonly rows: number;
      readonly stride: number;
      readonly mode: "local" | "gradient";
      readonly anticipate?: Concurrency | undefined;
      readonly round?: number | undefined;
    }
  /**
   * For strategies that hold columns: answered by `predicted` about the next `rows` rows of all, or by
   * `exhausted`; and after it apply the slopes at these margins of the same rows to the own columns, which is
   * answered by `learned`. The two take turns.
   */
  | { readonly kind: "predict"; readonly rows: number; readonly round?: number }
  | { readonly kind: "adjust"; readonly margins: Float32Array }
  /** Deliver `body` to the member of rank `to`, some time later. */
  | { readonly kind: "send"; readonly to: number; readonly body: Message }
  /** Deliver `wake` in `after` seconds. */
  | { readonly kind: "wake"; readonly after: number }
  /** Tell whoever watches; has no influence on the run. */
  | { readonly kind: "report"; readonly report: Report }
  /**
   * A message was not acted upon; counted and reported, never an error. `blame`: nobody who keeps to the strategy
   * sends it, however it was delayed; an engine whose members are not all its own stops listening to who did.
   */
  | {
      readonly kind: "drop";
      readonly from: number;
      readonly reason: string;
      readonly blame?: true;
    }
  /** This member's part is over. */
  | { readonly kind: "finish" };

/** What a strategy tells about itself. */
export type Report =
  /** Update `clock` of `from` was applied; `staleness` updates came between its snapshot and now. */
  | {
      readonly kind: "applied";
      readonly from: number;
      readonly clock: number;
      readonly staleness: number;
    }
  /** `updates` that `from` learned count nowhere: it died or was expelled before all had them. */
  | { readonly kind: "lost"; readonly from: number; readonly updates: number }
  /** Update `clock` of `from`, which was applied, was taken back: others never got it. */
  | { readonly kind: "undone"; readonly from: number; readonly clock: number }
  /** Worker `rank` was made to wait for member `waitedFor` for `seconds`. */
  | {
      readonly kind: "waited";
      readonly rank: number;
      readonly waitedFor: number;
      readonly seconds: number;
    }
  /** dssp: the controller granted `credit` iterations beyond sL to worker `rank`. */
  | { readonly kind: "credit"; readonly rank: number; readonly credit: number }
  /**
   * ad-psgd: at a change of view `rank` settled an exchange with `member`, which is gone. `drift` is the
   * length of what the exchange had added to the sum of the replicas and nobody takes out again.
   */
  | {
      readonly kind: "settled";
      readonly rank: number;
      readonly member: number;
      readonly drift: number;
    };

/** Where effects are pushed. */
export interface Outbox<Message> {
  push(effect: Effect<Message>): void;
}

/** A member that a strategy wants seated. */
export interface SeatPlan {
  readonly role: Role;
  readonly range: KeyRange;
}

/** What a strategy is asked to run on. */
export interface SeatingQuestion {
  readonly workers: number;
  readonly width: number;
  /** For strategies that own columns: the work that each column is, where it is known. */
  readonly columnLoads?: Uint32Array;
}

/** How a member stands among the others. */
export interface Standing {
  /** The view it is in, whose owners of rows hold; null while it joins. */
  readonly view: View | null;
  readonly incarnation: number;
  /** It hears of no quorum of its view: others may decide without it, so it must not go on. */
  readonly alone: boolean;
}

/** One way for workers to agree. */
export interface Strategy<State = unknown, Message extends MessageBody = MessageBody> {
  readonly name: string;
  readonly sharing: "messages" | "shared-memory";
  /**
   * `lockstep`: rounds; the same seed gives the same bits on every engine under every delay.
   * `free`: members go on at their own speed; updates commute, so only rounding depends on the order.
   */
  readonly pace: "lockstep" | "free";
  /** What a worker owns: rows (the default), or a column range of all rows. */
  readonly owns?: "rows" | "columns";
  /**
   * What becomes of an update, by which an engine checks that none is lost or applied twice.
   * `sum`: every replica holds the sum of all updates. `mean`: the mean of the replicas holds the sum
   * divided by the number of workers.
   */
  conserves(options: StrategyOptions): "sum" | "mean";
  /** Which rules of merging it follows, the best first; without it `sum`, and in rounds `mean`. */
  readonly merges?: readonly Merge[];
  /** How many updates of each worker may be under way at once, where that is more than the one of a round. */
  readonly overlap?: number;
  /** Who takes part; without it, every worker with a whole replica. */
  seats?(question: SeatingQuestion, options: StrategyOptions): readonly SeatPlan[];
  /** The topology where none is asked for, and why; without it a ring. */
  usualTopology?(workers: number): { readonly topology: TopologyName; readonly reason: string };
  /** Why this strategy can't run so, in words; null when it can. */
  refuses?(question: SeatingQuestion, options: StrategyOptions): string | null;
  /**
   * What its messages look like (wire/shape.ts). Over a network each is checked before `step` sees it, and who sent
   * another is not listened to any more; without shapes, `step` itself must bear whatever comes.
   */
  readonly shapes?: MessageShapes;
  /** The member's first state: plain, structured-cloneable data. */
  init(seat: Seat, options: StrategyOptions): State;
  /** Ranks of a view without which nobody can go on, as nobody else holds what they hold: they are waited for. */
  vital?(view: View, seat: Pick<Seat, "workers">, options: StrategyOptions): readonly number[];
  /** The clock of the last update that this life of the member made; what is left of it is told as lost. */
  clockOf?(state: State): number;
  /** With membership beneath: how a member stands, which its engine goes by. */
  standing?(state: State): Standing;
  step(state: State, replica: Replica, event: NodeEvent<Message>, out: Outbox<Message>): void;
  /** After it has left, until it is counted out, and then once more: a view with newcomers, to whom it may only send. */
  parted?(
    state: State,
    given: { readonly replica: Replica; readonly view: View },
    out: Outbox<Message>,
  ): void;
}

/** A strategy whose types nobody needs to know: what tables and engines hold. */
// biome-ignore lint/suspicious/noExplicitAny: state and messages are the strategy's own affair
export type AnyStrategy = Strategy<any, any>;

/** The view a member is seated in. */
export function viewOf(seat: Seat): View {
  return seat.view ?? firstView(seat);
}

/** Fills in the settings that are not given. */
export function strategyOptions(given: Partial<StrategyOptions> = {}): StrategyOptions {
  return {
    rowsPerUpdate: 1,
    merge: "sum",
    learn: "local",
    staleness: 3,
    stalenessMax: 15,
    uncapped: false,
    servers: 1,
    standby: false,
    topology: "ring",
    order: "average-then-adapt",
    values: "f32",
    topK: 0,
    tolerance: 0,
    ...given,
  };
}

/** Who takes part in a run of this strategy, in rank order. */
export function seatPlans(
  strategy: AnyStrategy,
  question: SeatingQuestion,
  options: StrategyOptions,
): readonly SeatPlan[] {
  if (strategy.seats) return strategy.seats(question, options);
  const range = { from: 0, to: question.width };
  return Array.from({ length: question.workers }, () => ({ role: "worker", range }));
}

/** How a worker asks for its next rows. */
export interface LearnQuestion {
  /** How many workers learn at once. */
  readonly workers: number;
  readonly merge?: Merge;
  /** How many updates of each of them may be under way at once; 1 without it. */
  readonly overlap?: number;
  /** In lockstep, the round that is learned for. */
  readonly round?: number | undefined;
}

/** The effect by which a worker asks for its next rows; one shape for all, since a simulation makes millions. */
export function learnEffect(
  { rowsPerUpdate, learn: mode, merge: chosen }: StrategyOptions,
  { workers, merge = chosen, overlap = 1, round }: LearnQuestion,
): Effect<never> & { readonly kind: "learn" } {
  const stride = merge === "sum" ? workers : 1;
  const anticipates = merge === "anticipate" && workers > 1;
  const anticipate = anticipates ? { workers: overlap * workers, rowsPerUpdate } : undefined;
  return { kind: "learn", rows: rowsPerUpdate, stride, mode, anticipate, round };
}

/** For strategies that can't divide by the number of updates: what of `merge` they follow. */
export function addingMerge({ merge }: StrategyOptions): "sum" | "anticipate" {
  return merge === "mean" ? "sum" : merge;
}

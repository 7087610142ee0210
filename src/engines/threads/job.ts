/** What the engine tells a member's thread, and the other way round. */
import type { Model } from "../../math/replica.ts";
import type { SeatPlan, StrategyOptions } from "../../strategies/strategy.ts";
import type { Resumption } from "../engine.ts";
import type { StrategySource } from "../strategy-source.ts";
import type { TaskSpec } from "../task-spec.ts";
import type { Telemetry } from "../telemetry.ts";
import type { MailboxShape } from "./mailbox.ts";

/** Everything a thread begins with; memory in it is shared. */
export interface ThreadJob {
  /** Which thread: the ranks that have this number in `threads` are hosted by it. */
  readonly thread: number;
  /** Of each rank the thread that hosts it; a thread has the number of the lowest rank it hosts. */
  readonly threads: readonly number[];
  readonly seats: readonly SeatPlan[];
  readonly strategy: StrategySource;
  readonly options: StrategyOptions;
  readonly task: TaskSpec;
  readonly workers: number;
  readonly seed: number;
  readonly epochs: number;
  readonly initial: Model | null;
  /** What the run goes on from; null when it begins. */
  readonly resume: Resumption | null;
  /** Snapshots are taken, and in lockstep judged, after every so many epochs; 0 for never. */
  readonly snapshotEpochs: number;
  readonly shape: MailboxShape;
  readonly control: SharedArrayBuffer;
  readonly mailboxes: SharedArrayBuffer;
  /** When the run began, in milliseconds of the platform's clock. */
  readonly origin: number;
}

/** What members tell the engine: their thread is ready, a model on the way, their part is over. */
export type MemberMessage =
  | { readonly kind: "ready" }
  | {
      readonly kind: "snapshot";
      readonly rank: number;
      /** Number of the snapshot, from 1. */
      readonly number: number;
      readonly rows: number;
      /** Lockstep: rounds done. */
      readonly round: number;
      readonly model: Model;
    }
  | {
      readonly kind: "done";
      readonly rank: number;
      readonly model: Model;
      readonly telemetry: Telemetry;
    };

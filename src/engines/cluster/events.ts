/** What a coordinator says while it works, and the models it has judged. */
import type { Model } from "../../math/replica.ts";
import type { MemberWait } from "./job.ts";
import { waitToldSeconds } from "./limits.ts";
import type { LimitName } from "./protection.ts";

/** A model as it was after an epoch. */
export interface ClusterSnapshot {
  readonly number: number;
  readonly rows: number;
  readonly seconds: number;
  /** Sent by all members, as they last told. */
  readonly bytes: number;
  readonly model: Model;
  /** What a checkpoint needs beside: rounds done, in lockstep, and the models of members that differ, by rank. */
  readonly round: number;
  readonly models: readonly Model[];
  /** Those are all that going on exactly as before takes. */
  readonly isWhole: boolean;
}

/** What a coordinator says while it works. */
export type ClusterEvent =
  | {
      readonly kind: "listening";
      readonly address: string;
      readonly members: number;
      /** Members of the run live, and will find this process. */
      readonly takenUp: boolean;
    }
  | {
      readonly kind: "joined";
      readonly rank: number;
      readonly name: string;
      readonly address: string;
    }
  | {
      readonly kind: "view";
      readonly id: number;
      readonly members: readonly { readonly rank: number; readonly incarnation: number }[];
    }
  | {
      readonly kind: "lost";
      readonly rank: number;
      readonly name: string;
      readonly reason: string;
      readonly action: string;
    }
  | { readonly kind: "left"; readonly rank: number; readonly name: string }
  /** A member waits for long. */
  | ({
      readonly kind: "waiting";
      readonly rank: number;
      /** The time now, by the clock of `since` and `until`. */
      readonly now: number;
    } & MemberWait)
  /** A limit was reached: what was too much was refused. */
  | {
      readonly kind: "limit";
      readonly limit: LimitName;
      readonly most: number;
      /** An address or a member. */
      readonly who: string;
      /** How often so far. */
      readonly count: number;
    }
  /** A caller without the token that a call needs was refused. */
  | {
      readonly kind: "denied";
      readonly who: string;
      readonly reason: string;
      readonly count: number;
    }
  /** Somebody sent what no member sends: its stream was ended, and nothing was changed. */
  | {
      readonly kind: "rejected";
      readonly rank: number;
      readonly name: string;
      readonly reason: string;
    };

/** Tells a wait of a member once, when it has lasted for long. */
export function tellWait(
  member: { readonly rank: number; readonly wait: MemberWait | null; waitTold: number | null },
  now: number,
  say: (event: ClusterEvent) => void,
): void {
  const { rank, wait } = member;
  if (!wait || now - wait.since < waitToldSeconds || member.waitTold === wait.since) return;
  member.waitTold = wait.since;
  say({ kind: "waiting", rank, now, ...wait });
}

/** What members say to each other about who takes part. */
import type { Role, ViewMember } from "../topology/view.ts";

/**
 * How many beats the sender has made, with its flags, and the same of every member of its view, in its order; and who
 * by those words does not hear whom.
 */
export interface News {
  readonly kind: "m/news";
  readonly by: number;
  readonly view: number;
  /** The receiver is to answer with its own news. */
  readonly ask: boolean;
  readonly own: number;
  readonly known: Uint32Array;
  /** Pairs of ranks: who says that it does not hear whom. */
  readonly unheard: Uint32Array;
  /** Where the strategies of sender and receiver speak to each other: the next comes within so many beats. */
  readonly within: number;
}

/** What a life that follows an expelled one says of its links; ranks ascend. */
export interface JoinGrounds {
  /** Who has answered it. */
  readonly hears: Uint32Array;
  /** Whom the one before did not hear, or who did not hear that. */
  readonly lacks: Uint32Array;
}

/** All messages of membership; `by` is the sender's incarnation. */
export type MembershipMessage =
  | {
      readonly kind: "m/beat";
      readonly by: number;
      readonly view: number;
      readonly over: boolean;
      /** Ranks of the view that the sender does not hear, ascending. */
      readonly unheard: Uint32Array;
    }
  | News
  | ({ readonly kind: "m/join"; readonly by: number; readonly role: Role } & JoinGrounds)
  /** Somebody's wish to join was heard. */
  | { readonly kind: "m/heard"; readonly by: number }
  /** Somebody wants to join, says one who hears it. */
  | ({ readonly kind: "m/wish"; readonly by: number } & ViewMember & Pick<JoinGrounds, "lacks">)
  | { readonly kind: "m/leave"; readonly by: number }
  | {
      readonly kind: "m/prepare" | "m/accepted";
      readonly by: number;
      readonly slot: number;
      readonly ballot: number;
    }
  | {
      readonly kind: "m/promise";
      readonly by: number;
      readonly slot: number;
      readonly ballot: number;
      readonly acceptedBallot: number;
      readonly accepted: Uint32Array;
    }
  | {
      readonly kind: "m/accept";
      readonly by: number;
      readonly slot: number;
      readonly ballot: number;
      readonly view: Uint32Array;
    }
  | { readonly kind: "m/install"; readonly by: number; readonly view: Uint32Array };

/** Where messages are pushed; membership asks its engine for nothing else. */
export interface MembershipOut {
  push(effect: {
    readonly kind: "send";
    readonly to: number;
    readonly body: MembershipMessage;
  }): void;
}

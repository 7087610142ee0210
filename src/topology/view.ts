/** Views: who takes part, as values that strategies, membership and engines share. */

/** What a member does: workers learn; servers hold key ranges of the model. */
export type Role = "worker" | "server";

/** One life of one member. */
export interface ViewMember {
  readonly rank: number;
  /** Which life of the member this is, counted from 1. */
  readonly incarnation: number;
  readonly role: Role;
}

/**
 * Who takes part, from here on; views are numbered from 1. A rank keeps its member from view to view. Of
 * a member that is in neither list nothing is delivered any more; of one that left in good order every
 * message still is.
 */
export interface View {
  readonly id: number;
  /** Ranks ascending. */
  readonly members: readonly ViewMember[];
  /** Members whose part was over before this view. */
  readonly left: readonly ViewMember[];
}

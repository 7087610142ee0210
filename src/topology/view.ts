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

/** A member whose part was over before a view. */
export interface PastMember extends ViewMember {
  /** Its run had come to its end; without this it was asked to leave, and the others' may go on. */
  readonly ended?: true;
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
  readonly left: readonly PastMember[];
}

/** The name of one life of one member. */
export function lifeName(rank: number, incarnation: number): string {
  return `${rank}.${incarnation}`;
}

/** The member of that rank among members whose ranks ascend; at its own place where nobody before it is missing. */
export function memberOf(members: readonly ViewMember[], rank: number): ViewMember | undefined {
  const there = members[rank];
  return there?.rank === rank ? there : members.find((member) => member.rank === rank);
}

/** Whether that rank has a place in the view; before there is one, everybody may. */
export function isMemberOf(view: View | null, rank: number): boolean {
  return view === null || memberOf(view.members, rank) !== undefined;
}

let latest: View | null = null;

/** Everybody's first view: workers have the ranks before the servers'. Alike for all, so it is made once. */
export function firstView({ workers, members }: { workers: number; members: number }): View {
  const known = latest?.members;
  const workersOfKnown = known ? workerRanks(latest!).length : -1;
  if (known?.length === members && workersOfKnown === workers) return latest!;
  const lives = Array.from({ length: members }, (_, rank): ViewMember => {
    return { rank, incarnation: 1, role: rank < workers ? "worker" : "server" };
  });
  latest = firstViewOf(lives);
  return latest;
}

/** Everybody's first view, of the lives that are there; ranks ascending. */
export function firstViewOf(members: readonly ViewMember[]): View {
  return { id: 1, members, left: [] };
}

const ranksOf = new WeakMap<readonly ViewMember[], readonly number[]>();

/** Ranks of the workers, ascending; made once a view, as thousands of members may ask. */
export function workerRanks({ members }: View): readonly number[] {
  let ranks = ranksOf.get(members);
  if (!ranks) {
    ranks = members.filter(({ role }) => role === "worker").map(({ rank }) => rank);
    ranksOf.set(members, ranks);
  }
  return ranks;
}

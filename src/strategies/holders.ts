/**
 * Who holds each key range of the parameter-server strategies: the seat after the workers, or with `standby` the
 * one `servers` seats further on. A holder that is gone, or that leaves, is followed by the other seat of its
 * range if that was in the view before; one that only just came holds nothing yet.
 *
 * Invariant: members that have seen the same views name the same holders.
 */
import type { View, ViewMember } from "./strategy.ts";

/** Ranks of servers: workers first, then one seat a range, then the standbys' seats; then workers that came later. */
export interface ServerRanks {
  readonly workers: number;
  readonly servers: number;
}

/** By range the life that holds it: `unknown` to a newcomer, `nobody` when it is lost. */
export interface Holders {
  readonly ranks: ServerRanks;
  readonly lives: (ViewMember | "unknown" | "nobody")[];
  before: readonly ViewMember[];
}

/** Holders in the first view of a member. */
export function createHolders(ranks: ServerRanks, view: View): Holders {
  const lives = Array.from({ length: ranks.servers }, (_, part): Holders["lives"][number] => {
    if (view.id > 1) return "unknown";
    return seatsOf(ranks, view.members, part)[0] ?? "nobody";
  });
  return { ranks, lives, before: view.members };
}

/** Both seats of a range, as far as they are among these members; the first seat first. */
export function seatsOf(
  { workers, servers }: ServerRanks,
  members: readonly ViewMember[],
  part: number,
): ViewMember[] {
  const ranks = [workers + part, workers + servers + part];
  return members.filter(({ rank, role }) => role === "server" && ranks.includes(rank));
}

/** Takes over a view; returns whether any holder is another now. */
export function followHolders(holders: Holders, { members }: View): boolean {
  const { lives, before, ranks } = holders;
  let changed = false;
  for (let part = 0; part < lives.length; part++) {
    const holder = lives[part]!;
    const seats = seatsOf(ranks, members, part);
    if (seats.length === 0) lives[part] = "nobody";
    else if (typeof holder === "object" && !isAmong(members, holder)) {
      lives[part] = seats.find((life) => isAmong(before, life)) ?? "nobody";
    }
    changed ||= lives[part] !== holder;
  }
  holders.before = members;
  return changed;
}

function isAmong(members: readonly ViewMember[], { rank, incarnation }: ViewMember): boolean {
  return members.some((life) => life.rank === rank && life.incarnation === incarnation);
}

/** The range that a server's seat is of. */
export function partOf({ workers, servers }: ServerRanks, rank: number): number {
  return (rank - workers) % servers;
}

/** Ranks to ask for a range: its holder, or every seat of it that is there when the holder is unknown. */
export function holderRanks({ lives, before, ranks }: Holders, part: number): number[] {
  const holder = lives[part]!;
  if (typeof holder === "object") return [holder.rank];
  return holder === "nobody" ? [] : seatsOf(ranks, before, part).map(({ rank }) => rank);
}

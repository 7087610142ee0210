/**
 * Processes that members gave a seat while no coordinator was there. What a member signs is its own word only: it puts
 * a process in a seat that nobody has, and displaces somebody only where the members have agreed on it.
 */
import { processOf } from "../membered.ts";
import { seatKeptSeconds } from "./limits.ts";
import type { Giver, PeerAddress } from "./links.ts";
import { giverOf, mayFollow } from "./lives.ts";
import { giveSeat, isInView, isLive, isOver, type Roster, type RosterEntry } from "./roster.ts";

/** Whether a process may have its seat from members. Who is connected is not displaced by any member's word. */
export function isAdoptable(
  roster: Roster,
  peer: PeerAddress,
  of: {
    /** By whom its pass is; null where no passes are asked for. */
    readonly giver: Giver | null;
    /** Ranks that nobody else can replace. */
    readonly kept: readonly number[];
    /** Seconds of the run. */
    readonly now: number;
    readonly isConnected: (rank: number) => boolean;
  },
): boolean {
  const { rank, incarnation, address } = peer;
  const [by, highest] = [giverOf(incarnation), roster.incarnations[rank]];
  if (by === null || address === null || highest === undefined) return false;
  if (incarnation <= highest || !mayFollow(incarnation, highest)) return false;
  const before = roster.entries.get(rank);
  if (before && isLive(before) && of.isConnected(rank)) return false;
  const isFree = before === undefined || isOver(before);
  if (!isFree && of.kept.includes(rank)) return false;
  // Whoever gave that seat may be gone by now.
  if (isInView(roster, peer)) return true;
  const giver = of.giver ?? { rank: by, incarnation: presentLife(roster, by) };
  return mayGive(roster, giver) && (isFree || isForgotten(roster, before, of.now));
}

/** Writes such a process into the book. */
export function adopt(
  roster: Roster,
  { rank, incarnation, address }: PeerAddress,
  now: number,
): RosterEntry {
  const unknown = { host: "", process: 0, key: "", seen: "" };
  return giveSeat(roster, rank, { ...unknown, address: address!, now, incarnation });
}

/** Who gives takes part in the run. */
function mayGive(roster: Roster, giver: Giver): boolean {
  const entry = roster.entries.get(giver.rank);
  if (entry?.incarnation !== giver.incarnation) return isInView(roster, giver);
  return isLive(entry) || (!isOver(entry) && isInView(roster, giver));
}

/** Silent for as long as a seat is kept, and the members go on without it. */
function isForgotten(roster: Roster, entry: RosterEntry, now: number): boolean {
  return (
    entry.state === "silent" && now - entry.heardAt > seatKeptSeconds && !isInView(roster, entry)
  );
}

/** The number of the process that has that rank, by the view or the book; 0 for none. */
function presentLife({ view, entries }: Roster, rank: number): number {
  const life = view.members.find((one) => one.rank === rank);
  return life ? processOf(life.incarnation) : (entries.get(rank)?.incarnation ?? 0);
}

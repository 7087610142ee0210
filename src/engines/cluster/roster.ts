/** Who has which seat of a run, and what is known of each: the coordinator's book. */
import type { SeatPlan, View, ViewMember } from "../../strategies/strategy.ts";
import type { AddressedView, MemberWait } from "./job.ts";
import { silencePerUpdate, silenceSecondsMin } from "./limits.ts";
import { coordinatorRank } from "./links.ts";

/** From the seat's being given to the member's end. */
export type MemberState = "seated" | "ready" | "running" | "finished" | "left" | "dead";

/** One life of a seat's member. */
export interface RosterEntry {
  readonly rank: number;
  readonly incarnation: number;
  readonly seat: SeatPlan;
  readonly address: string;
  readonly host: string;
  readonly process: number;
  state: MemberState;
  /** Seconds of the run at which it was heard of last. */
  heardAt: number;
  updates: number;
  rows: number;
  bytes: number;
  messages: number;
  /** Free pace: rows it was allowed so far. */
  leased: number;
  /** Updates its own rows make in an epoch; null for servers. */
  ownUpdates: number | null;
  longestUpdate: number;
  wait: MemberWait | null;
  taken: number | null;
  /** It asked to leave, and finishes before the others. */
  leaving: boolean;
}

/** The book. */
export interface Roster {
  readonly seats: readonly SeatPlan[];
  /** The present life of each seat's member. */
  readonly entries: Map<number, RosterEntry>;
  /** Lives given out, by rank. */
  readonly incarnations: number[];
  /** Owner of each segment of rows. */
  owners: number[];
  view: View;
}

/** No member yet; segments are dealt out in turns. */
export function createRoster(seats: readonly SeatPlan[], segments: number): Roster {
  const workers = seats.filter(({ role }) => role === "worker").length;
  return {
    seats,
    entries: new Map(),
    incarnations: seats.map(() => 0),
    owners: Array.from({ length: segments }, (_, segment) => segment % workers),
    view: { id: 0, members: [], left: [] },
  };
}

/** A seat nobody has: the one asked for if it is free, else the lowest; -1 when all are taken. */
export function freeSeat({ seats, entries }: Roster, hint: number): number {
  const free = seats.map((_, rank) => rank).filter((rank) => !entries.has(rank));
  return free.includes(hint) ? hint : (free[0] ?? -1);
}

/** Gives a seat to a new life of its member. */
export function giveSeat(
  roster: Roster,
  rank: number,
  about: { address: string; host: string; process: number; now: number },
): RosterEntry {
  const { now, ...place } = about;
  const entry: RosterEntry = {
    ...{ rank, incarnation: ++roster.incarnations[rank]!, seat: roster.seats[rank]!, ...place },
    ...{ state: "seated", heardAt: now, updates: 0, rows: 0, bytes: 0, messages: 0, leased: 0 },
    ...{ ownUpdates: null, longestUpdate: 0, wait: null, taken: null, leaving: false },
  };
  roster.entries.set(rank, entry);
  return entry;
}

/** Members whose part is not over. */
export function liveEntries({ entries }: Roster): RosterEntry[] {
  return [...entries.values()]
    .filter(({ state }) => state !== "dead" && state !== "left")
    .toSorted((a, b) => a.rank - b.rank);
}

/** The segments a member owns. */
export function segmentsOf({ owners }: Roster, rank: number): number[] {
  return [...owners.keys()].filter((segment) => owners[segment] === rank);
}

/** Deals out the segments of a member that is gone, each to the worker that then owns least. */
export function passSegments(roster: Roster, gone: number): void {
  const owned = new Map<number, number>();
  for (const { rank, seat, leaving } of liveEntries(roster)) {
    if (seat.role === "worker" && !leaving) owned.set(rank, segmentsOf(roster, rank).length);
  }
  if (owned.size === 0) return;
  for (const segment of segmentsOf(roster, gone)) {
    const [least] = [...owned].reduce((a, b) => (b[1] < a[1] ? b : a));
    roster.owners[segment] = least;
    owned.set(least, owned.get(least)! + 1);
  }
}

/** Issues the next view: everybody who is live and not only just seated. */
export function nextView(roster: Roster): View {
  const members = liveEntries(roster)
    .filter(({ state }) => state !== "seated" && state !== "finished")
    .map(memberOf);
  const left = [...roster.entries.values()]
    .filter(({ state }) => state === "finished" || state === "left")
    .map(memberOf);
  roster.view = { id: roster.view.id + 1, members, left };
  return roster.view;
}

function memberOf({ rank, incarnation, seat }: RosterEntry): ViewMember {
  return { rank, incarnation, role: seat.role };
}

/** The view with everything members need to find each other. */
export function addressed(roster: Roster): AddressedView {
  const addresses = liveEntries(roster)
    .filter(({ state }) => state !== "seated")
    .map(({ rank, incarnation, address }) => ({ rank, incarnation, address }));
  return { view: roster.view, addresses, owners: roster.owners };
}

/** How long the member may be silent before it is suspected: longer where its updates take longer. */
export function silenceMax({ longestUpdate }: RosterEntry): number {
  return Math.max(silenceSecondsMin, silencePerUpdate * longestUpdate);
}

/** How people call the process of a rank. */
export function nameOf(rank: number, seats: readonly SeatPlan[]): string {
  if (rank === coordinatorRank) return "coordinator";
  return `${seats[rank]?.role ?? "member"} ${rank}`;
}

/** Who has which seat of a run, and what is known of each: the coordinator's book. */
import type { SeatPlan, View } from "../../strategies/strategy.ts";
import { firstViewOf } from "../../topology/view.ts";
import type { RunPlan } from "../engine.ts";
import { firstLifeOf, processOf } from "../membered.ts";
import { ClusterError } from "./cluster-error.ts";
import type { Begun, MemberWait, Order, Tale } from "./job.ts";
import { acquaintedMax, joinSecondsMax, silencePerUpdate, silenceSecondsMin } from "./limits.ts";
import { coordinatorRank, type PeerAddress } from "./links.ts";
import { nextProcess } from "./lives.ts";
import { Refusal } from "./refusal.ts";

/**
 * From the seat's being given to the member's end. `silent`: not heard of for long, and not waited for; it may
 * come back. `dead`: its process was seen to end, or another has its seat.
 */
export type MemberState = "seated" | "ready" | "running" | "silent" | "finished" | "left" | "dead";

/** One process in a seat. */
export interface RosterEntry {
  readonly rank: number;
  readonly incarnation: number;
  readonly seat: SeatPlan;
  readonly address: string;
  readonly host: string;
  readonly process: number;
  /** By which it proves its seat. */
  readonly key: string;
  /** HOST:PORT from which its joining was seen to come; empty where members gave the seat. */
  readonly seen: string;
  state: MemberState;
  /** Seconds of the run at which it was heard of last. */
  heardAt: number;
  updates: number;
  rows: number;
  bytes: number;
  messages: number;
  lost: number;
  /** Free pace: rows it may have learned in all, as far as it was allowed. */
  leased: number;
  /** Updates its own rows make in an epoch; null for servers. */
  ownUpdates: number | null;
  longestUpdate: number;
  wait: MemberWait | null;
  /** When the wait that was told last began. */
  waitTold: number | null;
  taken: number | null;
  /** It asked to leave, and finishes before the others. */
  leaving: boolean;
}

/** The seats of a run. */
export interface Seating {
  readonly seats: readonly SeatPlan[];
  /** The first so many must be taken before the run begins; the others may be, once it goes. */
  readonly planned: number;
}

/** The book. */
export interface Roster extends Seating {
  /** The present process of each seat. */
  readonly entries: Map<number, RosterEntry>;
  /** Processes that had a seat before another took it. */
  readonly past: RosterEntry[];
  /** Processes that were given the seat so far, by rank. */
  readonly incarnations: number[];
  /** The latest view that any member told of. */
  view: View;
}

/** No member yet. */
export function createRoster({ seats, planned }: Seating): Roster {
  return {
    ...{ seats, planned },
    entries: new Map(),
    past: [],
    incarnations: seats.map(() => 0),
    view: { id: 0, members: [], left: [] },
  };
}

/** The book as it is written down. */
export interface SavedRoster extends Omit<Roster, keyof Seating | "entries"> {
  readonly entries: readonly RosterEntry[];
}

export function savedRoster({ entries, past, incarnations, view }: Roster): SavedRoster {
  return { entries: [...entries.values()], past, incarnations, view };
}

/** Fills a new book from what was written down; nobody counts as silent before that time. */
export function restoreRoster(roster: Roster, saved: SavedRoster, heardAt: number): void {
  roster.view = saved.view;
  roster.past.push(...saved.past);
  roster.incarnations.splice(0, roster.incarnations.length, ...saved.incarnations);
  for (const entry of saved.entries) roster.entries.set(entry.rank, { ...entry, heardAt });
}

/** Ranks that a newcomer may be given at present. */
function ranksToGive({ seats, planned, view }: Roster): number[] {
  return [...seats.keys()].slice(0, view.id === 0 ? planned : seats.length);
}

/** The seats that nobody has. */
function freeRanks(roster: Roster): number[] {
  const gone = [undefined, "dead", "left"];
  return ranksToGive(roster).filter((rank) => gone.includes(roster.entries.get(rank)?.state));
}

/** Silent members whose seats a newcomer with this hint might get: none while there is another one for it. */
export function silentInPlace(roster: Roster, hint: number): RosterEntry[] {
  const silent = ranksToGive(roster).flatMap((rank) => {
    const entry = roster.entries.get(rank);
    return entry?.state === "silent" ? [entry] : [];
  });
  const asked = silent.filter(({ rank }) => rank === hint);
  if (asked.length > 0) return asked;
  return freeRanks(roster).length > 0 ? [] : silent;
}

/**
 * A seat nobody has, the one asked for if it is free; else one of `abandoned`, whose members are silent for good.
 * @throws Refusal when there is none.
 */
export function freeSeat(
  roster: Roster,
  hint: number,
  abandoned: readonly RosterEntry[] = [],
): number {
  const free = freeRanks(roster);
  // Asking took time: who is heard of again keeps its seat.
  const over = abandoned.filter(
    (entry) => roster.entries.get(entry.rank) === entry && entry.state === "silent",
  );
  const silent = over.map(({ rank }) => rank);
  for (const ranks of [free, silent]) if (ranks.includes(hint)) return hint;
  const rank = free[0] ?? silent[0];
  if (rank === undefined) throw new Refusal(fullWords(roster));
  return rank;
}

/** Workers for which there are seats at present, taken ones too. */
export function workerSeats(roster: Roster): number {
  return ranksToGive(roster).filter((rank) => roster.seats[rank]!.role === "worker").length;
}

/** Why nobody else can join. */
function fullWords(roster: Roster): string {
  const { seats, planned, view, entries } = roster;
  const spares = seats.length - planned;
  if (view.id === 0) return `all ${planned} seats of this run are taken until it begins`;
  const more = spares > 0 ? `: ${planned} as planned and ${spares} more` : "";
  const silent = [...entries.values()].filter(({ state }) => state === "silent");
  const names = silent.map(({ rank }) => nameOf(rank, seats));
  const kept = names.length > 0 ? `; ${names.join(", ")}: silent, but may only be slow` : "";
  return `all ${seats.length} seats of this run are taken${more}${kept}`;
}

/** The seat of a process that asks again, because it did not get the first answer; undefined for another. */
export function seatedBefore(
  { entries }: Roster,
  address: string,
  { host, process, key }: Pick<RosterEntry, "host" | "process" | "key">,
): RosterEntry | undefined {
  for (const entry of entries.values()) {
    const isThere = entry.address === address && entry.host === host;
    const same = isThere && entry.process === process && entry.key === key;
    if (same && entry.state === "seated") return entry;
  }
  return undefined;
}

/** Gives a seat to a process. */
export function giveSeat(
  roster: Roster,
  rank: number,
  about: Pick<RosterEntry, "address" | "host" | "process" | "key" | "seen"> & {
    now: number;
    incarnation?: number;
  },
): RosterEntry {
  const { now, incarnation = nextProcess(roster.incarnations[rank]!, null), ...place } = about;
  const before = roster.entries.get(rank);
  if (before) roster.past.push(before);
  roster.incarnations[rank] = incarnation;
  const entry: RosterEntry = {
    ...{ rank, incarnation, seat: roster.seats[rank]!, ...place },
    ...{ state: "seated", heardAt: now, updates: 0, rows: 0, bytes: 0, messages: 0, lost: 0 },
    ...{
      leased: 0,
      ownUpdates: null,
      longestUpdate: 0,
      wait: null,
      waitTold: null,
      taken: null,
      leaving: false,
    },
  };
  roster.entries.set(rank, entry);
  return entry;
}

/** The ranks whose seats nobody has. */
export function missingRanks({ seats, planned, entries }: Roster): number[] {
  const ranks = [...seats.keys()].slice(0, planned);
  return ranks.filter((rank) => [undefined, "dead"].includes(entries.get(rank)?.state));
}

/** A member of a run that was taken up says how it is. */
export function becomeFound(entry: RosterEntry, tale: Tale & { readonly kind: "here" }): void {
  Object.assign(entry, tale.counts, { state: tale.state, leaving: tale.leaving });
  entry.ownUpdates = tale.updates;
  entry.leased = entry.rows + tale.lease;
}

/** Rows learned by all, as they last told; also by those that are gone. */
export function rowsLearned({ past, entries }: Roster): number {
  return [...past, ...entries.values()].reduce((sum, { rows }) => sum + rows, 0);
}

/** The same, and rows that one is allowed and has not learned yet; who learned alone has learned more than that. */
export function rowsTaken({ past, entries }: Roster): number {
  const all = [...past, ...entries.values()];
  return all.reduce((sum, { rows, leased }) => sum + Math.max(rows, leased), 0);
}

/** Members that are there and whose part is not over, or only just. */
export function liveEntries({ entries }: Roster): RosterEntry[] {
  return [...entries.values()].filter(isLive).toSorted((a, b) => a.rank - b.rank);
}

/** It is there, and its part is not over or only just. */
export function isLive({ state }: RosterEntry): boolean {
  return state !== "dead" && state !== "left" && state !== "silent";
}

/** Its process has ended, or gave the seat up. */
export function isOver({ state }: RosterEntry): boolean {
  return state === "dead" || state === "left";
}

/** Whether the member is in the latest view, by a life of this process. */
export function isInView(
  { view }: Roster,
  { rank, incarnation }: Pick<RosterEntry, "rank" | "incarnation">,
): boolean {
  return view.members.some(
    (life) => life.rank === rank && processOf(life.incarnation) === incarnation,
  );
}

/** The first view: everybody who has a seat. */
export function firstView(roster: Roster): View {
  return firstViewOf(
    liveEntries(roster).map(({ rank, incarnation, seat }) => {
      return { rank, incarnation: firstLifeOf(incarnation), role: seat.role };
    }),
  );
}

/** Workers that learn. */
export function learners(roster: Roster): RosterEntry[] {
  return liveEntries(roster).filter(({ seat, state }) => {
    return seat.role === "worker" && state === "running";
  });
}

/** Whether a member of the latest view has something to do. */
export function isAnybodyBusy(roster: Roster): boolean {
  const live = liveEntries(roster);
  return live.some((entry) => entry.state === "running" && isInView(roster, entry));
}

/** The run as a newcomer finds it. */
export function begunOf(
  roster: Roster,
  of: Pick<Begun, "updates" | "seconds" | "endsAt"> & {
    readonly plan: RunPlan;
    readonly rowsBefore: number;
  },
): Begun {
  const { plan, updates, rowsBefore, seconds, endsAt } = of;
  const { view, incarnations: lives } = roster;
  const rows = rowsBefore + rowsLearned(roster);
  const learned = Math.min(1, rows / (plan.task.rows * plan.epochs));
  return { view, addresses: addressesOf(roster), updates, learned, lives, seconds, endsAt };
}

/** Where everybody is that may be there. */
function addressesOf({ entries }: Roster): PeerAddress[] {
  return [...entries.values()]
    .filter(({ state }) => state !== "dead" && state !== "left")
    .map(({ rank, incarnation, address }) => ({ rank, incarnation, address }));
}

/** Whom a member of a small run dials before it begins, so that nobody waits for connections then. */
export function acquaintances(roster: Roster, { rank: own }: RosterEntry): Order[] {
  if (roster.planned > acquaintedMax) return [];
  return introduced(
    liveEntries(roster).filter(({ state }) => state === "ready"),
    own,
  );
}

/** Where everybody is: a member that was not heard of for a while does not know who came meanwhile. */
export function introductions(roster: Roster, own: number): Order[] {
  return introduced(liveEntries(roster), own);
}

function introduced(entries: readonly RosterEntry[], own: number): Order[] {
  return entries
    .filter(({ rank }) => rank !== own)
    .map(({ rank, incarnation, address }) => {
      return { kind: "address", address: { rank, incarnation, address } };
    });
}

/** Something came of it; whether it counted as silent until now. */
export function noteHeard(entry: RosterEntry, now: number): boolean {
  const wasSilent = entry.state === "silent";
  entry.heardAt = now;
  if (wasSilent) entry.state = "running";
  return wasSilent;
}

/** How long the member may be silent before it counts as such: longer where its updates take longer. */
export function silenceMax({ longestUpdate }: Pick<RosterEntry, "longestUpdate">): number {
  return Math.max(silenceSecondsMin, silencePerUpdate * longestUpdate);
}

/** Members that count as silent at this time, and why. */
export function silentEntries(
  roster: Roster,
  now: number,
): readonly { readonly entry: RosterEntry; readonly reason: string }[] {
  return liveEntries(roster).flatMap((entry) => {
    const reason = entry.state === "finished" ? null : tooSilent(entry, now);
    return reason === null ? [] : [{ entry, reason }];
  });
}

/** Why a member is taken for gone at this time, in words; null when it was heard of lately enough. */
function tooSilent(entry: RosterEntry, now: number): string | null {
  const silent = now - entry.heardAt;
  const most = entry.state === "seated" ? joinSecondsMax : silenceMax(entry);
  if (silent <= most) return null;
  return `not heard of for ${silent.toFixed(1)} s, at most ${most.toFixed(1)} s are allowed`;
}

/** The name of the member that went last; null while anybody is there or may come back. */
export function lastGone({ entries, seats }: Roster): string | null {
  const all = [...entries.values()];
  if (!all.every(isOver)) return null;
  const last = all.findLast(({ state }) => state === "dead") ?? all.at(-1);
  return last ? nameOf(last.rank, seats) : null;
}

/**
 * Whether nobody else can come to the end of the run: who leaves last takes the only model along. Nobody waits for who is
 * silent and out of the view; should it come back it has to join anew, of somebody who is there.
 */
export function isLastOne(roster: Roster, entry: RosterEntry): boolean {
  const isGone = (one: RosterEntry) =>
    one.state === "silent" ? !isInView(roster, one) : isOver(one);
  return (
    entry.rows > 0 && [...roster.entries.values()].every((one) => one === entry || isGone(one))
  );
}

/**
 * Why a run whose members have ended has not learned all: workers left in good order, and a server, or who left last, has
 * the model; who was lost, however long before, is named. Null where a worker came to the end of the plan.
 * @throws ClusterError where workers were lost, and none left in good order or nobody has the model.
 */
export function earlyEnd({ entries, seats }: Roster): string | null {
  const all = [...entries.values()];
  const workers = all.filter(({ seat }) => seat.role === "worker");
  if (workers.some(({ state, leaving }) => state === "finished" && !leaving)) return null;
  const lost = workers.filter(({ state }) => state === "dead" || state === "silent");
  if (lost.length === 0) return "all workers left";
  const names = lost.map(({ rank }) => nameOf(rank, seats)).join(", ");
  const hasModel = all.some((entry) =>
    entry.seat.role === "server" ? isLive(entry) : entry.state === "finished" && entry.rows > 0,
  );
  if (hasModel && lost.length < workers.length)
    return `all workers left, but for the lost: ${names}`;
  throw new ClusterError(`All workers are gone; lost: ${names}`);
}

/** @throws Refusal when that life of a member has no seat here. */
export function refuseUnseated(
  { entries }: Roster,
  { rank, incarnation }: { readonly rank: number; readonly incarnation: number },
): void {
  if (entries.get(rank)?.incarnation === incarnation) return;
  throw new Refusal(`life ${incarnation} of member ${rank} has no seat`);
}

/** How people call the process of a rank. */
export function nameOf(rank: number, seats: readonly SeatPlan[]): string {
  if (rank === coordinatorRank) return "coordinator";
  return `${seats[rank]?.role ?? "member"} ${rank}`;
}

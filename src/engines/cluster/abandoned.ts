/**
 * Whose seat a newcomer may have: a silent member's only if its process is surely gone, or gave no sign for long. On a
 * machine that has too much to do silence of seconds says nothing, and a server that loses its seat loses its model.
 */
import type { Credentials } from "./credentials.ts";
import { Cluster, type StatusReply } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { callSecondsMax, seatAsksMax, seatKeptSeconds } from "./limits.ts";
import { Refusal } from "./refusal.ts";
import { nameOf, type Roster, type RosterEntry, silentInPlace } from "./roster.ts";
import { CallError, callUnary, createClient, type MemberClient } from "./rpc.ts";

/** What a silent member is found to be: `slow` if it answers, `unknown` if nobody does and nobody refuses either. */
export type Found = "gone" | "slow" | "unknown";

/** What is asked with. */
export interface SeatQuestion {
  /** The seat that the newcomer would like. */
  readonly hint: number;
  /** Seconds of the run. */
  readonly now: () => number;
  readonly find: (entry: RosterEntry) => Promise<Found>;
}

/**
 * Silent members whose seats may be given away.
 * @throws Refusal, by which the newcomer asks again later, where it is not known yet whether one is gone.
 */
export async function abandonedSeats(
  roster: Roster,
  { hint, now, find }: SeatQuestion,
): Promise<RosterEntry[]> {
  const silent = silentInPlace(roster, hint)
    .toSorted((one, other) => one.heardAt - other.heardAt)
    .slice(0, seatAsksMax);
  const isOver = async (entry: RosterEntry) => {
    const found = await find(entry);
    if (found !== "unknown") return found === "gone";
    return now() - entry.heardAt > seatKeptSeconds ? true : null;
  };
  const all = await Promise.all(silent.map(isOver));
  const over = silent.filter((_, place) => all[place]);
  const open = silent.find((entry, place) => all[place] === null && entry.state === "silent");
  if (over.length > 0 || !open || silentInPlace(roster, hint).length === 0) return over;
  const name = nameOf(open.rank, roster.seats);
  throw new Refusal(
    `no seat of this run is free yet: ${name} is silent, and keeps its own for ${seatKeptSeconds} s as it may only be slow`,
    "unavailable",
  );
}

/** Asks the process at the member's address who it is. */
export async function findMember(
  { address, rank, incarnation }: RosterEntry,
  credentials: Credentials,
): Promise<Found> {
  const call = { method: Cluster.method.status, request: {}, secondsMax: callSecondsMax };
  let client: MemberClient | null = null;
  try {
    // An address that these credentials may not call throws: nothing is known of who is there.
    client = createClient(address, credentials);
    const { members }: StatusReply = await callUnary(client, call);
    const isItself = members.some((one) => one.rank === rank && one.incarnation === incarnation);
    return isItself ? "slow" : "gone";
  } catch (error) {
    return error instanceof CallError && error.words.includes("ECONNREFUSED") ? "gone" : "unknown";
  } finally {
    client?.close();
  }
}

/** What the coordinator asks of a process that wants a seat, and what it gives it with one. */
import { encodeFrame } from "../../wire/frame.ts";
import { abandonedSeats, type Found } from "./abandoned.ts";
import type { CoordinatorOptions } from "./coordinator-options.ts";
import type { JoinRequest } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { ownHandshake, type RunIdentity, refuseHandshake } from "./handshake.ts";
import type { Begun } from "./job.ts";
import { addressesHere, isElsewhere, isLoopback } from "./open-address.ts";
import { type Proof, signPass } from "./passes.ts";
import { Refusal } from "./refusal.ts";
import {
  freeSeat,
  giveSeat,
  liveEntries,
  nameOf,
  type Roster,
  type RosterEntry,
  seatedBefore,
} from "./roster.ts";

/** An Ed25519 key in base64url. */
const keyPattern = /^[\w-]{43}$/;

/** @throws Refusal for a process that can't work in this run, whatever seat is free. */
export function refuseJoin(identity: RunIdentity, request: JoinRequest): void {
  const who = `${request.host}, process ${request.process}`;
  const refused = refuseHandshake(request.handshake, identity, who);
  if (refused !== null) throw new Refusal(refused);
  if (!keyPattern.test(request.key)) throw new Refusal(`${who} sent no key to prove its seat by`);
}

/**
 * Of two members at different machines neither may be one that only its own machine reaches.
 * @throws Refusal that says which of them is to be started by another address
 */
export function refuseApart(roster: Roster, address: string, own = addressesHere()): void {
  const other = liveEntries(roster).find((one) => areApart(one.address, address, own));
  if (!other) return;
  const name = nameOf(other.rank, roster.seats);
  throw new Refusal(
    isLoopback(address)
      ? `you are reached at ${address}, which only your machine reaches, and ${name} is at ${other.address}: join by an address of the coordinator that others reach, not by 127.0.0.1 (without certificates that takes --insecure here, too)`
      : `${name} is reached at ${other.address}, which only its machine reaches, so you can't call it from ${address}: start it anew with an address of the coordinator that others reach, not 127.0.0.1`,
  );
}

function areApart(one: string, other: string, own: readonly string[]): boolean {
  return (
    (isLoopback(one) && isElsewhere(other, own)) || (isLoopback(other) && isElsewhere(one, own))
  );
}

/** What it takes to seat a process. */
interface Entrance {
  /** Where the newcomer is reached, and where its call was seen to come from. */
  readonly address: string;
  readonly seen: string;
  /** Seconds of the run. */
  readonly now: () => number;
  /** Ranks whose seats are nobody else's, silent or not. */
  readonly kept: () => readonly number[];
  readonly find: (entry: RosterEntry) => Promise<Found>;
  /** @throws Refusal when the newcomer is not reached there. */
  readonly dial: (address: string) => Promise<void>;
  /** @throws Refusal when the run takes nobody any more. */
  readonly refuseLate: () => void;
  /** Is told whose seat it was. */
  readonly gone: (before: RosterEntry) => void;
}

/**
 * The seat of a process: that which it has, if it did not get the first answer, or another one. Silent members of whose
 * seats one may be its are asked whether they are only slow, and nobody loses a seat to who is not reached itself.
 * @throws Refusal when there is none.
 */
export async function seatNewcomer(
  roster: Roster,
  request: JoinRequest,
  of: Entrance,
): Promise<RosterEntry> {
  const { address, seen, now, kept, find, dial, refuseLate, gone } = of;
  const silent = await abandonedSeats(roster, { hint: request.rankHint, now, find });
  const own = addressesHere();
  const seat = () => {
    refuseLate();
    const abandoned = silent.filter(({ rank }) => !kept().includes(rank));
    return seatFor(roster, request, { address, abandoned, own });
  };
  seat();
  await dial(address);
  // Both took time: another may have come first, and who was silent been heard of.
  const found = seat();
  if ("entry" in found) return found.entry;
  const { rank } = found;
  const before = roster.entries.get(rank);
  if (before) gone(before);
  const { host, process, key } = request;
  return giveSeat(roster, rank, { address, host, process, key, seen, now: now() });
}

/** @throws Refusal when there is no seat for that process. */
function seatFor(
  roster: Roster,
  { rankHint, host, process, key }: JoinRequest,
  of: {
    readonly address: string;
    readonly abandoned: readonly RosterEntry[];
    readonly own: readonly string[];
  },
): { readonly entry: RosterEntry } | { readonly rank: number } {
  const { address, abandoned, own } = of;
  const entry = seatedBefore(roster, address, { host, process, key });
  if (entry) return { entry };
  refuseApart(roster, address, own);
  return { rank: freeSeat(roster, rankHint, abandoned) };
}

/** The seat, the job, the model to begin with, and a pass for the key that the process asked with. */
export function joinReply(
  { identity, plan, jobFor, resume }: CoordinatorOptions,
  { rank, incarnation, address, key }: RosterEntry,
  of: { readonly begun: Begun | null; readonly proof: Proof | null; readonly seen: string },
) {
  const { begun, proof, seen } = of;
  const model = resume ? (resume.models[rank] ?? resume.models[0]) : plan.initial;
  const pass = proof && signPass(proof.own, { run: identity.run, rank, incarnation }, key);
  return {
    handshake: ownHandshake(identity),
    ...{ rank, incarnation, address, seen, pass: pass ?? "", seal: proof?.seal ?? "" },
    job: JSON.stringify(jobFor(rank, begun)),
    initial: model ? encodeFrame({ kind: "model", ...model }) : new Uint8Array(),
  };
}

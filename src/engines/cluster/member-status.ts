/** What a member answers when asked how it goes. */
import { hostname } from "node:os";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { View } from "../../strategies/strategy.ts";
import { isMemberOf } from "../../topology/view.ts";
import { type MemberHost, ownUpdates } from "../member-host.ts";
import { leftWithoutPart, missingOf, standingOf } from "../membered.ts";
import type { MemberTelemetry } from "../telemetry.ts";
import type { StatusReplySchema } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { ownHandshake, unknownRun } from "./handshake.ts";
import type { MemberCounts, MemberWait, Tale } from "./job.ts";
import { leaseSeconds } from "./limits.ts";
import { coordinatorRank } from "./links.ts";
import type { MemberPace } from "./member-pace.ts";
import type { Seated } from "./seat.ts";
import { waitsNow } from "./wait.ts";

type Here = Tale & { readonly kind: "here" };

/** How far it is, as it tells the coordinator now and then. */
export function memberCounts(
  { updates, rows, bytesSent, messagesSent, lost }: MemberTelemetry,
  longestUpdate: number,
  wait: MemberWait | null,
): MemberCounts {
  const sent = { bytes: bytesSent, messages: messagesSent };
  return { updates, rows, ...sent, lost, longestUpdate, wait };
}

/** Logs a connection that broke, but not of a member that left, or ends with the run. */
export function tellBroken(
  { rank, reason }: { readonly rank: number; readonly reason: string },
  view: View | null | "over",
  log: (line: string) => void,
): void {
  if (rank === coordinatorRank) log(`connection to coordinator broke: ${reason}`);
  else if (view === null || (view !== "over" && isMemberOf(view, rank))) {
    log(`connection to member ${rank} broke: ${reason}`);
  }
}

/** What a coordinator that was started again must know. */
export function hereTale(
  host: MemberHost,
  of: Pick<Here, "state" | "leaving" | "view" | "counts"> & { readonly pace: MemberPace },
): Here {
  const { pace, ...rest } = of;
  return { kind: "here", updates: ownUpdates(host), lease: Math.max(0, pace.lease), ...rest };
}

/** A member that hears of no quorum waits for one, whatever else, until its lease is lost; null while it does. */
export function quorumMissed({ state }: MemberHost, now: number): MemberWait | null {
  const { alone, aloneSince, view } = standingOf(state);
  if (!alone) return null;
  const whom = `a quorum of view ${view?.id}: nothing is heard of ${missingOf(state, now)}`;
  return { whom, since: aloneSince, until: aloneSince + leaseSeconds };
}

/** Why a member that has finished did so in no good order: it was in no view, or heard of no quorum; else null. */
export function leaseLost({ state }: MemberHost, now: number): string | null {
  const { alone, view } = standingOf(state);
  if ((view !== null && !alone) || leftWithoutPart(state)) return null;
  return `heard of no quorum for ${leaseSeconds} s: nothing of ${missingOf(state, now)}`;
}

/** A member that was just asked to leave says so where it is apart from the others, and what comes of it. */
export function sayLeaving({ state }: MemberHost, say: (line: string) => void): void {
  const { alone, view } = standingOf(state);
  if (leftWithoutPart(state)) {
    say("asked to leave before it took part in the run: it has learned nothing, and goes at once");
  } else if (view === null) {
    say(
      "asked to leave while it is in no view: it comes back first, for the others to tell what of its work counts, and goes then, or when --grace is over",
    );
  } else if (alone) {
    say(
      "asked to leave while it hears of no quorum: it goes once it does, or when --grace is over",
    );
  }
}

/** A member that is not busy waits for an answer of the others of its view. */
export function answerWait(host: MemberHost, { members }: View, now: number): MemberWait {
  const others = members.filter(({ rank }) => rank !== host.seat.rank);
  const quorum = quorumMissed(host, now);
  if (quorum !== null) return quorum;
  const whom = host.learner
    ? `an answer of ${others.length > 4 ? `${others.length} members` : `member ${others.map(({ rank }) => rank).join(" or ")}`}`
    : "updates of workers";
  return { whom, since: host.idleSince, until: now + leaseSeconds };
}

/** Itself only: the coordinator knows the others. */
export function memberStatus(of: {
  readonly seated: Seated | null;
  readonly state: string;
  readonly view: number;
  readonly seconds: number;
  readonly counts: MemberTelemetry | null;
  readonly wait: MemberWait | null;
  /** What it learns on without: a coordinator, rows. */
  readonly lacks: readonly (MemberWait | null)[];
}): MessageInitShape<typeof StatusReplySchema> {
  const { seated, state, view, seconds, counts, wait, lacks } = of;
  const role = seated ? seated.job.seats[seated.rank]!.role : "member";
  const own = seated && {
    ...{ rank: seated.rank, incarnation: seated.incarnation, address: seated.address, role, state },
    updates: BigInt(counts?.updates ?? 0),
    rows: BigInt(counts?.rows ?? 0),
    sentBytes: BigInt(counts?.bytesSent ?? 0),
    ...(wait ? { wait } : {}),
    ...{ seen: seated.seen, host: hostname(), process: process.pid },
  };
  return {
    handshake: ownHandshake(seated?.identity ?? unknownRun),
    ...{ role, state, view, seconds },
    members: own ? [own] : [],
    waits: [...[wait, ...lacks].filter((one) => one !== null), ...waitsNow(seconds)],
  };
}

/**
 * How strategies without servers end together: a member whose part is done tells the lowest rank of the view; once
 * all have, that one tells all. Until then everybody stays to answer. At a change of view everybody who is done
 * says so again, to whoever is lowest now.
 *
 * Invariant: nobody ends before every member of the view is done.
 */
import type { MessageShapes } from "../wire/shape.ts";
import type { MessageBody, Outbox, ViewMember } from "./strategy.ts";

/** The sender's part is done. */
interface Done extends MessageBody {
  readonly kind: "done";
}

/** Everybody is done. */
interface Over extends MessageBody {
  readonly kind: "over";
}

export type EndingMessage = Done | Over;

export const endingShapes: MessageShapes = { done: { fields: {} }, over: { fields: {} } };

/** A newcomer that finds nobody with a model waits so long for the copy of one that left. */
export const willSeconds = 2;

/** One member's view of the end. */
export interface Ending {
  members: readonly ViewMember[];
  readonly rank: number;
  isDone: boolean;
  /** The rank that was told we are done. */
  told: number | null;
  /** Ranks that told us they are done. */
  readonly done: Set<number>;
}

export function createEnding(rank: number, members: readonly ViewMember[]): Ending {
  return { members, rank, isDone: false, told: null, done: new Set() };
}

/** Our part is done: tells the lowest rank. */
export function becomeDone(ending: Ending, out: Outbox<EndingMessage>): void {
  const { members, rank, told, done } = ending;
  const head = members[0]!.rank;
  ending.isDone = true;
  if (told !== head) {
    ending.told = head;
    if (head === rank) done.add(rank);
    else out.push({ kind: "send", to: head, body: { kind: "done" } });
  }
  concludeOver(ending, out);
}

/** Takes "done" or "over". */
export function absorbEnding(
  ending: Ending,
  { from, body }: { from: number; body: EndingMessage },
  out: Outbox<EndingMessage>,
): void {
  if (body.kind === "over") {
    // Not everybody can be done while we are not.
    if (!ending.isDone) return out.push({ kind: "drop", from, reason: "over before its time" });
    return out.push({ kind: "finish" });
  }
  ending.done.add(from);
  concludeOver(ending, out);
}

/** Other members from now on; what lives that are gone had told does not count. */
export function followMembers(
  ending: Ending,
  members: readonly ViewMember[],
  out: Outbox<EndingMessage>,
): void {
  for (const { rank, incarnation } of ending.members) {
    if (!members.some((life) => life.rank === rank && life.incarnation === incarnation)) {
      ending.done.delete(rank);
    }
  }
  ending.members = members;
  ending.told = null;
  if (ending.isDone) becomeDone(ending, out);
}

/** The lowest rank ends the run once all have told it they are done. */
function concludeOver({ done, members, rank }: Ending, out: Outbox<EndingMessage>): void {
  if (members[0]!.rank !== rank || !members.every((member) => done.has(member.rank))) return;
  for (const { rank: to } of members) {
    if (to !== rank) out.push({ kind: "send", to, body: { kind: "over" } });
  }
  out.push({ kind: "finish" });
}

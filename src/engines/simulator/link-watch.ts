/**
 * How long members stay in one view that do not hear each other: by what they know themselves where all exchange beats,
 * and where beats go along some pairs only by the links that are cut, and what their strategies send along those.
 */
import type { Membership } from "../../membership/membership.ts";
import { isSparse, suspected } from "../../membership/suspicion.ts";
import { haveDealings } from "../../membership/views.ts";
import type { Effect, MessageBody } from "../../strategies/strategy.ts";
import { lifeName, memberOf } from "../../topology/view.ts";
import { isMembership } from "../membered.ts";
import type { Fault } from "./faults.ts";

/** A step of a member: when, and what came of it. */
interface Step {
  readonly now: number;
  readonly effects: readonly Effect<unknown>[];
}

/** In so many beats a broken link is noticed and told, and a view agreed on; in more where links are slow. */
const brokenBeatsMax = 50;

/** By how much the slowest member's links are slowed: whoever it is, it may be the one that decides. */
function slowestLink(faults: readonly Fault[]): number {
  const factors = new Map<number, number>();
  for (const fault of faults) {
    if (fault.kind !== "slow-link") continue;
    factors.set(fault.rank, fault.factor * (factors.get(fault.rank) ?? 1));
  }
  return Math.max(1, ...factors.values());
}

/** Notes how long a member that hears a quorum does not hear another of its view with which it has dealings. */
export function watchLinks(faults: readonly Fault[]) {
  const since = new Map<string, number>();
  const spoken = watchSpoken(faults, brokenBeatsMax * slowestLink(faults));
  const lateOf = new Map<number, ReadonlySet<number>>();
  const beatsMax = brokenBeatsMax * slowestLink(faults);
  let fault: string | null = null;
  /** A crash that was not noticed yet, as beats came from it late, holds up everything. */
  const isDead = (rank: number, now: number) =>
    faults.findLast(
      ({ at, kind, ...fault }) =>
        ["crash", "restart"].includes(kind) && "rank" in fault && fault.rank === rank && at <= now,
    )?.kind === "crash";
  /** Whom nobody hears that is vital is waited for, and two that are vital never go for each other. */
  const isWaitedFor = ({ view, vital, rank }: Membership, other: number) => {
    const vitalEnds = [rank, other].filter((end) => vital.includes(end));
    const others = view!.members.filter((life) => life.rank !== rank && life.rank !== other);
    const isUnheard = (end: number) => others.every((life) => lateOf.get(life.rank)?.has(end));
    return vitalEnds.length === 2 || vitalEnds.some(isUnheard);
  };
  return {
    fault: () => fault ?? spoken.fault(),
    look(membership: Membership, { now, effects }: Step) {
      const { view, rank, incarnation, aloneSince, options } = membership;
      if (view === null) return;
      if (isSparse(membership, view.members.length)) {
        return spoken.look(membership, { now, effects });
      }
      const silent = suspected(membership, now);
      lateOf.set(rank, silent);
      const deceives = view.members.some(
        (life) => !silent.has(life.rank) && isDead(life.rank, now),
      );
      const mayDecide = aloneSince === Number.POSITIVE_INFINITY && !deceives;
      const late = mayDecide ? silent : new Set<number>();
      for (const other of view.members) {
        const key = `${view.id}: ${rank}.${incarnation} ${other.rank}.${other.incarnation}`;
        const isBroken = late.has(other.rank) && haveDealings(view, membership, other);
        if (!isBroken || isWaitedFor(membership, other.rank)) {
          since.delete(key);
          continue;
        }
        const begun = since.get(key) ?? now;
        since.set(key, begun);
        if (now - begun <= beatsMax * options.beatSeconds) continue;
        fault ??= `member ${rank} does not hear member ${other.rank} of view ${view.id} from ${begun.toFixed(3)} s to ${now.toFixed(3)} s`;
      }
    },
  };
}

type PairCut = Fault & { readonly kind: "cut-pair" };

/**
 * Notes how long two members stay in one view since the strategy of one has sent to the other over a link that is cut,
 * while nothing else happens that could hold up a vote.
 */
function watchSpoken(faults: readonly Fault[], beatsMax: number) {
  const since = new Map<string, number>();
  const cuts = faults.filter((fault): fault is PairCut => fault.kind === "cut-pair");
  const others = faults.filter(({ kind }) => !["cut-pair", "slow", "slow-link"].includes(kind));
  let fault: string | null = null;
  const lastOther = (now: number) => Math.max(-1, ...others.map((one) => endOf(one, now)));
  return {
    fault: () => fault,
    look(membership: Membership, { now, effects }: Step) {
      const { view, rank, incarnation, vital, aloneSince, options } = membership;
      for (const { at, ranks, seconds } of cuts) {
        const other = ranks.find((end) => end !== rank)!;
        const life = memberOf(view!.members, other);
        if (!ranks.includes(rank) || !life) continue;
        const key = `${lifeName(rank, incarnation)} ${lifeName(other, life.incarnation)} ${at}`;
        const isCut = at <= now && now < at + seconds;
        const isWaitedFor = ranks.every((end) => vital.includes(end));
        if (!isCut || isWaitedFor || aloneSince < Number.POSITIVE_INFINITY) {
          since.delete(key);
          continue;
        }
        if (effects.some((effect) => isSpoken(effect, other)) && !since.has(key)) {
          since.set(key, now);
        }
        const begun = Math.max(since.get(key) ?? now, lastOther(now));
        if (now - begun <= beatsMax * options.beatSeconds) continue;
        fault ??= `members ${rank} and ${other} are both in view ${view!.id} at ${now.toFixed(3)} s, and the one has sent to the other over a cut link at ${begun.toFixed(3)} s`;
      }
    },
  };
}

/** Until when a fault holds up others, as far as it has begun. */
function endOf(fault: Fault, now: number): number {
  if (fault.at > now) return -1;
  return fault.at + ("seconds" in fault ? fault.seconds : 0);
}

function isSpoken(effect: Effect<unknown>, to: number): boolean {
  return effect.kind === "send" && effect.to === to && !isMembership(effect.body as MessageBody);
}

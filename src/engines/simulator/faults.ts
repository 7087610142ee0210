/**
 * Faults of a simulation: what happens to members and links, and when. A schedule is a list, written one a
 * line, or drawn from a seed (fault-schedules.ts):
 *
 *     0.010 crash 3            the member stops; of what it had sent, some is lost
 *     0.020 restart 3          its rank begins a new life, without its state
 *     0.010 join 4             a member that was absent so far begins
 *     0.010 leave 3            it is asked to leave: hands over what it owes, and goes
 *     0.010 pause 2 0.05       the member does nothing for 0.05 s; then it takes what came meanwhile
 *     0.010 slow 2 10          it learns 10 times slower from now on
 *     0.010 slow-link 2 10     its links are 10 times slower from now on
 *     0.010 cut 0,1 0.05       members 0 and 1 are cut off from the others for 0.05 s
 *     0.010 cut-pair 0,1 0.05  members 0 and 1 don't reach each other for 0.05 s; all others reach both
 *     0.010 lose 2             its connections break: what is under way is sent again, and some comes twice
 *
 * Between members that stay alive nothing is lost: messages wait while their link is cut (strategy.ts).
 */
import { nextBelow, nextUniform, type RandomState, randomStream } from "../../math/random.ts";
import type { Member } from "./members.ts";
import type { Simulation } from "./simulator.ts";
import { type SlotEntry, slotKind } from "./slots.ts";

/** Something that happens at a time. */
export type Fault =
  | {
      readonly at: number;
      readonly kind: "crash" | "restart" | "join" | "leave" | "lose";
      readonly rank: number;
    }
  | { readonly at: number; readonly kind: "pause"; readonly rank: number; readonly seconds: number }
  | {
      readonly at: number;
      readonly kind: "slow" | "slow-link";
      readonly rank: number;
      readonly factor: number;
    }
  | {
      readonly at: number;
      readonly kind: "cut" | "cut-pair";
      readonly ranks: readonly number[];
      readonly seconds: number;
    };

/** What faults have done so far. */
export interface FaultState {
  readonly stream: RandomState;
  /** Until when each member does nothing. */
  readonly pausedUntil: Float64Array;
  /** What is cut, and until when: a group off from the others, or two from each other. */
  readonly cuts: {
    readonly kind: "cut" | "cut-pair";
    readonly ranks: ReadonlySet<number>;
    readonly until: number;
  }[];
  /** When each member's connections last broke. */
  readonly lostAt: Float64Array;
}

/** An entry of the queue whose time has come. */
export interface Due {
  readonly kind: number;
  readonly member: Member;
  readonly from: number;
  readonly life: number;
  readonly fromLife: number;
  readonly sentAt: number;
  readonly content: unknown;
}

/** What the engine does for faults: begin lives and put entries back. */
export interface FaultHooks {
  begin(member: Member): void;
  end(member: Member): void;
  leave(member: Member): void;
  again(entry: SlotEntry & { life: number; fromLife: number }, at: number): void;
}

/** No fault has happened yet. */
export function createFaultState(members: number, seed: number): FaultState {
  return {
    stream: randomStream({ seed, purpose: "fault-outcomes" }),
    pausedUntil: new Float64Array(members),
    cuts: [],
    lostAt: new Float64Array(members).fill(Number.NEGATIVE_INFINITY),
  };
}

/** Ranks that join later. */
export function absentRanks(faults: readonly Fault[]): Set<number> {
  return new Set(faults.flatMap((fault) => (fault.kind === "join" ? [fault.rank] : [])));
}

/** Lets a fault happen. */
export function happen(simulation: Simulation, fault: Fault, hooks: FaultHooks): void {
  const { members, network, now } = simulation;
  const state = simulation.faults!;
  switch (fault.kind) {
    case "crash":
      return hooks.end(members[fault.rank]!);
    case "restart":
    case "join":
      return hooks.begin(members[fault.rank]!);
    case "leave":
      return hooks.leave(members[fault.rank]!);
    case "pause":
      state.pausedUntil[fault.rank] = now + fault.seconds;
      return;
    case "slow":
      members[fault.rank]!.learnFactor *= fault.factor;
      return;
    case "slow-link":
      network.factor[fault.rank]! *= fault.factor;
      return;
    case "cut":
    case "cut-pair": {
      const { kind, ranks, seconds } = fault;
      state.cuts.push({ kind, ranks: new Set(ranks), until: now + seconds });
      return;
    }
    case "lose":
      state.lostAt[fault.rank] = now;
      return;
    default:
      fault satisfies never;
  }
}

/** Whether faults keep an entry from being delivered now: it is lost, or put back for later. */
export function isKept(simulation: Simulation, due: Due, hooks: FaultHooks): boolean {
  const state = simulation.faults!;
  const { member, from, kind } = due;
  // The life this was meant for is over, or has not begun.
  if (!member.alive || due.life !== member.life) return true;
  const pausedUntil = state.pausedUntil[member.rank]!;
  if (pausedUntil > simulation.now) {
    hooks.again({ ...due, member: member.rank }, pausedUntil);
    return true;
  }
  if (kind !== slotKind.message || from < 0) return false;
  const sender = simulation.members[from]!;
  if ((!sender.alive || sender.life !== due.fromLife) && nextBelow(state.stream, 2) === 0)
    return true;
  return isUnderWay(simulation, due, hooks);
}

/** A message waits while its link is cut; one that was under way when the link broke is sent again. */
function isUnderWay(simulation: Simulation, due: Due, hooks: FaultHooks): boolean {
  const { now, network, plan } = simulation;
  const state = simulation.faults!;
  const to = due.member.rank;
  const until = cutUntil(state, due.from, to, now);
  const entry = { ...due, member: to };
  const again = plan.costs.latencySeconds * 2 * (1 + nextUniform(network.stream));
  if (until > now) {
    hooks.again(entry, until + again);
    return true;
  }
  const broke = Math.max(state.lostAt[due.from]!, state.lostAt[to]!);
  if (due.sentAt > broke || broke > now) return false;
  // Sent again after the break; the first copy had come through when only its acknowledgement was lost.
  const cameThrough = nextBelow(state.stream, 2) === 0;
  hooks.again({ ...entry, sentAt: now }, now + again);
  return !cameThrough;
}

function cutUntil({ cuts }: FaultState, a: number, b: number, now: number): number {
  let until = now;
  for (const cut of cuts) {
    const [hasA, hasB] = [cut.ranks.has(a), cut.ranks.has(b)];
    const parts = cut.kind === "cut" ? hasA !== hasB : hasA && hasB;
    if (cut.until > until && parts) until = cut.until;
  }
  return until;
}

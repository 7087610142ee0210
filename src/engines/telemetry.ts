/**
 * What a run tells about its members: a fold of reports, the same for every engine. Staleness is counted
 * per update; time is split into learned, waited (for whom) and communicated.
 */
import type { Report, Role } from "../strategies/strategy.ts";

/** Updates staler than this share the last bar of the histogram. */
export const stalenessBarsMax = 4096;

/** One member's counts. */
export interface MemberTelemetry {
  readonly rank: number;
  readonly role: Role;
  /** Updates handed out by its learner, and their rows. */
  updates: number;
  rows: number;
  /** How often an update of it was applied, as reported: once per server, in peer-to-peer once per member. */
  applied: number;
  learnedSeconds: number;
  waitedSeconds: number;
  /** Seconds waited, by the member it waited for. */
  readonly waitedFor: Map<number, number>;
  /** Updates that count nowhere, because the member had been expelled. */
  lost: number;
  /** Exchanges with members that died, settled at a change of view, and the drift they left. */
  settled: number;
  drift: number;
  /** When its part was over. */
  finishedSeconds: number;
  messagesSent: number;
  bytesSent: number;
}

/** All members' counts, and the histogram of staleness: bar i counts updates that were i updates stale. */
export interface Telemetry {
  readonly members: MemberTelemetry[];
  readonly staleness: Float64Array;
  /** Messages that were not acted upon, by reason. */
  readonly drops: Map<string, number>;
}

/** Nothing counted yet. */
export function createTelemetry(roles: readonly Role[]): Telemetry {
  return {
    members: roles.map((role, rank) => ({
      rank,
      role,
      updates: 0,
      rows: 0,
      applied: 0,
      learnedSeconds: 0,
      waitedSeconds: 0,
      waitedFor: new Map(),
      lost: 0,
      settled: 0,
      drift: 0,
      finishedSeconds: 0,
      messagesSent: 0,
      bytesSent: 0,
    })),
    staleness: new Float64Array(stalenessBarsMax),
    drops: new Map(),
  };
}

/** Counts one report. */
export function foldReport({ members, staleness }: Telemetry, report: Report): void {
  switch (report.kind) {
    case "applied":
      members[report.from]!.applied++;
      staleness[Math.min(report.staleness, stalenessBarsMax - 1)]!++;
      return;
    case "lost":
      members[report.from]!.lost += report.updates;
      return;
    case "undone":
      members[report.from]!.applied--;
      return;
    case "waited":
      return countWait(members[report.rank]!, report.waitedFor, report.seconds);
    case "settled":
      members[report.rank]!.settled++;
      members[report.rank]!.drift += report.drift;
      return;
    case "credit":
      return;
    default:
      report satisfies never;
  }
}

/** Counts time that a member waited for another. */
export function countWait(member: MemberTelemetry, waitedFor: number, seconds: number): void {
  member.waitedSeconds += seconds;
  member.waitedFor.set(waitedFor, (member.waitedFor.get(waitedFor) ?? 0) + seconds);
}

/** Counts a message that was not acted upon. */
export function countDrop({ drops }: Telemetry, reason: string): void {
  drops.set(reason, (drops.get(reason) ?? 0) + 1);
}

/** What is left of a worker's time: neither learned nor waited. */
export function communicatedSeconds(member: MemberTelemetry): number {
  return Math.max(0, member.finishedSeconds - member.learnedSeconds - member.waitedSeconds);
}

/** Adds what one thread counted to the whole. */
export function mergeTelemetry(total: Telemetry, part: Telemetry): void {
  part.members.forEach((member, rank) => {
    const sum = total.members[rank]!;
    sum.updates += member.updates;
    sum.rows += member.rows;
    sum.applied += member.applied;
    sum.learnedSeconds += member.learnedSeconds;
    sum.lost += member.lost;
    sum.settled += member.settled;
    sum.drift += member.drift;
    sum.messagesSent += member.messagesSent;
    sum.bytesSent += member.bytesSent;
    sum.finishedSeconds = Math.max(sum.finishedSeconds, member.finishedSeconds);
    for (const [other, seconds] of member.waitedFor) countWait(sum, other, seconds);
  });
  part.staleness.forEach((count, bar) => {
    total.staleness[bar]! += count;
  });
  for (const [reason, count] of part.drops) {
    total.drops.set(reason, (total.drops.get(reason) ?? 0) + count);
  }
}

/** Mean staleness per applied update. */
export function meanStaleness({ staleness }: Telemetry): number {
  let count = 0;
  let sum = 0;
  staleness.forEach((updates, bar) => {
    count += updates;
    sum += updates * bar;
  });
  return count === 0 ? 0 : sum / count;
}

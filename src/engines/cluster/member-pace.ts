/** How far a member may learn: what the coordinator allowed, and what is left of that. */
import type { Order } from "./job.ts";

/** Allowances of one member. */
export interface MemberPace {
  /** Lockstep: updates that may be learned. */
  granted: number;
  /** Free pace: rows that may be, and how many were allowed at once. */
  lease: number;
  chunk: number;
  leaseAsked: boolean;
  /** There will be no more. */
  last: boolean;
  /** Nothing further for now: the run is being ended. */
  held: boolean;
}

/** Nothing is allowed yet. */
export function createMemberPace(): MemberPace {
  return { granted: 0, lease: 0, chunk: 0, leaseAsked: false, last: false, held: false };
}

/** Takes over what the coordinator says. */
export function obeyPace(
  pace: MemberPace,
  order: Extract<Order, { kind: "grant" | "lease" | "hold" }>,
): void {
  switch (order.kind) {
    case "grant":
      pace.granted = order.updates;
      pace.last = order.last;
      pace.held = false;
      return;
    case "lease":
      pace.lease = order.last && order.rows === 0 ? 0 : pace.lease + order.rows;
      pace.chunk = Math.max(pace.chunk, order.rows);
      pace.last = order.last;
      pace.leaseAsked = false;
      return;
    case "hold":
      pace.held = true;
      return;
    default:
      order satisfies never;
  }
}

/** Without a coordinator a member learns what is left of the plan: the same in lockstep at every member. */
export function allowRest(pace: MemberPace, rest: { updates: number; rows: number }): void {
  if (pace.last) return;
  pace.granted = rest.updates;
  pace.lease = Math.max(pace.lease, rest.rows);
  pace.last = true;
  pace.held = false;
}

/** Whether it is time to ask for more rows, so that they are here before the last ones are learned. */
export function asksForRows(pace: MemberPace): boolean {
  if (pace.last || pace.leaseAsked || pace.lease > pace.chunk / 2) return false;
  pace.leaseAsked = true;
  return true;
}

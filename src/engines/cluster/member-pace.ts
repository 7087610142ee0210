/** How far a member may learn: what the coordinator allowed, and what is left of that. */
import type { MemberHost } from "../member-host.ts";
import type { Order } from "./job.ts";
import type { SnapshotShelf } from "./snapshot-shelf.ts";

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
  /** Without a coordinator: of how many own rows the rest of the plan was reckoned; null before. */
  restOf: number | null;
  /** Nothing further for now: the run is being ended. */
  held: boolean;
}

/** Nothing is allowed yet. */
export function createMemberPace(): MemberPace {
  return {
    granted: 0,
    lease: 0,
    chunk: 0,
    leaseAsked: false,
    last: false,
    restOf: null,
    held: false,
  };
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
      pace.restOf = null;
      pace.held = false;
      return;
    case "lease":
      pace.lease = order.last && order.rows === 0 ? 0 : pace.lease + order.rows;
      pace.chunk = Math.max(pace.chunk, order.rows);
      pace.last = order.last;
      pace.leaseAsked = false;
      pace.restOf = null;
      return;
    case "hold":
      pace.held = true;
      return;
    default:
      order satisfies never;
  }
}

/**
 * Without a coordinator a member learns what is left of the plan: the same in lockstep at every member. Where each
 * learns on its own that follows its rows as they come and go; a member that still waits for all of its rows is not
 * done, it has not begun.
 */
export function allowRest(
  pace: MemberPace,
  { counts, learner, strategy }: MemberHost,
  /** `learned`: share of the plan's rows that were learned when its part began. */
  plan: {
    readonly epochs: number;
    readonly updates: number;
    readonly learned: number;
    readonly lacksRows: boolean;
  },
): void {
  const { epochs, updates, learned, lacksRows } = plan;
  const rows = learner?.rows ?? 0;
  pace.granted = pace.last ? pace.granted : Math.ceil(epochs * updates);
  if (rows === pace.restOf || (pace.last && pace.restOf === null)) return;
  if (rows === 0 && lacksRows && strategy.pace === "free") return;
  const rest = Math.max(0, Math.ceil((1 - learned) * epochs * rows) - counts.rows);
  pace.lease = pace.restOf === null ? Math.max(pace.lease, rest) : rest;
  pace.restOf = rows;
  pace.last = true;
  pace.held = false;
}

/**
 * Where each learns on its own, the coordinator is there again: rows come from it, as what was left of the plan was the
 * others' too. Who has learned all of it already is done.
 */
export function revokeRest(pace: MemberPace): void {
  if (pace.lease === 0) return;
  pace.lease = 0;
  pace.restOf = null;
  pace.last = false;
  pace.leaseAsked = false;
}

/** Share of the plan's rows that are learned, as far as one member can tell. */
export function learnedShare(
  { counts, learner }: MemberHost,
  epochs: number,
  before: number,
): number {
  const all = epochs * (learner?.rows ?? 0);
  return all > 0 ? Math.min(1, before + counts.rows / all) : before;
}

/** Whether the open request may be worked on, or for whom it waits. */
export function mayLearn(
  pace: MemberPace,
  host: MemberHost,
  port: {
    readonly shelf: SnapshotShelf;
    readonly askForRows: (rows: number, left: number) => void;
  },
): "learn" | "exhausted" | { readonly whom: string } {
  if (host.strategy.pace === "lockstep") return mayLearnRound(pace, host, port.shelf);
  if (asksForRows(pace)) port.askForRows(host.counts.rows, pace.lease);
  if (pace.lease > 0) return "learn";
  return pace.last ? "exhausted" : { whom: "rows from the coordinator" };
}

function mayLearnRound(
  { held, granted, last }: MemberPace,
  { cursor, replica }: MemberHost,
  shelf: SnapshotShelf,
): "learn" | "exhausted" | { readonly whom: string } {
  const { taken } = cursor!;
  shelf.offer(taken, () => replica.snapshot());
  if (held) return { whom: "the coordinator, which ends the run" };
  if (taken < granted) return "learn";
  return last ? "exhausted" : { whom: "the coordinator's verdict on a snapshot" };
}

/** Whether it is time to ask for more rows, so that they are here before the last ones are learned. */
function asksForRows(pace: MemberPace): boolean {
  if (pace.last || pace.leaseAsked || pace.lease > pace.chunk / 2) return false;
  pace.leaseAsked = true;
  return true;
}

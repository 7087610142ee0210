/**
 * How far members may learn: updates in lockstep, rows in free pace. What is allowed is never taken back, so
 * the same seed gives the same bits; a run ends after what was allowed when it was told to.
 */
import { snapshotUpdates } from "../member-host.ts";
import { snapshotsAhead } from "./snapshot-shelf.ts";

/** Lockstep: updates every worker may learn. */
export interface Grants {
  readonly every: number;
  granted: number;
  last: boolean;
  readonly total: number;
}

/** Grants of a run: all of it at once where nothing is judged, else as far as verdicts allow. */
export function createGrants(plan: {
  updates: number;
  epochs: number;
  snapshotEpochs: number;
}): Grants {
  const { updates, epochs, snapshotEpochs } = plan;
  const total = Math.ceil(epochs * updates);
  const every = snapshotUpdates(snapshotEpochs, updates);
  const granted = every === 0 ? total : Math.min(total, snapshotsAhead * every);
  return { every, granted, last: granted === total, total };
}

/** The verdict on snapshot `number` is in: as many more updates as it allows, or none. */
export function advanceGrants(grants: Grants, number: number, stop: boolean): void {
  if (grants.last) return;
  if (!stop) {
    grants.granted = Math.min(grants.total, (number + snapshotsAhead) * grants.every);
  }
  grants.last = stop || grants.granted === grants.total;
}

/** Free pace: rows that all workers together may learn. */
export interface Pool {
  readonly chunk: number;
  /** Of the plan, beyond what was learned before the run began. */
  readonly rows: number;
}

/** Rows that are handed out at once: a sixteenth of a worker's epoch, and at least one update. */
export function createPool(plan: {
  rows: number;
  epochs: number;
  workers: number;
  rowsPerUpdate: number;
  rowsBefore: number;
}): Pool {
  const { rows, epochs, workers, rowsPerUpdate, rowsBefore } = plan;
  return {
    rows: Math.max(0, Math.ceil(rows * epochs) - rowsBefore),
    chunk: Math.max(rowsPerUpdate, Math.ceil(rows / workers / 16)),
  };
}

/** The next rows out of the pool, where so many were learned or given out. */
export function takeRows(pool: Pool, taken: number): { rows: number; last: boolean } {
  const left = Math.max(0, pool.rows - taken);
  const rows = Math.min(pool.chunk, left);
  return { rows, last: left === rows };
}

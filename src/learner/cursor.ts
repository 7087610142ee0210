/**
 * The row cursor: which of a worker's own rows the next `learn` takes. An engine owns it; a strategy only
 * says how many rows it wants.
 *
 * A worker's rows of an epoch (in the order its learner shuffles them into) are cut into `updates` parts
 * whose sizes differ by at most one. In lockstep every worker cuts its epoch into as many parts as the
 * worker with most rows, so that the k-th `learn` of all workers is answered alike and epochs end together.
 */

/** Rows [from, to) of a worker's order of that epoch. */
export interface RowSpan {
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
}

/** A worker's place in its rows: plain data, part of a checkpoint. */
export interface Cursor {
  /** Rows the worker owns. */
  readonly rows: number;
  /** Parts an epoch is cut into. */
  readonly updates: number;
  /** Parts handed out so far. */
  taken: number;
}

/** A cursor at the first row. `updates` is for lockstep; without it the own rows decide. */
export function createCursor(options: {
  rows: number;
  rowsPerUpdate: number;
  updates?: number;
}): Cursor {
  const { rows, rowsPerUpdate } = options;
  return { rows, updates: options.updates ?? updatesPerEpoch(rows, rowsPerUpdate), taken: 0 };
}

/** Parts that an epoch of that many rows is cut into. */
export function updatesPerEpoch(rows: number, rowsPerUpdate: number): number {
  return Math.max(1, Math.ceil(rows / rowsPerUpdate));
}

/** A cursor over other rows: in lockstep in as many parts, else at the same place of the epoch, as nearly as parts allow. */
export function movedCursor(
  { taken, updates }: Cursor,
  options: { rows: number; rowsPerUpdate: number; lockstep: boolean },
): Cursor {
  const { lockstep, ...over } = options;
  const next = createCursor({ ...over, ...(lockstep ? { updates } : {}) });
  next.taken = Math.round((taken / updates) * next.updates);
  return next;
}

/** The next part, and moves on. */
export function nextSpan(cursor: Cursor): RowSpan {
  const { rows, updates } = cursor;
  const part = cursor.taken % updates;
  const epoch = (cursor.taken - part) / updates;
  cursor.taken++;
  return {
    epoch,
    from: Math.floor((part * rows) / updates),
    to: Math.floor(((part + 1) * rows) / updates),
  };
}

/**
 * What all members of a run share beside mailboxes: who is ready, how many rows are claimed, and up to which
 * update workers may go. In lockstep the k-th update of all workers is allowed or refused alike: the first
 * worker that wants it opens the gate; a stop closes the gate for good, after the update that is open.
 */
const word = {
  gate: 0,
  verdicts: 1,
  started: 2,
  updatesMax: 3,
  limit: 4,
  finished: 5,
  sleeping: 6,
} as const;
/** The gate's highest usable bit says that it is closed. */
const closed = 1 << 30;

/** Views over the shared words of a run. */
export interface Control {
  readonly words: Int32Array;
  readonly claimed: BigInt64Array;
  readonly sent: BigInt64Array;
}

export const controlBytes = 128;

/** Views the control words at the start of a shared buffer; zeroed memory is a run that begins. */
export function viewControl(buffer: SharedArrayBuffer): Control {
  return {
    words: new Int32Array(buffer, 0, 16),
    claimed: new BigInt64Array(buffer, 64, 1),
    sent: new BigInt64Array(buffer, 72, 1),
  };
}

/** Whether a worker may learn update `k` (from 1) in lockstep; every worker gets the same answer. */
export function mayLearn({ words }: Control, k: number): boolean {
  const limit = Atomics.load(words, word.limit);
  if (limit > 0 && k > limit) return false;
  for (;;) {
    const gate = Atomics.load(words, word.gate);
    if ((gate & ~closed) >= k) return true;
    if ((gate & closed) !== 0) return false;
    if (Atomics.compareExchange(words, word.gate, gate, k) === gate) return true;
  }
}

/** Claims rows of the run's budget: how many were claimed before, or -1 when it was used up. */
export function claimRows({ claimed }: Control, rows: number, budget: number): number {
  if (Number(Atomics.load(claimed, 0)) >= budget) return -1;
  const before = Number(Atomics.add(claimed, 0, BigInt(rows)));
  return before < budget ? before : -1;
}

/** No further updates, except what is open. */
export function closeGate({ words, claimed }: Control): void {
  Atomics.or(words, word.gate, closed);
  Atomics.store(claimed, 0, 1n << 52n);
}

/** No updates beyond `k` in lockstep. */
export function limitUpdates({ words, claimed }: Control, k: number): void {
  Atomics.store(words, word.limit, k);
  Atomics.store(claimed, 0, 1n << 52n);
}

/** How many snapshots were judged. */
export function verdictsOf({ words }: Control): number {
  return Atomics.load(words, word.verdicts);
}

/** Where a run goes on: so many snapshots were judged, and rows claimed. */
export function resumeControl(
  { words, claimed }: Control,
  { number, rows }: { number: number; rows: number },
): void {
  Atomics.store(words, word.verdicts, number);
  Atomics.store(claimed, 0, BigInt(Math.round(rows)));
}

/** Counts a verdict. */
export function countVerdict({ words }: Control): void {
  Atomics.add(words, word.verdicts, 1);
}

/** In lockstep every worker cuts its epoch into as many updates as the one with most rows. */
export function offerUpdates({ words }: Control, updates: number): void {
  for (;;) {
    const most = Atomics.load(words, word.updatesMax);
    if (most >= updates) return;
    if (Atomics.compareExchange(words, word.updatesMax, most, updates) === most) return;
  }
}

/** Updates an epoch; known once all members are ready. */
export function updatesAgreed({ words }: Control): number {
  return Atomics.load(words, word.updatesMax);
}

/** Lets all members begin. */
export function start({ words }: Control): void {
  Atomics.store(words, word.started, 1);
  Atomics.notify(words, word.started);
}

/** Sleeps until all members may begin. */
export function awaitStart({ words }: Control): void {
  Atomics.wait(words, word.started, 0);
}

/** Counts bytes that a member sends. */
export function countBytes({ sent }: Control, bytes: number): void {
  Atomics.add(sent, 0, BigInt(bytes));
}

/** Bytes sent by all members so far. */
export function bytesOf({ sent }: Control): number {
  return Number(Atomics.load(sent, 0));
}

/** Counts a member whose part is over; returns how many are. */
export function countFinished({ words }: Control): number {
  return Atomics.add(words, word.finished, 1) + 1;
}

/** How many members' parts are over. */
export function finishedOf({ words }: Control): number {
  return Atomics.load(words, word.finished);
}

/** Counts a member that falls asleep (1) or wakes up (-1). */
export function countSleeping({ words }: Control, change: 1 | -1): void {
  Atomics.add(words, word.sleeping, change);
}

/** How many members sleep. */
export function sleepingOf({ words }: Control): number {
  return Atomics.load(words, word.sleeping);
}

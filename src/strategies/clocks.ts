/**
 * Clock policies of the parameter server: who may start its next iteration, as a pure function of push
 * counts and push times. t_p counts the pushes of worker p; `slowest` is the smallest count of a worker
 * that is still present.
 *
 * bsp and ssp with threshold s: p may start while t_p - slowest <= s (bsp: s = 0). asp: always.
 * dssp, range [sL, sU] (Zhao et al. 2019, arXiv 1908.11848), on a push of p:
 *   1. t_p += 1.
 *   2. If r_p > 0: r_p -= 1, OK.
 *   3. Else if t_p - slowest <= sL: OK.
 *   4. Else if no member is ahead of p: r_p = min(controller(p), sU - (t_p - slowest) + 1), not below 0;
 *      if r_p > 0: r_p -= 1, OK.
 *   5. Else wait until t_p - slowest <= sL.
 * The cap in 4 and the credit used by that OK are ours: the published rule has neither and lets a worker
 * start an iteration far beyond sU (`uncapped` keeps it, for comparison).
 *
 * Invariant (ssp): no worker starts an iteration more than s ahead of the slowest member of its view.
 * Invariant (dssp): no worker starts an iteration more than sU ahead of the slowest member of its view.
 */

/** The settings of a policy: sL = sU means ssp. */
export interface ClockPolicy {
  readonly lower: number;
  readonly upper: number;
  readonly uncapped: boolean;
}

/** What a server knows of its workers' clocks: plain data. */
export interface Clocks {
  readonly policy: ClockPolicy;
  /** t_p. */
  readonly counts: Int32Array;
  readonly present: Uint8Array;
  /** r_p: iterations that p may still start without being checked. */
  readonly credits: Int32Array;
  /** A[p]: times of the last push and of the one before; NaN until there are two. */
  readonly lastPush: Float64Array;
  readonly pushBefore: Float64Array;
  /** How many present workers have pushed that often. */
  readonly atCount: Map<number, number>;
  /** Workers that wait, by the smallest count of the slowest that lets them go. */
  readonly waiting: Map<number, number[]>;
  slowest: number;
  fastest: number;
  members: number;
  /** What the controller granted at the last push; 0 when it was not asked. */
  granted: number;
}

/** Clocks at the start, by the ranks of members: nothing pushed, or by all `count` updates; everybody present, or those ranks only. */
export function createClocks(
  members: number,
  policy: ClockPolicy,
  ranks: Iterable<number> = Array(members).keys(),
  count = 0,
): Clocks {
  const present = new Uint8Array(members);
  for (const rank of ranks) present[rank] = 1;
  const workers = present.reduce((sum, one) => sum + one, 0);
  return {
    policy,
    counts: new Int32Array(members).fill(count),
    present,
    credits: new Int32Array(members),
    lastPush: new Float64Array(members).fill(Number.NaN),
    pushBefore: new Float64Array(members).fill(Number.NaN),
    atCount: new Map(workers > 0 ? [[count, workers]] : []),
    waiting: new Map(),
    slowest: count,
    fastest: count,
    members: workers,
    granted: 0,
  };
}

/**
 * Counts a push of p at time `now` and returns the workers that may start now, p among them or not.
 * A worker that may not start waits until a later call returns it.
 */
export function countPush(clocks: Clocks, p: number, now: number): number[] {
  const count = clocks.counts[p]! + 1;
  clocks.counts[p] = count;
  clocks.pushBefore[p] = clocks.lastPush[p]!;
  clocks.lastPush[p] = now;
  if (count > clocks.fastest) clocks.fastest = count;
  clocks.atCount.set(count, (clocks.atCount.get(count) ?? 0) + 1);
  leaveCount(clocks, count - 1);
  const mayStart = decide(clocks, p);
  const released = moveSlowest(clocks);
  if (mayStart) released.push(p);
  return released;
}

/** Takes a worker out: its credit is dropped, the slowest recomputed; returns who may start now. */
export function countOut(clocks: Clocks, p: number): number[] {
  if (clocks.present[p] === 0) return [];
  clocks.present[p] = 0;
  clocks.credits[p] = 0;
  clocks.members--;
  for (const list of clocks.waiting.values()) {
    const place = list.indexOf(p);
    if (place >= 0) list.splice(place, 1);
  }
  leaveCount(clocks, clocks.counts[p]!);
  return moveSlowest(clocks);
}

/**
 * Counts a newcomer in, as if it had just pushed update `count`, which no present worker may be far behind;
 * says whether it may start now. If not it waits until a later call returns it.
 */
export function countIn(clocks: Clocks, p: number, count: number): boolean {
  if (clocks.members === 0) clocks.slowest = count;
  clocks.present[p] = 1;
  clocks.members++;
  clocks.counts[p] = count;
  clocks.credits[p] = 0;
  clocks.lastPush[p] = Number.NaN;
  clocks.pushBefore[p] = Number.NaN;
  clocks.fastest = Math.max(clocks.fastest, count);
  clocks.atCount.set(count, (clocks.atCount.get(count) ?? 0) + 1);
  return decide(clocks, p);
}

/** Whether p has pushed and may not start yet. */
export function isWaiting({ waiting, counts, policy }: Clocks, p: number): boolean {
  return waiting.get(counts[p]! - policy.lower)?.includes(p) ?? false;
}

/** Clocks as arrays, for a message; a time that is not known is -1. */
export interface ClockArrays {
  readonly counts: Int32Array;
  readonly present: Uint8Array;
  readonly credits: Int32Array;
  readonly lastPush: Float64Array;
  readonly pushBefore: Float64Array;
  readonly waits: Uint8Array;
}

export function clockArrays(clocks: Clocks): ClockArrays {
  return {
    counts: clocks.counts.slice(),
    present: clocks.present.slice(),
    credits: clocks.credits.slice(),
    lastPush: clocks.lastPush.map((time) => (Number.isNaN(time) ? -1 : time)),
    pushBefore: clocks.pushBefore.map((time) => (Number.isNaN(time) ? -1 : time)),
    waits: Uint8Array.from(clocks.counts, (_, p) => Number(isWaiting(clocks, p))),
  };
}

/** The clocks that these arrays are. */
export function readClocks(policy: ClockPolicy, arrays: ClockArrays): Clocks {
  const clocks = createClocks(arrays.counts.length, policy, []);
  for (const name of ["counts", "present", "credits"] as const) clocks[name].set(arrays[name]);
  for (const name of ["lastPush", "pushBefore"] as const) {
    clocks[name].set(arrays[name].map((time) => (time < 0 ? Number.NaN : time)));
  }
  let slowest = Number.POSITIVE_INFINITY;
  arrays.counts.forEach((count, p) => {
    clocks.fastest = Math.max(clocks.fastest, count);
    if (arrays.present[p] !== 1) return;
    clocks.members++;
    slowest = Math.min(slowest, count);
    clocks.atCount.set(count, (clocks.atCount.get(count) ?? 0) + 1);
    if (arrays.waits[p] === 1) waitFor(clocks, p);
  });
  clocks.slowest = clocks.members > 0 ? slowest : clocks.fastest;
  return clocks;
}

/** The worker everybody waits for: smallest count, then oldest push, then rank; -1 when all have left. */
export function slowestWorker(clocks: Clocks): number {
  let slowest = -1;
  for (let p = 0; p < clocks.counts.length; p++) {
    if (clocks.present[p] === 0 || clocks.counts[p] !== clocks.slowest) continue;
    if (slowest < 0 || pushTime(clocks, p) < pushTime(clocks, slowest)) slowest = p;
  }
  return slowest;
}

function decide(clocks: Clocks, p: number): boolean {
  const { policy, counts, credits } = clocks;
  clocks.granted = 0;
  const slowest = slowestCountWithout(clocks);
  const gap = counts[p]! - slowest;
  if (credits[p]! > 0) {
    credits[p]!--;
    return true;
  }
  if (gap <= policy.lower) return true;
  const credit = grant(clocks, p, gap);
  clocks.granted = credit;
  if (credit > 0) {
    credits[p] = policy.uncapped ? credit : credit - 1;
    return true;
  }
  waitFor(clocks, p);
  return false;
}

function waitFor({ waiting, counts, policy }: Clocks, p: number): void {
  const needed = counts[p]! - policy.lower;
  const list = waiting.get(needed);
  if (list) list.push(p);
  else waiting.set(needed, [p]);
}

/** Step 4: how many iterations beyond sL the controller grants p, which leads by `gap`. */
function grant(clocks: Clocks, p: number, gap: number): number {
  const { policy, counts, fastest, lastPush, pushBefore } = clocks;
  const range = policy.upper - policy.lower;
  if (range === 0 || counts[p]! < fastest) return 0;
  const slow = slowestWorker(clocks);
  if (slow < 0 || Number.isNaN(pushBefore[p]! + pushBefore[slow]!)) return 0;
  const credit = controller({
    last: lastPush[p]!,
    interval: lastPush[p]! - pushBefore[p]!,
    slowLast: lastPush[slow]!,
    slowInterval: lastPush[slow]! - pushBefore[slow]!,
    creditMax: range,
  });
  return policy.uncapped ? credit : Math.max(0, Math.min(credit, policy.upper - gap + 1));
}

/** What the controller of dssp looks at. */
export interface ControllerQuestion {
  /** Time of p's last push, and between its last two. */
  readonly last: number;
  readonly interval: number;
  /** The same of the slowest worker. */
  readonly slowLast: number;
  readonly slowInterval: number;
  /** r_max = sU - sL. */
  readonly creditMax: number;
}

/**
 * dssp's controller: after how many further iterations would p wait least for the slowest?
 * Sim_p[i] = last + i * interval; Sim_slow[k] = slowLast + (k + 1) * slowInterval; i, k in 0..creditMax;
 * the i that minimises |Sim_slow[k] - Sim_p[i]|, the smallest on ties. Linear, by two pointers, as both
 * ascend; the quadratic form is its slow twin (clocks.test.ts).
 */
export function controller(question: ControllerQuestion): number {
  const { last, interval, slowLast, slowInterval, creditMax } = question;
  let best = 0;
  let shortest = Number.POSITIVE_INFINITY;
  let i = 0;
  let k = 0;
  while (i <= creditMax && k <= creditMax) {
    const wait = slowLast + (k + 1) * slowInterval - (last + i * interval);
    if (Math.abs(wait) < shortest) {
      shortest = Math.abs(wait);
      best = i;
    }
    if (wait > 0) i++;
    else k++;
  }
  return best;
}

/** Moves `slowest` up to the smallest count that is present; returns the waiters this lets go. */
function moveSlowest(clocks: Clocks): number[] {
  const before = clocks.slowest;
  clocks.slowest = slowestCountWithout(clocks);
  const released: number[] = [];
  for (let needed = before; needed <= clocks.slowest; needed++) {
    const list = clocks.waiting.get(needed);
    if (list === undefined) continue;
    clocks.waiting.delete(needed);
    released.push(...list.sort((a, b) => a - b));
  }
  return released;
}

function slowestCountWithout({ atCount, slowest, fastest, members }: Clocks): number {
  if (members === 0) return fastest;
  let count = slowest;
  while (!atCount.has(count)) count++;
  return count;
}

function leaveCount({ atCount }: Clocks, count: number): void {
  const left = atCount.get(count)! - 1;
  if (left === 0) atCount.delete(count);
  else atCount.set(count, left);
}

function pushTime({ lastPush }: Clocks, p: number): number {
  const time = lastPush[p]!;
  return Number.isNaN(time) ? Number.NEGATIVE_INFINITY : time;
}

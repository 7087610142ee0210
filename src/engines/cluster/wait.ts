/**
 * All waiting of a process of a cluster: nobody waits without saying for whom and until when at most. What is
 * waited for now is told by `status`; test/cluster/waits.test.ts finds waits that pass this file by.
 */
import { ClusterError } from "./cluster-error.ts";
import type { MemberWait } from "./job.ts";

/** For whom, and for how long at most. */
export interface WaitBound {
  readonly whom: string;
  readonly secondsMax: number;
}

interface Going {
  readonly whom: string;
  /** Of `performance.now()`. */
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** Of this process: a process is one member. */
const going = new Set<Going>();

/**
 * The outcome of the work.
 * @throws ClusterError that says who did not come, once the time is over.
 */
export async function waitFor<Value>(bound: WaitBound, work: Promise<Value>): Promise<Value> {
  const { whom, secondsMax } = bound;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new ClusterError(`Waited ${secondsMax} s for ${whom}, in vain`);
    timer = setTimeout(() => reject(error), 1000 * secondsMax);
  });
  return counted(bound, Promise.race([work, late])).finally(() => clearTimeout(timer));
}

/** Lets that much time pass before the next attempt. */
export function pause(bound: WaitBound): Promise<void> {
  const over = new Promise<void>((resume) => setTimeout(resume, 1000 * bound.secondsMax));
  return counted(bound, over);
}

/** What this process waits for, with times of the run, whose present time is `now` (seconds). */
export function waitsNow(now: number): MemberWait[] {
  const at = (ms: number) => now + (ms - performance.now()) / 1000;
  return [...going].map(({ whom, sinceMs, untilMs }) => ({
    ...{ whom, since: Math.max(0, at(sinceMs)), until: at(untilMs) },
  }));
}

async function counted<Value>(bound: WaitBound, work: Promise<Value>): Promise<Value> {
  const sinceMs = performance.now();
  const one = { whom: bound.whom, sinceMs, untilMs: sinceMs + 1000 * bound.secondsMax };
  going.add(one);
  try {
    return await work;
  } finally {
    going.delete(one);
  }
}

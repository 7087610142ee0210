import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextBelow, nextUniform, randomStream } from "../math/random.ts";
import {
  type ClockPolicy,
  type Clocks,
  type ControllerQuestion,
  controller,
  countOut,
  countPush,
  createClocks,
} from "./clocks.ts";

/** The slow twin of dssp's controller: all pairs, smallest i on ties. */
function quadraticController(question: ControllerQuestion): number {
  const { last, interval, slowLast, slowInterval, creditMax } = question;
  let best = 0;
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i <= creditMax; i++) {
    for (let k = 0; k <= creditMax; k++) {
      const wait = Math.abs(slowLast + (k + 1) * slowInterval - (last + i * interval));
      if (wait < shortest) [shortest, best] = [wait, i];
    }
  }
  return best;
}

/** Workers of random speeds push as soon as they may; returns the largest lead at any start. */
function largestLead(policy: ClockPolicy, seed: number, leavers = 0): number {
  const stream = randomStream({ seed, purpose: "clocks-test" });
  const workers = 2 + nextBelow(stream, 6);
  const clocks = createClocks(workers, policy);
  const speed = Array.from({ length: workers }, () => 10 ** (2 * nextUniform(stream)));
  const due = speed.map((seconds) => seconds * nextUniform(stream));
  let largest = 0;
  let left = 0;
  for (let pushes = 0; pushes < 300; pushes++) {
    const p = due.indexOf(Math.min(...due));
    const now = due[p]!;
    expect(now, "somebody may go on").toBeLessThan(Infinity);
    due[p] = Number.POSITIVE_INFINITY;
    const leaves = left < leavers && left < workers - 1 && nextBelow(stream, 40) === 0;
    if (leaves) left++;
    for (const rank of leaves ? countOut(clocks, p) : countPush(clocks, p, now)) {
      largest = Math.max(largest, clocks.counts[rank]! - slowestOf(clocks));
      due[rank] = now + speed[rank]! * (0.2 + nextUniform(stream));
    }
  }
  return largest;
}

function slowestOf({ counts, present }: Clocks): number {
  return Math.min(...[...counts].filter((_, p) => present[p] === 1));
}

describe("ssp", () => {
  test("no worker starts an iteration more than s ahead of the slowest member of its view", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const s = seed % 5;
      const lead = largestLead({ lower: s, upper: s, uncapped: false }, seed, 2);
      expect(lead, `seed ${seed}`).toBeLessThanOrEqual(s);
    }
  });
});

describe("dssp", () => {
  test("no worker starts an iteration more than sU ahead of the slowest member of its view", () => {
    for (let seed = 1; seed <= 1000; seed++) {
      const lower = seed % 4;
      const upper = lower + (seed % 13);
      const lead = largestLead({ lower, upper, uncapped: false }, seed, 2);
      expect(lead, `seed ${seed}`).toBeLessThanOrEqual(upper);
    }
  });

  test("the published rule, without the cap, goes beyond sU", () => {
    const leads = Array.from({ length: 200 }, (_, k) =>
      largestLead({ lower: 3, upper: 15, uncapped: true }, k + 1),
    );
    expect(Math.max(...leads)).toBeGreaterThan(15);
  });

  test("the controller equals its quadratic form, over all questions", () => {
    const time = fc.double({ min: 0, max: 100, noNaN: true });
    fc.assert(
      fc.property(
        fc.record({
          last: time,
          interval: time,
          slowLast: time,
          slowInterval: time,
          creditMax: fc.nat(20),
        }),
        (question) => {
          expect(controller(question)).toBe(quadraticController(question));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("the controller equals its quadratic form where there are ties", () => {
    const time = fc.nat(6);
    fc.assert(
      fc.property(
        fc.record({
          last: time,
          interval: time,
          slowLast: time,
          slowInterval: time,
          creditMax: fc.nat(8),
        }),
        (question) => {
          expect(controller(question)).toBe(quadraticController(question));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("credits worked by hand: range 1 to 4, the slow worker pushes every 4 seconds", () => {
    const clocks = createClocks(2, { lower: 1, upper: 4, uncapped: false });
    expect(countPush(clocks, 0, 1)).toEqual([0]); // counts 1 and 0, lead 1 <= sL
    expect(countPush(clocks, 0, 2)).toEqual([]); // lead 2; no interval of the slowest yet: wait
    expect(countPush(clocks, 1, 4)).toEqual([0, 1]); // lead 1 again
    expect(countPush(clocks, 0, 5)).toEqual([]); // lead 2; the slowest has pushed once: wait
    expect(countPush(clocks, 1, 8)).toEqual([0, 1]); // lead 1; from now on it has an interval of 4
    // Lead 2. p is due at 9, 13, 17, 21, the slowest at 12, 16, 20, 24: the nearest pairs are 1 apart,
    // the first of them at i = 1. One credit, and this start uses it.
    expect(countPush(clocks, 0, 9)).toEqual([0]);
    expect([clocks.granted, clocks.credits[0]]).toEqual([1, 0]);
    // Lead 3. p is due at 10, 11, 12, 13: it meets the slowest at 12, i = 2. Two credits, one used.
    expect(countPush(clocks, 0, 10)).toEqual([0]);
    expect([clocks.granted, clocks.credits[0]]).toEqual([2, 1]);
    // Lead 4: the other credit is spent.
    expect(countPush(clocks, 0, 11)).toEqual([0]);
    expect([clocks.granted, clocks.credits[0]]).toEqual([0, 0]);
    // Lead 5 is more than sU: nothing is granted, p waits, also when the slowest comes to 3.
    expect(countPush(clocks, 0, 11.5)).toEqual([]);
    expect(countPush(clocks, 1, 12)).toEqual([1]);
  });
});

describe("membership", () => {
  test("a leaver's credit is dropped, the slowest recomputed, waiters checked again", () => {
    const clocks = createClocks(3, { lower: 0, upper: 0, uncapped: false });
    expect(countPush(clocks, 0, 1)).toEqual([]);
    expect(countPush(clocks, 1, 1)).toEqual([]);
    expect(countOut(clocks, 2)).toEqual([0, 1]);
  });
});

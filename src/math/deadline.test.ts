import fc from "fast-check";
import { expect, test } from "vitest";
import { addDuration, createDurations, deadlineOf, medianOf } from "./deadline.ts";

const rule = { floorSeconds: 0.01, firstSeconds: 1, spreads: 8 };

test("a deadline is never below its floor, nor below the median of what was seen", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 1 }),
      (seen) => {
        const durations = createDurations();
        for (const seconds of seen) addDuration(durations, seconds);
        const deadline = deadlineOf(durations, rule);
        expect(deadline).toBeGreaterThanOrEqual(rule.floorSeconds);
        expect(deadline).toBeGreaterThanOrEqual(medianOf(Float64Array.from(seen.slice(-32))));
      },
    ),
  );
});

test("one late duration among many does not move the deadline", () => {
  const durations = createDurations();
  expect(deadlineOf(durations, rule)).toBe(1);
  for (let k = 0; k < 31; k++) addDuration(durations, 0.1 + 0.001 * (k % 3));
  const before = deadlineOf(durations, rule);
  addDuration(durations, 60);
  expect(deadlineOf(durations, rule)).toBeCloseTo(before, 6);
});

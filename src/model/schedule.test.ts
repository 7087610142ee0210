import fc from "fast-check";
import { expect, test } from "vitest";
import {
  constantSchedule,
  decaySchedule,
  inverseScalingSchedule,
  optimalSchedule,
  type Schedule,
} from "./schedule.ts";

const l2 = 1e-3;
const schedules: Record<string, () => Schedule> = {
  optimal: () => optimalSchedule({ l2, t0: 5000 }),
  constant: () => constantSchedule({ l2, eta0: 0.3 }),
  "inverse-scaling": () => inverseScalingSchedule({ l2, eta0: 2, power: 0.5 }),
  decay: () => decaySchedule({ l2, eta0: 0.5, beta: 0.9, rows: 100 }),
};

for (const [name, create] of Object.entries(schedules)) {
  test(`${name}: s(T+1) = s(T) * (1 - eta(T+1) * lambda), s(0) = 1, to 1e-9`, () => {
    const schedule = create();
    expect(schedule.logScale(0)).toBeCloseTo(0, 15);
    for (let t = 0; t < 700; t++) {
      const expected = schedule.logScale(t) + Math.log1p(-schedule.rate(t + 1) * l2);
      expect(Math.abs(schedule.logScale(t + 1) - expected)).toBeLessThan(1e-9);
    }
  });

  test(`${name}: log s does not depend on the order in which it is asked for, to 1e-12`, () => {
    const times = fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 20 });
    fc.assert(
      fc.property(times, (list) => {
        const asked = create();
        for (const t of list) {
          const fresh = create().logScale(t);
          expect(Math.abs(asked.logScale(t) - fresh)).toBeLessThanOrEqual(
            1e-12 * (1 + Math.abs(fresh)),
          );
        }
      }),
    );
  });
}

test("steps that would turn the regulariser round are refused with words", () => {
  expect(() => constantSchedule({ l2: 1, eta0: 1 })).toThrow(/eta \* l2 must be below 1/);
  expect(() => optimalSchedule({ l2: 0, t0: 1 })).toThrow(/l2 must be > 0/);
  expect(() => decaySchedule({ l2, eta0: 1, beta: 1.5, rows: 1 })).toThrow(/beta must be in/);
});

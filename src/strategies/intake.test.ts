import fc from "fast-check";
import { expect, test } from "vitest";
import { createIntake, takeClock } from "./intake.ts";

test("a clock is taken at most once, whatever comes twice or out of order", () => {
  const clocks = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 80 });
  fc.assert(
    fc.property(clocks, (coming) => {
      const intake = createIntake();
      const seen = new Set<number>();
      for (const clock of coming) {
        expect(takeClock(intake, clock)).toBe(!seen.has(clock));
        seen.add(clock);
      }
      let below = 0;
      while (seen.has(below + 1)) below++;
      expect(intake.below).toBe(below);
    }),
  );
});

/** 1,000 schedules per strategy; any number by `npm run simulate:soak`. A failure prints its replay line. */
import { describe, expect, test } from "vitest";
import { checkStrategy, reportLines } from "../../src/engines/simulator/check.ts";
import { messageStrategies } from "../../src/strategies/all.ts";

describe.each(messageStrategies.map((strategy) => ({ strategy, name: strategy.name })))(
  "$name",
  ({ strategy }) => {
    test("keeps every law under 1,000 random schedules", () => {
      const report = checkStrategy(strategy, { schedules: 1000 });
      expect(report.passed, reportLines(report).join("\n")).toBe(true);
    });
  },
);

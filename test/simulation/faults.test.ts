/** Strategies under faults: 1,000 schedules each in CI, any number by SCHEDULES=N or `npm run simulate:soak`. */
import { describe, expect, test } from "vitest";
import { checkFaults, violationLines } from "../../src/engines/simulator/fault-laws.ts";
import { messageStrategies } from "../../src/strategies/all.ts";

const schedules = Number(process.env.SCHEDULES ?? 1000);
const parallel = messageStrategies.filter(({ name }) => name !== "serial");

describe.each(parallel.map((strategy) => ({ strategy, name: strategy.name })))(
  "$name",
  ({ strategy }) => {
    test("keeps every law of members that come and go, under random faults", () => {
      for (let seed = 1; seed <= schedules; seed++) {
        const violation = checkFaults(strategy, seed);
        expect(violation && violationLines(violation).join("\n  ")).toBeNull();
      }
    });

    test("keeps them where beats go along some pairs only, as among many members", () => {
      for (let seed = 1; seed <= schedules / 10; seed++) {
        const violation = checkFaults(strategy, seed, { membership: { allPairsMax: 0 } });
        expect(violation && violationLines(violation).join("\n  ")).toBeNull();
      }
    });
  },
);

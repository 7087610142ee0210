#!/usr/bin/env node
/**
 * Keeps strategies under random schedules, and under random faults, for as long as you like:
 *
 *   npm run simulate:soak -- [--strategy NAME|./mine.ts] [--seed FIRST] [--schedules N] [--minutes M]
 *
 * Without --seed it begins where no run has been, and says where. A failure prints its replay line.
 */
import { parseArgs } from "node:util";
import { checkStrategy, reportLines } from "../dist/engines/simulator/check.js";
import { checkUnderFaults } from "../dist/engines/simulator/fault-laws.js";
import { loadStrategy, strategySource } from "../dist/engines/strategy-source.js";
import { messageStrategies } from "../dist/strategies/all.js";

const { values } = parseArgs({
  options: {
    strategy: { type: "string" },
    seed: { type: "string" },
    schedules: { type: "string" },
    minutes: { type: "string" },
  },
});
const names = values.strategy ? [values.strategy] : messageStrategies.map(({ name }) => name);
const batch = values.schedules ? Number(values.schedules) : 1000;
const until = Date.now() + 60_000 * Number(values.minutes ?? 0);
let seed = values.seed ? Number(values.seed) : Date.now() % 2 ** 31;
let passed = true;

do {
  for (const name of names) {
    const strategy = await loadStrategy(strategySource(name));
    const report = checkStrategy(strategy, { schedules: batch, seed, source: name });
    for (const line of reportLines(report)) console.log(line);
    passed &&= report.passed;
    if (name === "serial") continue;
    const faults = checkUnderFaults(strategy, { schedules: batch, seed, source: name });
    for (const line of reportLines(faults)) console.log(line);
    passed &&= faults.passed;
  }
  console.log(`seeds ${seed} to ${seed + batch - 1}: ${passed ? "all laws held" : "see above"}`);
  seed += batch;
} while (passed && Date.now() < until);
process.exitCode = passed ? 0 : 1;

import { expect, test } from "vitest";
import { checkFaults, violationLines } from "/work/member/src/engines/simulator/fault-laws.ts";
import { strategyNamed } from "/work/member/src/strategies/all.ts";

const names = (process.env.NAMES ?? "bsp,asp,ssp,dssp,allreduce").split(",");
const from = Number(process.env.FROM ?? 1),
  count = Number(process.env.COUNT ?? 200);
test.each(names)(
  "%s",
  (name) => {
    const bad: string[] = [];
    const begin = process.cpuUsage().user;
    for (
      let seed = from;
      seed < from + count && bad.length < Number(process.env.BAD ?? 2);
      seed++
    ) {
      const v = checkFaults(strategyNamed(name)!, seed);
      if (v) {
        console.log(name, violationLines(v).join("\n"));
        bad.push(violationLines(v).join("\n"));
      }
    }
    console.log(name, (process.cpuUsage().user - begin) / 1e6 / count, "s/seed");
    expect(bad.join("\n\n")).toBe("");
  },
  600_000,
);

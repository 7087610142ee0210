import { test } from "vitest";
import { runFaults } from "../../src/engines/simulator/fault-runs.ts";
import { readFaults } from "../../src/engines/simulator/fault-schedules.ts";
import { strategyNamed } from "../../src/strategies/all.ts";

test("trace", () => {
  const lines: string[] = [];
  const max = Number(process.env.MAX ?? 3000);
  const given = {
    ...(process.env.FAULTS !== undefined
      ? { faults: readFaults(process.env.FAULTS.replaceAll(";", "\n")) }
      : {}),
    plan: { eventsMax: max, trace: (l: string) => lines.push(l) },
  };
  const run = runFaults(strategyNamed(process.env.NAME!)!, Number(process.env.SEED), given);
  console.log(
    JSON.stringify(run.situation),
    JSON.stringify(run.faults),
    run.survivors,
    run.hasQuorum,
    run.result.deadlock,
  );
  const shown = lines
    .filter((l) => !/m\/beat/.test(l) || /view|finish|learn/.test(l.split("->")[1] ?? ""))
    .map((l) => l.replaceAll(/to worker \d+: m\/beat[^;]*(; )?/g, ""));
  require("node:fs").writeFileSync("/tmp/trace.txt", shown.join("\n"));
  console.log(
    run.states
      .map(
        (s, r) =>
          r +
          " " +
          JSON.stringify(s?.inner?.state, (k, v) =>
            v instanceof Map
              ? [...v]
              : v instanceof Set
                ? [...v]
                : ArrayBuffer.isView(v)
                  ? Array.from(v as never)
                  : k === "options" || k === "delta"
                    ? undefined
                    : v,
          ).slice(0, 900),
      )
      .join("\n"),
  );
});

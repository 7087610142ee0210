/** The invariants of the strategies' headers, in their words, under random delays and reorderings. */
import { describe, expect, test } from "vitest";
import { bitsOf } from "../../src/engines/simulator/laws.ts";
import { drawSchedule, ledgerPlan, quadraticPlan } from "../../src/engines/simulator/schedules.ts";
import { runSimulation, type SimulationPlan } from "../../src/engines/simulator/simulator.ts";
import { messageStrategies } from "../../src/strategies/all.ts";
import { allreduce } from "../../src/strategies/allreduce.ts";
import { dPsgd } from "../../src/strategies/d-psgd.ts";
import { asp, bsp, dssp, ssp } from "../../src/strategies/parameter-server.ts";
import type { AnyStrategy, StrategyOptions } from "../../src/strategies/strategy.ts";

const seeds = Array.from({ length: 300 }, (_, k) => k + 1);

/** The largest lead, in pushes, with which any worker starts an iteration. */
function largestLead(plan: SimulationPlan): number {
  const pushes = new Array<number>(plan.workers).fill(0);
  let largest = 0;
  const { deadlock } = runSimulation({
    ...plan,
    watch(_now, rank, event, effects) {
      if (event.kind === "learned") pushes[rank]!++;
      if (event.kind === "exhausted") pushes[rank] = Number.POSITIVE_INFINITY;
      if (!effects.some(({ kind }) => kind === "learn")) return;
      largest = Math.max(largest, pushes[rank]! - Math.min(...pushes));
    },
  });
  expect(deadlock).toBeNull();
  return largest;
}

describe.each([1, 2, 3])("with %i servers", (servers) => {
  test("ssp: no worker starts an iteration more than s ahead of the slowest member of its view", () => {
    for (const seed of seeds) {
      const schedule = drawSchedule(ssp, seed, { servers });
      const lead = largestLead(ledgerPlan(ssp, schedule));
      expect(lead, `seed ${seed}`).toBeLessThanOrEqual(schedule.options.staleness);
    }
  });

  test("dssp: no worker starts an iteration more than sU ahead of the slowest member of its view", () => {
    for (const seed of seeds) {
      const schedule = drawSchedule(dssp, seed, { servers });
      const lead = largestLead(ledgerPlan(dssp, schedule));
      expect(lead, `seed ${seed}`).toBeLessThanOrEqual(schedule.options.stalenessMax);
    }
  });

  test("ssp with s = 0 is bsp's schedule, with s = infinity asp's", () => {
    for (const seed of seeds.slice(0, 50)) {
      const fixed = { servers, merge: "sum" } as const;
      const strict = drawSchedule(ssp, seed, { ...fixed, staleness: 0 });
      expect(largestLead(ledgerPlan(bsp, strict)), `seed ${seed}`).toBe(0);
      expect(largestLead(ledgerPlan(ssp, strict)), `seed ${seed}`).toBe(0);
      const loose = drawSchedule(ssp, seed, { ...fixed, staleness: 1e9 });
      const traces = [asp, ssp].map((strategy) => traceOf(ledgerPlan(strategy, loose)));
      expect(traces[1], `seed ${seed}`).toBe(traces[0]);
    }
  });
});

function traceOf(plan: SimulationPlan): string {
  const lines: string[] = [];
  runSimulation({ ...plan, trace: (line) => lines.push(line) });
  return lines.join("\n");
}

describe("dssp --uncapped", () => {
  test("the published rule lets a worker start an iteration beyond sU", () => {
    const beyond = seeds.filter((seed) => {
      const schedule = drawSchedule(dssp, seed, { uncapped: true, staleness: 1, stalenessMax: 4 });
      const longer = { ...schedule, workers: 4, rowsPerWorker: 60, epochs: 3 };
      return largestLead(ledgerPlan(dssp, longer)) > 4;
    });
    expect(beyond.length).toBeGreaterThan(0);
  });
});

describe("duplicates", () => {
  test.each(messageStrategies.map(({ name }, k) => [name, k] as const))(
    "%s: duplicates, gaps and reordering are recognised and change nothing",
    (_, k) => {
      const strategy = messageStrategies[k]!;
      for (const seed of seeds.slice(0, 100)) {
        const plan = { ...ledgerPlan(strategy, drawSchedule(strategy, seed)), duplicates: 0.3 };
        const { deadlock, telemetry, model, seats } = runSimulation(plan);
        expect(deadlock, `seed ${seed}`).toBeNull();
        const law = strategy.conserves(plan.options);
        const share = law === "sum" ? 1 : 1 / plan.workers;
        const workers = seats.filter(({ role }) => role === "worker").length;
        for (let rank = 0; rank < workers; rank++) {
          const { updates } = telemetry.members[rank]!;
          expect(model.values[rank], `seed ${seed}`).toBeCloseTo(updates * share, 3);
        }
      }
    },
  );
});

describe("ledger", () => {
  test("per member, updates sent = updates applied, in every strategy", () => {
    for (const strategy of messageStrategies) {
      for (const seed of seeds.slice(0, 100)) {
        const plan = ledgerPlan(strategy, drawSchedule(strategy, seed));
        const { telemetry, seats } = runSimulation(plan);
        const servers = seats.filter(({ role }) => role === "server").length;
        // In peer-to-peer every member applies every update.
        const holders = strategy.name === "peer-to-peer" ? seats.length : Math.max(1, servers);
        for (const { updates, applied } of telemetry.members) {
          expect(applied, `${strategy.name}, seed ${seed}`).toBe(updates * holders);
        }
      }
    }
  });
});

describe("allreduce", () => {
  test.each(["ring", "tree", "complete"] as const)(
    "%s: all replicas are bitwise equal after each round",
    (topology) => {
      for (const seed of seeds) {
        const schedule = drawSchedule(allreduce, seed, { topology });
        const result = runSimulation(quadraticPlan(allreduce, schedule));
        const bits = new Set(result.replicas.map(bitsOf));
        expect(bits.size, `seed ${seed}`).toBe(1);
      }
    },
  );
});

describe("bsp, allreduce on ring, tree and complete, d-psgd adapt-then-average on complete", () => {
  /**
   * Values stay below 8; a round adds at most n + 2 roundings of half a unit in the last place of 8, and
   * the quadratic task contracts differences. 3 epochs of at most 24 rounds, 8 workers.
   */
  const bound = 72 * 10 * 8 * 2 ** -24;

  test.each(["sum", "mean"] as const)(
    "agree within 72 rounds of rounding, merging by %s",
    (merge) => {
      for (const seed of seeds) {
        const variants: [AnyStrategy, Partial<StrategyOptions>][] = [
          [bsp, { merge }],
          [allreduce, { merge, topology: "ring" }],
          [allreduce, { merge, topology: "tree" }],
          [allreduce, { merge, topology: "complete" }],
        ];
        if (merge === "mean") {
          variants.push([dPsgd, { merge, topology: "complete", order: "adapt-then-average" }]);
        }
        const drawn = drawSchedule(bsp, seed, { servers: 1 + (seed % 3) });
        const models = variants.map(([strategy, fixed]) => {
          const schedule = { ...drawn, options: { ...drawn.options, ...fixed } };
          return runSimulation(quadraticPlan(strategy, schedule)).model.values;
        });
        for (const values of models) {
          for (let i = 0; i < values.length; i++) {
            expect(Math.abs(values[i]! - models[0]![i]!), `seed ${seed}`).toBeLessThan(bound);
          }
        }
      }
    },
  );
});

describe("d-psgd", () => {
  test("averaging leaves the mean of the replicas unchanged", () => {
    // On the ledger the mean moves by updates only: exactly one n-th of each.
    for (const seed of seeds) {
      const schedule = drawSchedule(dPsgd, seed);
      const { model, telemetry } = runSimulation(ledgerPlan(dPsgd, schedule));
      for (let rank = 0; rank < schedule.workers; rank++) {
        const expected = telemetry.members[rank]!.updates / schedule.workers;
        expect(model.values[rank], `seed ${seed}`).toBeCloseTo(expected, 4);
      }
    }
  });
});

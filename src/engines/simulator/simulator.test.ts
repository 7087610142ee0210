import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { quadraticTask } from "../../learner/quadratic.ts";
import { dPsgd } from "../../strategies/d-psgd.ts";
import { asp, bsp } from "../../strategies/parameter-server.ts";
import { serial } from "../../strategies/serial.ts";
import { type AnyStrategy, strategyOptions } from "../../strategies/strategy.ts";
import { costs, drawSlow } from "./costs.ts";
import { createQueue, earliest, insert, removeEarliest } from "./queue.ts";
import { runSimulation, type SimulationPlan } from "./simulator.ts";

function planOf(strategy: AnyStrategy, given: Partial<SimulationPlan> = {}): SimulationPlan {
  const workers = given.workers ?? 4;
  return {
    strategy,
    options: strategyOptions({ rowsPerUpdate: 4 }),
    task: quadraticTask({ workers, rate: 0.02 }),
    workers,
    seed: 1,
    epochs: 5,
    costs: costs(),
    ...given,
  };
}

describe("queue", () => {
  test("gives back entries by time, and by insertion where times are equal", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 200 }), (times) => {
        const queue = createQueue(4);
        times.forEach((time, slot) => {
          insert(queue, time, slot);
        });
        const sorted = times
          .map((time, slot) => ({ time, slot }))
          .sort((a, b) => a.time - b.time || a.slot - b.slot);
        for (const { time, slot } of sorted) {
          expect(earliest(queue)).toBe(time);
          expect(removeEarliest(queue)).toBe(slot);
        }
        expect(earliest(queue)).toBe(Number.POSITIVE_INFINITY);
      }),
    );
  });
});

describe("simulation", () => {
  test("same seed, same trace, byte for byte; another seed, another trace", () => {
    const traceOf = (seed: number) => {
      const lines: string[] = [];
      const spread = { kind: "exponential" } as const;
      const model = costs({ latencySpread: spread });
      runSimulation(planOf(asp, { seed, costs: model, trace: (line) => lines.push(line) }));
      return lines.join("\n");
    };
    expect(traceOf(7)).toBe(traceOf(7));
    expect(traceOf(7)).not.toBe(traceOf(8));
  });

  test("learning costs seconds per row, times the member's slowness", () => {
    const model = costs({ learnSecondsPerRow: 1, slowMembers: { 0: 3 } });
    const result = runSimulation(planOf(serial, { workers: 1, costs: model, epochs: 1 }));
    expect(result.seconds).toBe(64 * 3);
    expect(result.telemetry.members[0]!.learnedSeconds).toBe(64 * 3);
  });

  test("a server that everybody pushes to is as busy as its link", () => {
    // 16 workers, 1 MB of model each way at 10 MB/s: 1.6 s a round in, as much out.
    const task = quadraticTask({ workers: 16, width: 262_144, rowsPerWorker: 4 });
    const model = costs({ bytesPerSecond: 10 * 1024 * 1024, learnSecondsPerRow: 0 });
    const result = runSimulation(planOf(bsp, { workers: 16, task, costs: model, epochs: 1 }));
    expect(result.seconds).toBeGreaterThan(3.2);
    expect(result.seconds).toBeLessThan(3.6);
  });

  test("time a worker waited is told, and for whom", () => {
    const model = costs({ learnSecondsPerRow: 1e-3, slowMembers: { 2: 10 } });
    const { telemetry } = runSimulation(planOf(bsp, { costs: model }));
    const { waitedFor, waitedSeconds } = telemetry.members[0]!;
    expect(waitedFor.get(2)! / waitedSeconds).toBeGreaterThan(0.99);
    expect(telemetry.members[2]!.waitedSeconds).toBe(0);
  });

  test("an observer can stop a run; lockstep workers end after the same round", () => {
    const observe = { everyRows: 64, at: ({ rows }: { rows: number }) => rows >= 300 };
    const { telemetry, deadlock } = runSimulation(planOf(dPsgd, { observe }));
    expect(deadlock).toBeNull();
    const updates = telemetry.members.map((member) => member.updates);
    expect(new Set(updates).size).toBe(1);
    expect(updates[0]).toBeLessThan(25);
  });

  test("a strategy's refusal is told before anything runs", () => {
    expect(() => runSimulation(planOf(serial))).toThrow(/serial runs on one worker/);
  });

  test("slow members are drawn from the seed", () => {
    const drawn = drawSlow({ count: 2, factor: 10 }, { workers: 16, seed: 5 });
    expect(Object.values(drawn)).toEqual([10, 10]);
    expect(drawSlow({ count: 2, factor: 10 }, { workers: 16, seed: 5 })).toEqual(drawn);
  });

  test("10,000 members on the quadratic task", () => {
    const workers = 10_000;
    const task = quadraticTask({ workers, rowsPerWorker: 4, rate: 1e-5 });
    const options = strategyOptions({ rowsPerUpdate: 4, topology: "exponential" });
    for (const strategy of [bsp, asp, dPsgd]) {
      const result = runSimulation(planOf(strategy, { workers, task, options, epochs: 2 }));
      expect(result.deadlock).toBeNull();
      expect(result.telemetry.members[0]!.rows).toBeGreaterThan(0);
    }
  });
});

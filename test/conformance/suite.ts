/**
 * What every engine must do, as one suite: describeEngine(name, engine, { skip }). What an engine can't do is
 * data with a reason, and shows as a skipped test.
 */
import { describe, expect, test } from "vitest";
import type { EngineResult } from "../../src/engines/engine.ts";
import { costs } from "../../src/engines/simulator/costs.ts";
import type { Fault } from "../../src/engines/simulator/faults.ts";
import { bitsOf } from "../../src/engines/simulator/laws.ts";
import { runSimulation } from "../../src/engines/simulator/simulator.ts";
import type { StrategySource } from "../../src/engines/strategy-source.ts";
import { createTask, type TaskSpec } from "../../src/engines/task-spec.ts";
import { Arena } from "../../src/kernels/arena.ts";
import { describeKernelTask } from "../../src/learner/kernel-task.ts";
import { allRows, listRows } from "../../src/learner/rows.ts";
import { randomStream } from "../../src/math/random.ts";
import { messageStrategies, strategyNamed } from "../../src/strategies/all.ts";
import { type StrategyOptions, strategyOptions } from "../../src/strategies/strategy.ts";
import { blockOf, randomRows } from "../support-blocks.ts";

/** A run, described by data, so that an engine elsewhere can do it too. */
export interface ConformanceRun {
  readonly strategy: StrategySource;
  readonly options: StrategyOptions;
  readonly task: TaskSpec;
  readonly workers: number;
  readonly seed: number;
  readonly epochs: number;
  /** What happens to members. */
  readonly faults?: readonly Fault[];
}

/** An engine as the suite sees it. */
export type RunOnEngine = (run: ConformanceRun) => Promise<EngineResult>;

/** A case an engine can't pass, and why. */
export interface Skip {
  readonly case: string;
  readonly reason: string;
}

const names = messageStrategies.map(({ name }) => name);
const parallel = names.filter((name) => name !== "serial");
const lockstep = parallel.filter((name) => strategyNamed(name)!.pace === "lockstep");

/** Strategies that own columns take mini-batch gradients. */
function optionsFor(name: string, given: Partial<StrategyOptions> = {}): StrategyOptions {
  const learn = ownsColumns(name) ? "gradient" : "local";
  return strategyOptions({ rowsPerUpdate: 4, learn, ...given });
}

function ownsColumns(name: string): boolean {
  return strategyNamed(name)!.owns === "columns";
}

function runOf(name: string, given: Partial<ConformanceRun> = {}): ConformanceRun {
  const workers = given.workers ?? (name === "serial" ? 1 : 3);
  return {
    strategy: { name },
    options: optionsFor(name),
    task: { kind: "ledger", spec: { workers, rowsPerWorker: 24 } },
    workers,
    seed: 5,
    epochs: 3,
    ...given,
  };
}

function quadratic(workers: number): TaskSpec {
  const spec = { workers, rowsPerWorker: 40, rate: 0.02, noise: 0.1, heterogeneity: 0.2 };
  return { kind: "quadratic", spec };
}

/** The simulator's result for the same run: what lockstep strategies give on every engine. */
function reference(run: ConformanceRun): EngineResult {
  const strategy = strategyNamed("name" in run.strategy ? run.strategy.name : "serial")!;
  return runSimulation({ ...run, strategy, task: createTask(run.task), costs: costs() });
}

/** Declares a case, or shows it as skipped with the engine's reason. */
type Conform = (title: string, body: () => Promise<void>) => void;

/** Holds the engine to the suite. */
export function describeEngine(
  name: string,
  run: RunOnEngine,
  { skip = [] }: { skip?: readonly Skip[] } = {},
): void {
  const conform: Conform = (title, body) => {
    const skipped = skip.find((one) => one.case === title);
    if (skipped) test.skip(`${title}: skipped, ${skipped.reason}`, body);
    else test(title, body);
  };
  describe(`engine ${name}`, () => {
    for (const strategy of names) conservation(conform, run, strategy);
    for (const strategy of parallel) learning(conform, run, strategy);
    // Owners of columns are compared with serial mini-batches in their own test.
    for (const strategy of parallel.filter((name) => !ownsColumns(name))) {
      aloneIsSerial(conform, run, strategy);
    }
    for (const strategy of lockstep) sameBits(conform, run, strategy);
    columnsOfRows(conform, run);
    engineItself(conform, run);
  });
}

function conservation(conform: Conform, run: RunOnEngine, strategy: string): void {
  conform(`${strategy} applies every update exactly once`, async () => {
    const plan = runOf(strategy);
    const { model, telemetry } = await run(plan);
    const law = strategyNamed(strategy)!.conserves(plan.options);
    const share = law === "sum" ? 1 : 1 / plan.workers;
    for (let rank = 0; rank < plan.workers; rank++) {
      const { updates } = telemetry.members[rank]!;
      expect(model.values[rank]).toBeCloseTo(updates * share, 4);
    }
    const rows = telemetry.members.reduce((sum, member) => sum + member.rows, 0);
    expect(rows).toBeGreaterThanOrEqual(plan.epochs * 24 * plan.workers);
  });

  conform(`${strategy} closes the ledger: sent = applied`, async () => {
    const plan = runOf(strategy, {
      options: optionsFor(strategy, { rowsPerUpdate: 3, servers: 2 }),
    });
    const { telemetry, seats } = await run(plan);
    const servers = seats.filter(({ role }) => role === "server").length;
    // In peer-to-peer every member applies every update.
    const holders = strategy === "peer-to-peer" ? seats.length : Math.max(1, servers);
    for (const { updates, applied } of telemetry.members) expect(applied).toBe(updates * holders);
  });
}

function aloneIsSerial(conform: Conform, run: RunOnEngine, strategy: string): void {
  conform(`${strategy} with one worker equals serial bit for bit`, async () => {
    const given = { workers: 1, task: quadratic(1) };
    const alone = await run(runOf(strategy, given));
    const serial = await run(runOf("serial", given));
    expect(bitsOf(alone.model)).toBe(bitsOf(serial.model));
  });
}

function learning(conform: Conform, run: RunOnEngine, strategy: string): void {
  conform(`${strategy} comes near the optimum of the quadratic task`, async () => {
    const task = quadratic(3);
    const { model } = await run(runOf(strategy, { task, epochs: 20 }));
    expect(createTask(task).evaluate(model).objective).toBeLessThan(1);
  });
}

function sameBits(conform: Conform, run: RunOnEngine, strategy: string): void {
  for (const merge of ["sum", "mean"] as const) {
    conform(`${strategy} merging by ${merge} gives the bits of the simulator`, async () => {
      const options = optionsFor(strategy, { merge });
      const plan = runOf(strategy, { task: quadratic(3), options });
      expect(bitsOf((await run(plan)).model)).toBe(bitsOf(reference(plan).model));
    });
  }
}

/** Rows in blocks, learned by the kernels: hinge, steps of `optimal`. */
function newsRows(): TaskSpec {
  const arena = new Arena();
  const stream = randomStream({ seed: 9, purpose: "conformance rows" });
  const shape = { rows: 150, columns: 60, perRow: 9 };
  const parts = [0, 1].map(() => allRows(blockOf(arena, randomRows(stream, shape))));
  const spec = describeKernelTask(arena, {
    ...{ width: shape.columns + 1, loss: "hinge", l2: 1e-3, threshold: 0 },
    schedule: { name: "optimal", l2: 1e-3, t0: 2000 },
    train: parts,
    judged: listRows(arena, parts),
  });
  return { kind: "rows", spec };
}

function columnsOfRows(conform: Conform, run: RunOnEngine): void {
  conform(
    "feature-parallel over column blocks has the iterates of serial mini-batches",
    async () => {
      const task = newsRows();
      for (const topology of ["ring", "tree", "complete"] as const) {
        const options = strategyOptions({ rowsPerUpdate: 16, learn: "gradient", topology });
        const parallel = await run(runOf("feature-parallel", { task, options }));
        const serial = reference(runOf("serial", { task, options }));
        expect(parallel.model.rows).toBe(serial.model.rows);
        const largest = Math.max(...serial.model.values.map(Math.abs));
        const apart = serial.model.values.map((x, j) => Math.abs(x - parallel.model.values[j]!));
        // A margin at the hinge's corner may fall on either side: that would be a row's whole step, 1e-2.
        expect(Math.max(...apart) / largest).toBeLessThan(1e-5);
        const simulated = reference(runOf("feature-parallel", { task, options }));
        expect(bitsOf(parallel.model)).toBe(bitsOf(simulated.model));
      }
    },
  );
}

export const rowsMove = "rows of a member that dies are learned by the others";

function engineItself(conform: Conform, run: RunOnEngine): void {
  conform(rowsMove, async () => {
    const spec = { workers: 4, rowsPerWorker: 64, rate: 2e-3, heterogeneity: 1, seed: 4 };
    const task = { kind: "quadratic", spec } as const;
    const faults = [{ at: 0.01, kind: "crash", rank: 3 }] as const;
    const { model } = await run(runOf("bsp", { workers: 4, task, epochs: 60, faults }));
    // Without its rows the model is drawn to the others' centres, 0.4 away and more.
    expect(createTask(task).evaluate(model).objective).toBeLessThan(0.1 ** 2 / 2);
  });

  conform("allreduce replicas are bitwise equal", async () => {
    const { replicas } = await run(runOf("allreduce", { task: quadratic(3) }));
    expect(new Set(replicas.map(bitsOf)).size).toBe(1);
  });

  conform("messages that fill every mailbox are delivered", async () => {
    const spec = { workers: 3, rowsPerWorker: 8, width: 200_000, rate: 0.02 };
    const options = strategyOptions({ rowsPerUpdate: 1, topology: "complete" });
    const plan = runOf("d-psgd", { task: { kind: "quadratic", spec }, options });
    expect(bitsOf((await run(plan)).model)).toBe(bitsOf(reference(plan).model));
  });

  conform("a refusal is told before anything runs", async () => {
    await expect(run(runOf("serial", { workers: 2 }))).rejects.toThrow(/one worker/);
  });
}

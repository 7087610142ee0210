import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import {
  type SolverProblem,
  solverProblem,
  weightsOfSolver,
} from "../../../test/support-shared.ts";
import * as twin from "../../kernels/reference/shared.ts";
import { createStepsCounted, featureShares } from "../../learner/anticipation.ts";
import { createOrder } from "../../learner/order.ts";
import { createReplica } from "../../learner/replica.ts";
import { createSdcaSolver, type SdcaSolver } from "../../learner/sdca.ts";
import { createSgdSolver, type Solver } from "../../learner/solver.ts";
import { createUpdateRoom, learnUpdate } from "../../learner/update.ts";
import { type Merge, toDense } from "../../math/update.ts";
import { losses } from "../../model/losses.ts";
import { constantSchedule, optimalSchedule } from "../../model/schedule.ts";
import { createDualReplicas } from "./dual-replicas.ts";
import { createHogwildSolver, type HogwildOptions } from "./hogwild.ts";
import { ThreadPool } from "./pool.ts";
import { createReplicasSolver } from "./replicas.ts";

const pools: ThreadPool[] = [];

afterAll(async () => {
  for (const pool of pools) await pool[Symbol.asyncDispose]();
});

function poolFor(problem: SolverProblem, workers: number): ThreadPool {
  const pool = new ThreadPool(problem.arena, workers);
  pools.push(pool);
  return pool;
}

function hogwild(problem: SolverProblem, pool: ThreadPool, more: Partial<HogwildOptions> = {}) {
  const options = { ...problem.options(), lock: "none", decay: "exact", ...more } as const;
  return createHogwildSolver(problem.context, pool, options);
}

function replicas(
  problem: SolverProblem,
  pool: ThreadPool,
  { merge = "mean", roundRows = 64 }: { merge?: Merge; roundRows?: number } = {},
) {
  const { context, store, width } = problem;
  const { workers } = pool;
  const concurrent = { workers, rowsPerUpdate: Math.ceil(roundRows / workers) };
  const counted =
    merge === "anticipate"
      ? createStepsCounted(context.arena, () => featureShares(store.windows(), width))(concurrent)
      : null;
  return createReplicasSolver(context, pool, { ...problem.options(), merge, counted, roundRows });
}

function learnEpochs(solver: Solver, epochs: number): Solver {
  solver.learn(epochs * solver.epochRows);
  return solver;
}

const anySize = fc.record({ seed: fc.nat(), rows: fc.integer({ min: 1, max: 300 }) });

describe("replicas", () => {
  for (const merge of ["mean", "sum", "anticipate"] as const) {
    test(`one worker learns what serial learns, bit for bit, merge ${merge}`, () => {
      fc.assert(
        fc.property(anySize, fc.integer({ min: 1, max: 90 }), (size, roundRows) => {
          const problem = solverProblem(size);
          const pool = poolFor(problem, 1);
          const serial = learnEpochs(createSgdSolver(problem.context, problem.options()), 2);
          const one = learnEpochs(replicas(problem, pool, { merge, roundRows }), 2);
          expect(weightsOfSolver(problem, one)).toEqual(weightsOfSolver(problem, serial));
        }),
        { numRuns: 30 },
      );
    });

    test.each([2, 3, 4])(`%i workers repeat bit for bit, merge ${merge}`, (workers) => {
      for (const loss of ["hinge", "log"] as const) {
        const problem = solverProblem({ seed: workers, rows: 1000, loss });
        const pool = poolFor(problem, workers);
        const first = learnEpochs(replicas(problem, pool, { merge }), 3);
        const again = learnEpochs(replicas(problem, pool, { merge }), 3);
        expect(weightsOfSolver(problem, again)).toEqual(weightsOfSolver(problem, first));
      }
    });
  }

  test("a round of several workers is what each learns alone, merged as the reference merges", () => {
    const problem = solverProblem({ rows: 600 });
    const { arena, context, store, width } = problem;
    const workers = 3;
    const round = 200;
    const solver = replicas(problem, poolFor(problem, workers), { roundRows: round });
    solver.learn(round);
    const order = createOrder(arena, store, { seed: 1 });
    const alone = Array.from({ length: workers }, (_, rank) => {
      const [from, to] = [0, 1].map((k) => Math.floor((round * (rank + k)) / workers));
      order.seek({ epoch: 0, taken: from! });
      const one = createSgdSolver(context, problem.options({ order }));
      one.learn(to! - from!);
      return arena.f32(one.weights().address, width).slice();
    });
    const shares = [66, 67, 67].map((rows) => rows / round);
    const merged = twin.mergeReplicas(alone, { shares });
    expect([...arena.f32(solver.weights().address, width)]).toEqual([...merged]);
  });

  test("anticipated merges divide by sigma as the reference does, and the rows' steps were counted so often", () => {
    const problem = solverProblem({ rows: 600 });
    const { arena, context, store, width } = problem;
    const [workers, round] = [3, 300];
    const solver = replicas(problem, poolFor(problem, workers), {
      merge: "anticipate",
      roundRows: round,
    });
    solver.learn(round);
    const counted = createStepsCounted(arena, () => featureShares(store.windows(), width));
    const { sigma, stride } = counted({ workers, rowsPerUpdate: 100 });
    const room = createUpdateRoom(context, width);
    const order = createOrder(arena, store, { seed: 1 });
    const alone = [0, 100, 200].map((taken) => {
      order.seek({ epoch: 0, taken });
      const replica = createReplica(arena, width);
      const schedule = problem.options().scheduleOf(1);
      const how = { mode: "local", stride: 1, counted: { sigma, stride } } as const;
      const { delta } = learnUpdate(context, schedule, room, replica, order.take(100), how);
      return toDense(delta, width).map((x, j) => x * sigma[j]!);
    });
    const merged = twin.mergeReplicas(alone, { base: new Float32Array(width), sigma });
    const found = arena.f32(solver.weights().address, width);
    const size = Math.max(...merged.map(Math.abs));
    expect(size).toBeGreaterThan(0);
    for (let j = 0; j < width; j++)
      expect(Math.abs(found[j]! - merged[j]!)).toBeLessThan(1e-6 * size);
  });

  test("wide replicas, merged by all threads together, repeat bit for bit", () => {
    const width = 301_000; // wide enough that four replicas are merged by all threads
    const problem = solverProblem({ rows: 40, columns: width - 1, perRow: 30 });
    const pool = poolFor(problem, 4);
    const alone = solverProblem({ rows: 40, columns: width - 1, perRow: 30 });
    for (const merge of ["mean", "sum"] as const) {
      const wide = learnEpochs(replicas(problem, pool, { merge, roundRows: 8 }), 1);
      const again = learnEpochs(replicas(alone, poolFor(alone, 4), { merge, roundRows: 8 }), 1);
      expect(weightsOfSolver(alone, again)).toEqual(weightsOfSolver(problem, wide));
    }
  });

  test("any schedule: one worker is within 1e-5 of serial where scales come from tables", () => {
    const problem = solverProblem({ rows: 500 });
    const scheduleOf = () => constantSchedule({ l2: 1e-3, eta0: 0.05 });
    const serial = createSgdSolver(problem.context, problem.options({ scheduleOf }));
    const one = createReplicasSolver(problem.context, poolFor(problem, 1), {
      ...problem.options({ scheduleOf }),
      merge: "mean",
      roundRows: 100,
    });
    expectClose(problem, learnEpochs(one, 2), learnEpochs(serial, 2), 1e-5);
  });
});

describe("dual ascent on replicas", () => {
  const ascent = (problem: SolverProblem, pool: ThreadPool | null, roundRows = 50) => {
    const { context, store, width } = problem;
    const stepper = pool && createDualReplicas(context, pool, { width, roundRows });
    return createSdcaSolver(context, { store, width, seed: 1, ...(stepper && { stepper }) });
  };

  test.each(["hinge", "squared-hinge", "log"] as const)(
    "%s: one worker learns what serial dual ascent learns, bit for bit",
    (loss) => {
      fc.assert(
        fc.property(anySize, (size) => {
          const problem = solverProblem({ ...size, loss });
          const serial = learnEpochs(ascent(problem, null), 3);
          const one = learnEpochs(ascent(problem, poolFor(problem, 1)), 3);
          expect(weightsOfSolver(problem, one)).toEqual(weightsOfSolver(problem, serial));
        }),
        { numRuns: 15 },
      );
    },
  );

  test.each([2, 4])("%i workers repeat bit for bit and prove a gap that closes", (workers) => {
    const problem = solverProblem({ rows: 900, l2: 0.03 });
    const pool = poolFor(problem, workers);
    const first = learnEpochs(ascent(problem, pool), 5) as SdcaSolver;
    const again = learnEpochs(ascent(problem, pool), 5) as SdcaSolver;
    expect(weightsOfSolver(problem, again)).toEqual(weightsOfSolver(problem, first));
    const early = first.certify().relative;
    learnEpochs(first, 60);
    const late = first.certify();
    expect(late.relative).toBeGreaterThanOrEqual(0);
    expect(late.relative).toBeLessThan(early / 10);
    expect(problem.objectiveOf(first)).toBeCloseTo(late.objective, 10);
  });

  test("u is the sum of the duals' rows after every merge, within 1e-5 of its largest value", () => {
    const problem = solverProblem({ rows: 500 });
    const solver = learnEpochs(ascent(problem, poolFor(problem, 3)), 3) as SdcaSolver;
    const learned = weightsOfSolver(problem, solver);
    solver.certify(); // recomputes u from the duals
    const exact = weightsOfSolver(problem, solver);
    const largest = Math.max(...exact.map(Math.abs));
    exact.forEach((x, j) => {
      expect(Math.abs(x - learned[j]!)).toBeLessThan(1e-5 * largest);
    });
  });
});

describe("hogwild", () => {
  test("one worker learns what serial learns, bit for bit", () => {
    fc.assert(
      fc.property(anySize, (size) => {
        const problem = solverProblem(size);
        const serial = learnEpochs(createSgdSolver(problem.context, problem.options()), 2);
        const one = learnEpochs(hogwild(problem, poolFor(problem, 1)), 2);
        expect(weightsOfSolver(problem, one)).toEqual(weightsOfSolver(problem, serial));
      }),
      { numRuns: 30 },
    );
  });

  test.each([2, 4])(
    "T counts every row once and %i workers come as close as serial does",
    (workers) => {
      const problem = solverProblem({ rows: 6000, columns: 2000, perRow: 20, l2: 1e-3 });
      const serial = learnEpochs(createSgdSolver(problem.context, problem.options()), 5);
      const many = learnEpochs(hogwild(problem, poolFor(problem, workers)), 5);
      expect(many.state().numbers.t).toBe(5 * many.epochRows);
      expect(many.rows).toBe(5 * many.epochRows);
      const [best, found] = [serial, many].map(problem.objectiveOf) as [number, number];
      expect(found).toBeLessThan(1.02 * best);
    },
  );

  test("collisions are counted among the rows that are watched, the first of every 64", () => {
    const problem = solverProblem({ rows: 6000, columns: 30, perRow: 20 });
    const solver = learnEpochs(hogwild(problem, poolFor(problem, 2)), 3);
    const { watched, collided } = solver.collisions!()!;
    expect(watched).toBeGreaterThan(0);
    expect(watched).toBeLessThanOrEqual(3 * (Math.ceil(6000 / 64) + 100));
    expect(collided).toBeLessThanOrEqual(watched);
    expect(hogwild(problem, poolFor(problem, 1)).collisions!()).toBeNull();
  });

  test("decay of touched coordinates: kernel and reference agree to the bit", () => {
    fc.assert(
      fc.property(anySize, (size) => {
        const problem = solverProblem(size);
        const { arena, store, width } = problem;
        const l2 = 1e-3;
        const schedule = optimalSchedule({ l2, t0: 40 / l2 });
        const solver = hogwild(problem, poolFor(problem, 1), { decay: "touched" });
        learnEpochs(solver, 1);
        const order = createOrder(arena, store, { seed: size.seed });
        const { pairs } = order.takeWhole(store.rows);
        const rows = Array.from({ length: store.rows }, (_, k) => ({
          block: problem.blocks.find((block) => block.byteOffset === pairs[2 * k])!,
          row: pairs[2 * k + 1]!,
        }));
        const rarity = new Float32Array(width);
        for (const { index } of problem.blocks) for (const u of index) rarity[u]!++;
        const w = new Float32Array(width);
        twin.touchedRows(losses.hinge, rows, w, {
          rate: schedule.rate,
          l2,
          rarity: rarity.map((count) => (count > 0 ? store.rows / count : 0)),
          threshold: 0,
        });
        expect(weightsOfSolver(problem, solver)).toEqual([...w]);
      }),
      { numRuns: 30 },
    );
  });
});

describe("locks and turns", () => {
  // Rows that always violate step by the same whole number of units, whatever the order: sums of these are
  // exact in f32, so an update that is lost shows.
  const cases = [
    ["vector", 4],
    ["coordinates", 4],
    ["turns", 3],
  ] as const;
  test.each(cases)("under --lock %s %i threads lose no update", (lock, workers) => {
    const problem = solverProblem({ rows: 3000, columns: 12, perRow: 8, l2: 2 ** -10 });
    for (const block of problem.blocks) {
      for (let k = 0; k < block.value.length; k++) block.value[k] = Math.sign(block.value[k]!) || 1;
    }
    const scheduleOf = () => optimalSchedule({ l2: 2 ** -10, t0: 2 ** 40 });
    const serial = createSgdSolver(problem.context, problem.options({ scheduleOf }));
    const many = hogwild(problem, poolFor(problem, workers), {
      ...problem.options({ scheduleOf }),
      lock,
    });
    learnEpochs(serial, 3);
    learnEpochs(many, 3);
    expect(many.state().vectors).toEqual(serial.state().vectors);
    expect(many.state().numbers.t).toBe(9000);
  });

  test.each(cases)("under --lock %s one thread learns what serial learns, bit for bit", (lock) => {
    const problem = solverProblem({ rows: 300 });
    const serial = learnEpochs(createSgdSolver(problem.context, problem.options()), 2);
    const one = learnEpochs(hogwild(problem, poolFor(problem, 1), { lock }), 2);
    expect(weightsOfSolver(problem, one)).toEqual(weightsOfSolver(problem, serial));
  });
});

test("a thread pool refuses no threads and too many, with words", () => {
  const { arena } = solverProblem({ rows: 1 });
  expect(() => new ThreadPool(arena, 0)).toThrow("workers must be between 1 and 256");
  expect(() => new ThreadPool(arena, 257)).toThrow("current value is 257");
});

function expectClose(problem: SolverProblem, actual: Solver, expected: Solver, bound: number) {
  const [a, b] = [actual, expected].map((solver) => weightsOfSolver(problem, solver));
  const largest = Math.max(...b!.map(Math.abs));
  a!.forEach((x, j) => {
    expect(Math.abs(x - b![j]!)).toBeLessThanOrEqual(bound * largest);
  });
}

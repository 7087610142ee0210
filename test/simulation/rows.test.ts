/** Rows move between members at a change of view: what a departed member's rows say is still learned, by others. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { costs } from "../../src/engines/simulator/costs.ts";
import { underFaults } from "../../src/engines/simulator/fault-plan.ts";
import { runSimulation } from "../../src/engines/simulator/simulator.ts";
import { Arena } from "../../src/kernels/arena.ts";
import { ownedParts } from "../../src/learner/kernel-task.ts";
import { ledgerTask } from "../../src/learner/ledger-task.ts";
import { type LinearRows, linearTask } from "../../src/learner/linear-task.ts";
import { quadraticTask } from "../../src/learner/quadratic.ts";
import { allRows } from "../../src/learner/rows.ts";
import { segmentsPerWorker } from "../../src/learner/segments.ts";
import { randomStream } from "../../src/math/random.ts";
import { ownersIn, segmentsOf } from "../../src/membership/segments.ts";
import { messageStrategies } from "../../src/strategies/all.ts";
import { type AnyStrategy, strategyOptions } from "../../src/strategies/strategy.ts";
import { firstViewOf } from "../../src/topology/view.ts";
import { blockOf, randomRows } from "../support-blocks.ts";

/** Workers of a plan, and those of them that a view has. */
const views = fc.integer({ min: 1, max: 7 }).chain((workers) =>
  fc.record({
    workers: fc.constant(workers),
    ranks: fc.subarray(
      Array.from({ length: workers }, (_, rank) => rank),
      { minLength: 1 },
    ),
  }),
);

/** The segments of every rank of such a view. */
function dealt({ workers, ranks }: { workers: number; ranks: readonly number[] }): number[][] {
  const view = firstViewOf(ranks.map((rank) => ({ rank, incarnation: 1, role: "worker" })));
  const owners = ownersIn(view, { segments: segmentsPerWorker * workers, workers });
  return ranks.map((rank) => segmentsOf(owners, rank));
}

/** That many rows of one column each. */
function linearRows(rows: number): LinearRows {
  return {
    rowStart: Uint32Array.from({ length: rows + 1 }, (_, row) => row),
    index: Uint32Array.from({ length: rows }, (_, row) => row % 40),
    value: new Float32Array(rows).fill(1),
    label: Float32Array.from({ length: rows }, (_, row) => (row % 2 ? 1 : -1)),
  };
}

describe("no row without exactly one owner, in any view", () => {
  test("rows in blocks", () => {
    const arena = new Arena();
    const stream = randomStream({ seed: 3, purpose: "owned rows" });
    const shape = { rows: 150, columns: 60, perRow: 9 };
    const parts = [0, 1].map(() => allRows(blockOf(arena, randomRows(stream, shape))));
    const names = parts.flatMap(({ block, rows }) =>
      [...rows].map((row) => `${block.byteOffset}:${row}`),
    );
    fc.assert(
      fc.property(views, ({ workers, ranks }) => {
        const owned = dealt({ workers, ranks }).flatMap((segments, k) =>
          ownedParts(parts, { rank: ranks[k]!, workers, segments }).flatMap(({ block, rows }) =>
            [...rows].map((row) => `${block.byteOffset}:${row}`),
          ),
        );
        expect(owned.toSorted()).toEqual(names.toSorted());
      }),
    );
  });

  test("rows of tasks that are made of workers' shares", () => {
    const train = linearRows(131);
    fc.assert(
      fc.property(views, ({ workers, ranks }) => {
        const shares = { workers, rowsPerWorker: 37 };
        const linear = { width: 40, loss: "hinge", l2: 0.01, t0: 100 } as const;
        const tasks = [ledgerTask(shares), quadraticTask(shares), linearTask({ train, ...linear })];
        for (const task of tasks) {
          const counts = dealt({ workers, ranks }).map((segments, k) => {
            return task.createLearner({ rank: ranks[k]!, workers, seed: 1, segments }).rows;
          });
          expect(counts.reduce((sum, rows) => sum + rows, 0)).toBe(task.rows);
        }
      }),
    );
  });

  test("a worker that owns what it was dealt first learns the same bits as without views", () => {
    const workers = 3;
    const task = quadraticTask({ workers, rowsPerWorker: 37, noise: 0.1 });
    const seat = { rank: 1, workers, seed: 1 };
    const [, segments] = dealt({ workers, ranks: [0, 1, 2] });
    const replica = task.createReplica(task.width);
    const span = { epoch: 2, from: 5, to: 30 };
    const updates = [seat, { ...seat, segments: segments! }].map((one) =>
      task.createLearner(one).learn(replica, span, { mode: "local", stride: 1 }),
    );
    expect(updates[1]).toEqual(updates[0]);
  });
});

/** Worker 3's rows pull elsewhere than the others'; it dies early. How far the model ends from all rows' optimum. */
function distanceAfter(strategy: AnyStrategy, moves: boolean): number {
  const workers = 4;
  const task = quadraticTask({ workers, rowsPerWorker: 64, rate: 2e-3, heterogeneity: 1, seed: 4 });
  const options = strategyOptions({
    ...{ rowsPerUpdate: 4, merge: "mean", staleness: 1, stalenessMax: 2 },
    ...{ topology: "ring", order: "adapt-then-average" },
  });
  const plan = {
    ...{ strategy, options, task, workers, seed: 7, epochs: 60 },
    costs: costs({ learnSecondsPerRow: 1e-3, latencySeconds: 1e-4 }),
  };
  const faults = [{ at: 0.05, kind: "crash", rank: 3 } as const];
  const under = underFaults({ faults: { faults, beatSeconds: 0.02 } }, plan);
  const beneath = under.strategy!;
  const still = { ...beneath, standing: () => ({ view: null, incarnation: 1, alone: false }) };
  const { model, deadlock } = runSimulation({
    ...plan,
    ...under,
    strategy: moves ? beneath : still,
  });
  expect(deadlock).toBeNull();
  return Math.sqrt(2 * task.evaluate(model).objective);
}

const owners = messageStrategies.filter(
  ({ name, owns }) => name !== "serial" && owns !== "columns",
);

describe.each(owners.map((strategy) => ({ strategy, name: strategy.name })))(
  "$name",
  ({ strategy }) => {
    test("learns the rows of a member that died: others own them now", () => {
      // Centres are about 2.8 apart; without its rows the model is drawn to the others'.
      expect(distanceAfter(strategy, true)).toBeLessThan(0.1);
      expect(distanceAfter(strategy, false)).toBeGreaterThan(0.4);
    });
  },
);

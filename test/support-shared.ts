/** Problems for tests of solvers: random rows in blocks, a store of them, a context and orders. */
import { residentBlocks } from "../src/data/block-source.ts";
import { Arena } from "../src/kernels/arena.ts";
import { loadKernels } from "../src/kernels/loader.ts";
import { createContext } from "../src/learner/context.ts";
import { createOrder } from "../src/learner/order.ts";
import { judgeStore } from "../src/learner/row-pass.ts";
import { createRowStore } from "../src/learner/row-store.ts";
import { penaltyOf } from "../src/learner/sgd.ts";
import type { Solver, SteppingOptions } from "../src/learner/solver.ts";
import { randomStream } from "../src/math/random.ts";
import type { LossName } from "../src/model/losses.ts";
import { optimalSchedule } from "../src/model/schedule.ts";
import { blockOf, randomRows } from "./support-blocks.ts";

export type SolverProblem = ReturnType<typeof solverProblem>;

/** Rows of a hidden linear model in a few blocks, and what solvers are made from. */
export function solverProblem(given: {
  seed?: number;
  rows?: number;
  columns?: number;
  perRow?: number;
  loss?: LossName;
  l2?: number;
}) {
  const { seed = 1, rows = 400, columns = 60, perRow = 12, loss = "hinge", l2 = 1e-3 } = given;
  const arena = new Arena();
  const kernels = loadKernels(arena);
  const state = randomStream({ seed, purpose: "solver test" });
  const all = randomRows(state, { rows, columns, perRow });
  const third = Math.ceil(rows / 3);
  const blocks = [0, 1, 2]
    .map((k) => ({ from: k * third, part: all.slice(k * third, (k + 1) * third) }))
    .filter(({ part }) => part.length > 0)
    .map(({ from, part }) => blockOf(arena, part, from));
  const store = createRowStore(arena, kernels, residentBlocks(blocks), { share: 0, seed: 1 });
  const context = createContext(arena, kernels, { loss, l2, threshold: 0 });
  const width = columns + 1;
  const options = (more: Partial<SteppingOptions> = {}): SteppingOptions => ({
    order: createOrder(arena, store, { seed }),
    width,
    scheduleOf: (factor) => optimalSchedule({ l2, t0: 40 / (l2 * factor) }),
    start: null,
    ...more,
  });
  const objectiveOf = (solver: Solver): number => {
    const weights = solver.weights();
    return judgeStore(context, weights, store).loss + penaltyOf(context, weights);
  };
  return { arena, kernels, blocks, store, context, width, options, objectiveOf };
}

/** w = scale * v, copied out. */
export function weightsOfSolver({ arena }: SolverProblem, solver: Solver): number[] {
  const { address, scale, width } = solver.weights();
  return Array.from(arena.f32(address, width), (x) => scale * x);
}

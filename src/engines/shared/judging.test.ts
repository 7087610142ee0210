import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { solverProblem } from "../../../test/support-shared.ts";
import { createContext, type SumTogether } from "../../learner/context.ts";
import type { TakenRows } from "../../learner/order.ts";
import { listsOfStore } from "../../learner/row-pass.ts";
import { judge } from "../../learner/sgd.ts";
import { createSumTogether } from "./judging.ts";
import { ThreadPool } from "./pool.ts";

const pools: ThreadPool[] = [];

afterAll(async () => {
  for (const pool of pools) await pool[Symbol.asyncDispose]();
});

test.each([
  ["hinge", 2],
  ["squared-hinge", 3],
  ["log", 2],
  ["squared", 5],
] as const)("%s, %i threads: judged to the bit as one thread judges", async (loss, workers) => {
  const problem = solverProblem({ rows: 20_000, perRow: 5, loss });
  const { arena, kernels, store, width } = problem;
  const pool = new ThreadPool(arena, workers);
  pools.push(pool);
  await pool.ready();
  const together = createSumTogether(pool);
  let taken = 0;
  const sumTogether: SumTogether = (...args) => {
    const sums = together(...args);
    if (sums) taken++;
    return sums;
  };
  const [alone, shared] = [null, sumTogether].map((sum) =>
    createContext(arena, kernels, { loss, l2: 1e-3, threshold: 0, sumTogether: sum }),
  );
  const w = arena.allocateF32(width);
  // A list is valid for as long as its pass goes on.
  const list = listsOfStore(arena, store).next().value as TakenRows;
  fc.assert(
    fc.property(
      fc.array(fc.float({ noNaN: true, min: -4, max: 4 }), { minLength: width, maxLength: width }),
      fc.double({ min: 1e-3, max: 2, noNaN: true }),
      fc.integer({ min: 16_384, max: list.count }),
      (values, scale, count) => {
        w.set(values);
        const weights = { address: w.byteOffset, scale };
        const some = { ...list, count };
        expect(judge(shared!, weights, some)).toEqual(judge(alone!, weights, some));
      },
    ),
    { numRuns: 20 },
  );
  expect(taken).toBe(20);
});

/** The run loop with every step size, learner mode and metric, on the real a9a. */
import { beforeAll, describe, expect, test } from "vitest";
import { type LoadedDataset, loadDataset } from "../src/run/load.ts";
import type { TrainOptions } from "../src/run/settings.ts";
import { type Run, train } from "../src/run/train.ts";
import { sharedData } from "./support-data.ts";

let a9a: LoadedDataset;
beforeAll(async () => {
  a9a = await loadDataset(sharedData("a9a/a9a_train.svm.gz"));
});

const fixed: TrainOptions = { l2: 1e-4, solver: "sgd", validation: 0, stop: "epochs:5" };
/** Optimum of hinge at l2 1e-4 (libraries.md). */
const optimum = 0.351762;

async function aboveOptimum(options: TrainOptions): Promise<number> {
  const { train: training } = await train(a9a, { ...fixed, ...options }).result;
  return training.objective! / optimum - 1;
}

describe("step sizes reach the optimum of a9a, each within its bound after 5 epochs", () => {
  const bounds: readonly [string, number][] = [
    ["optimal", 0.01],
    ["constant", 0.02],
    ["inverse-scaling", 0.02],
    ["decay", 0.02],
    ["adagrad", 0.01],
    ["constant:eta0=0.001", 0.02],
    ["optimal:t0=1e6", 0.01],
  ];
  for (const [step, bound] of bounds) {
    test(`${step}: ${100 * bound} %`, async () => {
      expect(await aboveOptimum({ step })).toBeLessThan(bound);
    });
  }

  test("antunes: eta is 0.03/workers * 100/rows-per-update a row", async () => {
    expect(await aboveOptimum({ step: "antunes", rowsPerUpdate: 1000 })).toBeLessThan(0.05);
  });
});

test("the fused kernel and the loop of learn and apply agree within 1e-5 of the largest weight", async () => {
  const options: TrainOptions = { ...fixed, step: "optimal:t0=1e6", average: "never" };
  const fused = (await train(a9a, options).model).weights;
  const largest = fused.reduce((max, w) => Math.max(max, Math.abs(w)), 0);
  for (const rowsPerUpdate of [1, 50, 5000]) {
    const { weights } = await train(a9a, { ...options, rowsPerUpdate, stop: "epochs:1" }).model;
    const same = (await train(a9a, { ...options, stop: "epochs:1" }).model).weights;
    for (let j = 0; j < weights.length; j++) {
      expect(Math.abs(weights[j]! - same[j]!)).toBeLessThan(1e-5 * largest);
    }
  }
});

test("mini-batches: eta is a rate a row, so batches of 10 to 1,000 rows all come within 3 %", async () => {
  for (const rowsPerUpdate of [10, 100, 1000]) {
    expect(await aboveOptimum({ learn: "gradient", rowsPerUpdate })).toBeLessThan(0.03);
  }
});

test("every metric selects the weights that were best by it at some evaluation", async () => {
  for (const metric of ["loss", "accuracy", "f1", "auc", "log-loss"] as const) {
    const run = train(a9a, { l2: 1e-5, metric, stop: "epochs:4" });
    const best = await lastBest(run);
    const { validation } = await run.result;
    expect(validation!.loss).toBeCloseTo(best.loss, 6);
    expect(validation!.accuracy).toBeCloseTo(best.accuracy, 6);
  }
});

async function lastBest(run: Run) {
  let best = { loss: Number.NaN, accuracy: Number.NaN };
  for await (const event of run) {
    if (event.kind === "evaluated" && event.best) {
      best = { loss: event.loss!, accuracy: event.accuracy! };
    }
  }
  return best;
}

test("starting from a model goes on from its weights: the first evaluation is as good as its last", async () => {
  const first = train(a9a, fixed);
  const init = await first.model;
  const run = train(a9a, { ...fixed, init: "first.safetensors", stop: "epochs:0.01" }, { init });
  const before = (await first.result).train.objective!;
  const after = (await run.result).train.objective!;
  expect(after / before - 1).toBeLessThan(0.03);
  const fresh = await train(a9a, { ...fixed, stop: "epochs:0.01" }).result;
  expect(fresh.train.objective! / before - 1).toBeGreaterThan(0.05);
});

test("a run stops when asked, and returns the best weights it had", async () => {
  const run = train(a9a, { l2: 1e-4, stop: "epochs:100000" });
  for await (const event of run) if (event.kind === "evaluated" && event.epoch >= 3) run.stop();
  const result = await run.result;
  expect(result.status).toBe("interrupted");
  expect(result.validation!.accuracy).toBeGreaterThan(0.8);
});

test("rules end runs at their values: epochs, time, target", async () => {
  const { epochs, stopped } = await train(a9a, { l2: 1e-4, stop: "epochs:0.5" }).result;
  expect(stopped).toBe("epochs");
  expect(epochs).toBeCloseTo(0.5, 2);
  const timed = await train(a9a, { l2: 1e-4, stop: "time:0.3s,epochs:1000000" }).result;
  expect(timed.stopped).toBe("time");
  const target = await train(a9a, { l2: 1e-4, stop: "target-accuracy:0.8,epochs:30" }).result;
  expect(target.stopped).toBe("target-accuracy");
});

test("regression with squared loss finds a line through noise, to 1 %", async () => {
  const rows = Array.from({ length: 3000 }, (_, k) => {
    const x = Math.sin(k) * 2;
    return { label: 3 * x - 1 + 0.1 * Math.cos(7 * k), index: [1, 2], value: [x, 1] };
  });
  const model = await train(await loadDataset(rows), { loss: "squared", l2: 1e-6 }).model;
  expect(model.weights[0]).toBeCloseTo(3, 1);
  expect(model.weights[1]).toBeCloseTo(-1, 1);
});

test("the loss that is reported is the loss of the rows: a slow sum over them agrees to 1e-5", async () => {
  const run = train(a9a, { ...fixed, loss: "log" });
  const [{ train: training }, model] = [await run.result, await run.model];
  let sum = 0;
  for (const block of a9a.blocks) {
    for (let row = 0; row < block.rows; row++) {
      let p = 0;
      for (let k = block.rowStart[row]!; k < block.rowStart[row + 1]!; k++) {
        p += model.weights[block.index[k]! - 1]! * block.value[k]!;
      }
      sum += Math.log1p(Math.exp(-block.label[row]! * p));
    }
  }
  const penalty = model.weights.reduce((total, w) => total + (1e-4 / 2) * w * w, 0);
  expect(training.loss! / (sum / a9a.rows)).toBeCloseTo(1, 5);
  expect(training.objective! / (sum / a9a.rows + penalty)).toBeCloseTo(1, 5);
});

/** Every strategy that exchanges messages, from the settings to a model, on threads and real data. */
import { beforeAll, expect, test } from "vitest";
import { type LoadedDataset, loadDataset } from "../src/run/load.ts";
import { type MergeQuestion, ruleFor } from "../src/run/merge-rule.ts";
import type { TrainOptions } from "../src/run/settings.ts";
import { train } from "../src/run/train.ts";
import { sharedData } from "./support-data.ts";

let subset: LoadedDataset;
let rest: LoadedDataset;
beforeAll(async () => {
  subset = await loadDataset(sharedData("rcv1v2-subset/rcv1v2_ccat_train.svm.gz"));
  const { arena, width, indexBase, labels } = subset;
  rest = await loadDataset(sharedData("rcv1v2-subset/rcv1v2_ccat_test.svm.gz"), {
    arena,
    like: { width, indexBase, labels },
  });
});

const common: TrainOptions = { l2: 1e-4, solver: "sgd", stop: "epochs:8" };
const strategies = [
  ...["bsp", "asp", "ssp", "dssp", "allreduce", "d-psgd", "peer-to-peer", "ad-psgd"],
  "feature-parallel",
];

async function resultOf(options: TrainOptions) {
  return await train(subset, { ...common, ...options }, { test: rest }).result;
}

/**
 * Weights are chosen by the training objective here (no validation rows), and judged on rows held out. Chosen by
 * validation rows, runs would be compared by how early each passed the point where weights that are further from the
 * optimum do better on those rows.
 */
async function heldOutScore(options: TrainOptions) {
  const result = await resultOf({ validation: 0, stop: "epochs:20", ...options });
  return { result, held: result.test! };
}

/** How far above the serial loss, as a share. */
const bound = 0.01;

for (const strategy of strategies) {
  test(`${strategy} with 4 workers reaches the serial loss on held-out rows within ${100 * bound} %, and its accuracy within 0.3 points`, async () => {
    const serial = await heldOutScore({});
    const { held, result } = await heldOutScore({ strategy, workers: 4 });
    expect(result.workers).toBe(4);
    expect(result.updates.sent).toBeGreaterThan(0);
    expect(result.updates.lost).toBe(0);
    expect(held.loss / serial.held.loss - 1).toBeLessThan(bound);
    expect(Math.abs(held.accuracy! - serial.held.accuracy!)).toBeLessThan(0.003);
  });
}

test("lockstep strategies repeat bit for bit on threads; bsp and allreduce agree", async () => {
  const weights = async (strategy: string) =>
    (await train(subset, { ...common, strategy, workers: 3, stop: "epochs:2" }).model).weights;
  const first = await weights("bsp");
  expect(await weights("bsp")).toEqual(first);
  const reduced = await weights("allreduce");
  const largest = first.reduce((max, w) => Math.max(max, Math.abs(w)), 0);
  for (let j = 0; j < first.length; j++) {
    expect(Math.abs(reduced[j]! - first[j]!)).toBeLessThan(1e-4 * largest);
  }
});

test("rules of --stop end a run of many members, and a run stops when asked", async () => {
  const target = await resultOf({
    strategy: "ssp",
    workers: 2,
    stop: "target-accuracy:0.9,epochs:30",
  });
  expect(target.stopped).toBe("target-accuracy");
  const run = train(subset, { ...common, strategy: "asp", workers: 2, stop: "epochs:100000" });
  for await (const event of run) {
    if (event.kind !== "evaluated") continue;
    expect(event.bytes).toBeGreaterThan(0);
    run.stop();
  }
  expect((await run.result).status).toBe("interrupted");
});

test("rows per update and merging follow the stated rule", () => {
  const question = {
    given: { rowsPerUpdate: "auto", merge: "auto" },
    learn: "local",
    ...{ workers: 4, trainRows: 20_000, critical: () => 2000 },
    merges: ["anticipate", "sum", "mean"],
  } as const;
  const chosen = (given: Partial<MergeQuestion>) => {
    const { rowsPerUpdate, merge } = ruleFor({ ...question, ...given });
    return { rowsPerUpdate, merge };
  };
  const fixed = (rowsPerUpdate: number) => ({ rowsPerUpdate, merge: "auto" }) as const;
  expect(chosen({})).toEqual({ rowsPerUpdate: 313, merge: "anticipate" });
  expect(chosen({ workers: 16 })).toEqual({ rowsPerUpdate: 79, merge: "anticipate" });
  expect(chosen({ workers: 1 })).toEqual({ rowsPerUpdate: 1250, merge: "sum" });
  expect(chosen({ given: fixed(50) })).toEqual({ rowsPerUpdate: 50, merge: "sum" });
  expect(chosen({ given: fixed(51) }).merge).toBe("anticipate");
  // Where more may join updates anticipate as many as there are.
  expect(chosen({ workers: 1, workersMax: 17 })).toEqual({
    rowsPerUpdate: 1250,
    merge: "anticipate",
  });
  expect(chosen({ workers: 2, workersMax: 18, given: fixed(50) }).merge).toBe("anticipate");
  expect(chosen({ workers: 1, workersMax: 17, given: fixed(10) }).merge).toBe("sum");
  const asSum = { rowsPerUpdate: "auto", merge: "sum" } as const;
  expect(chosen({ workers: 1, workersMax: 17, given: asSum }).merge).toBe("sum");
  expect(chosen({ workers: 1, workersMax: 17, merges: ["sum"] }).merge).toBe("sum");
  // Where nothing can be anticipated: sums of few rows, or the mean where those were too few.
  for (const plain of [{ learn: "gradient" }, { merges: ["sum", "mean"] }] as const) {
    expect(chosen(plain)).toEqual({ rowsPerUpdate: 313, merge: "sum" });
    expect(chosen({ ...plain, critical: () => 20 })).toEqual({ rowsPerUpdate: 313, merge: "mean" });
    expect(chosen({ ...plain, given: fixed(1000) }).merge).toBe("mean");
  }
  expect(chosen({ merges: ["mean"] })).toEqual({ rowsPerUpdate: 313, merge: "mean" });
  // Where the sum comes first anticipating is there for the asking.
  expect(chosen({ merges: ["sum", "anticipate"] }).merge).toBe("sum");
  const sums = { merges: ["sum"], critical: () => 20 } as const;
  expect(chosen(sums)).toEqual({ rowsPerUpdate: 5, merge: "sum" });
});

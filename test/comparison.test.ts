/** simulate as a function: rows on real data in virtual time. */
import { beforeAll, expect, test } from "vitest";
import {
  type ComparisonQuestion,
  type ComparisonRow,
  compareStrategies,
} from "../src/run/compare.ts";
import { intervalOf, summarise } from "../src/run/compare-summary.ts";
import { type LoadedDataset, loadDataset } from "../src/run/load.ts";
import { sharedData } from "./support-data.ts";

let subset: LoadedDataset;
beforeAll(async () => {
  subset = await loadDataset(sharedData("rcv1v2-subset/rcv1v2_ccat_train.svm.gz"));
});

async function rowsOf(question: Partial<ComparisonQuestion>): Promise<ComparisonRow[]> {
  const rows: ComparisonRow[] = [];
  const settings = { l2: 1e-4, stop: "epochs:3", ...question.settings };
  const whole = { strategies: ["bsp"], workers: [4], ...question, settings };
  for await (const row of compareStrategies(subset, whole as ComparisonQuestion)) rows.push(row);
  return rows;
}

test("a row says time to target, loss, accuracy, bytes, messages, staleness and waiting", async () => {
  const rows = await rowsOf({
    strategies: ["serial", "bsp", "ssp", "allreduce"],
    targetLoss: 0.25,
    slow: { count: 1, factor: 5 },
  });
  for (const row of rows) {
    expect(row.error).toBeNull();
    expect(row.loss).toBeLessThan(0.26);
    expect(row.accuracy).toBeGreaterThan(0.9);
    expect(row.secondsToTarget).toBeGreaterThan(0);
    expect(row.learned + row.waited + row.communicated).toBeCloseTo(1, 6);
  }
  const [serial, bsp, ssp] = rows;
  expect(serial!.messages).toBe(0);
  expect(bsp!.bytes).toBeGreaterThan(0);
  expect(bsp!.staleness).toBe(0);
  expect(bsp!.waited).toBeGreaterThan(0.3);
  expect(ssp!.staleness).toBeGreaterThan(0.5);
});

test("the same question has the same rows in virtual time", async () => {
  const ask = () => rowsOf({ strategies: ["asp"], repeat: 2 });
  const rows = await ask();
  expect(await ask()).toEqual(rows);
  expect(rows[0]!.loss).not.toBe(rows[1]!.loss);
});

test("a run that fails is a row that says so", async () => {
  const rows = await rowsOf({
    strategies: ["bsp", "d-psgd", "./nowhere.mjs"],
    workers: [3],
    settings: { topology: "hypercube" },
  });
  expect(rows.map(({ status }) => status)).toEqual(["done", "failed", "failed"]);
  expect(rows[0]!.rowsPerSecond).toBeGreaterThan(1000);
  expect(rows[1]!.error).toMatch(/power of two/);
  const [, failed] = summarise(rows);
  expect(failed).toMatchObject({ strategy: "d-psgd", runs: 1, failed: 1, loss: null });
});

test("a run that its faults end early says so, what they were, and counts no beats as its messages", async () => {
  const crash = { at: 1e-3, kind: "crash", rank: 4 } as const;
  const faults = { faults: [crash], beatSeconds: null };
  const [cut, calm] = await rowsOf({ strategies: ["asp", "allreduce"], faults });
  expect(cut!.cutShort).toMatch(/^ended after 0\.\d\d of 3 epochs: server 4 gone$/);
  expect(cut!.faults).toEqual(["at 1 ms: crash of server 4"]);
  expect(calm!.status).toBe("failed");
  const quiet = {
    faults: [{ at: 1e-3, kind: "slow", rank: 1, factor: 2 } as const],
    beatSeconds: null,
  };
  const [slow] = await rowsOf({ strategies: ["asp"], faults: quiet });
  const [none] = await rowsOf({ strategies: ["asp"] });
  expect(slow!.cutShort).toBeNull();
  expect(slow!.messages / slow!.updates).toBeCloseTo(none!.messages / none!.updates, 1);
});

test("1,000 members on real data", async () => {
  const [row] = await rowsOf({
    strategies: ["asp"],
    workers: [1000],
    settings: { stop: "epochs:1" },
  });
  expect(row!.error).toBeNull();
  expect(row!.members.length).toBe(1000);
  expect(row!.loss).toBeLessThan(1);
});

test("an interval is the median and the range, and missing where a figure is", () => {
  expect(intervalOf([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3 });
  expect(intervalOf([4, 1])).toEqual({ median: 2.5, low: 1, high: 4 });
  expect(intervalOf([1, null])).toBeNull();
});

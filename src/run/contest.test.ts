import { expect, test } from "vitest";
import { type Entry, intervalOf, runContest, standings } from "./contest.ts";
import { loadDataset } from "./load.ts";

test("the median lies in the middle, between two for an even number; what is missing is passed over", () => {
  expect(intervalOf([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3 });
  expect(intervalOf([4, null, 1, undefined])).toEqual({ median: 2.5, low: 1, high: 4 });
  expect(intervalOf([null])).toBeNull();
});

test("every run is an entry, a failed one with its reason, and all share data and seeds", async () => {
  const dataset = await loadDataset("synthetic:news:rows=600,columns=300");
  const contest = {
    strategies: ["serial", "bsp", "./missing.mjs"],
    workers: [1, 2],
    repeat: 2,
    targetLoss: 10,
    options: { l2: 1e-3, stop: "epochs:2", seed: 5 },
  };
  const entries: Entry[] = [];
  for await (const entry of runContest(dataset, contest)) entries.push(entry);
  expect(entries.map(({ strategy, workers, seed }) => [strategy, workers, seed])).toEqual([
    ["serial", 1, 5],
    ["serial", 1, 6],
    ["bsp", 1, 5],
    ["bsp", 1, 6],
    ["bsp", 2, 5],
    ["bsp", 2, 6],
    ["./missing.mjs", 1, 5],
    ["./missing.mjs", 1, 6],
    ["./missing.mjs", 2, 5],
    ["./missing.mjs", 2, 6],
  ]);
  const rows = standings(entries);
  expect(rows.map(({ failures }) => failures.length)).toEqual([0, 0, 0, 2, 2]);
  expect(rows[4]!.failures[0]).toMatch(/missing/);
  // A loss of 10 is reached at the first evaluation.
  expect(rows.slice(0, 3).map(({ reached }) => reached)).toEqual([2, 2, 2]);
  expect(rows[0]!.messages).toBeNull();
  expect(rows[2]!.messages!.median).toBeGreaterThan(0);
  expect(rows[2]!.staleness!.high).toBe(0);
});

import { expect, test } from "vitest";
import { type Entry, runContest, standings } from "./contest.ts";
import { loadDataset } from "./load.ts";

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
  expect(rows.map(({ failed }) => failed)).toEqual([0, 0, 0, 2, 2]);
  expect(rows[4]!.error).toMatch(/missing/);
  // A loss of 10 is reached at the first evaluation.
  for (const row of rows.slice(0, 3)) expect(row.secondsToTarget!.low).toBeGreaterThan(0);
  expect(rows[0]!.messages).toBeNull();
  expect(rows[2]!.messages!.median).toBeGreaterThan(0);
  expect(rows[2]!.staleness!.high).toBe(0);
});

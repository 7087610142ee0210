/** What a run of a cluster says when a member fails, and what is no failure. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { glissade, lastObject, temporaryFolder } from "../e2e/support.ts";

/** A strategy whose member of rank 1 fails by a bug of its own. */
const broken = `export const broken = {
  name: "broken", pace: "free", exact: false, owns: "everything", usesSegments: false,
  conserves: () => "none", refuse: () => null,
  init: (place) => ({ rank: place.rank }),
  step(state) {
    if (state.rank === 1) throw new Error("rank one fails on purpose");
  },
};`;

test("the first failure is printed last: rank, host, cause, its last lines; error.json and a log a rank hold it", async () => {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, "broken.mjs"), broken);
  const data = "synthetic:news:rows=500,columns=100,seed=3";
  const flags = ["--engine", "cluster", "--strategy", "./broken.mjs", "--workers", "2", "--json"];
  const { code, stdout, stderr } = await glissade(["train", data, "--epochs", "1", ...flags], {
    cwd,
  });
  expect(code, stderr).toBe(1);
  const lines = stderr.trimEnd().split("\n");
  const at = lines.findIndex((line) => line.includes("first to fail: rank 1 at "));
  expect(at, stderr).toBeGreaterThan(0);
  // Nothing follows it but its own lines.
  for (const line of lines.slice(at + 1)) expect(line).toMatch(/^glissade: {3}/);
  expect(lines.slice(at).join("\n")).toContain("rank one fails on purpose");
  const folder = join(cwd, "runs", lastObject(stdout).run);
  const error = JSON.parse(readFileSync(join(folder, "error.json"), "utf8"));
  expect(error.member).toMatchObject({
    rank: 1,
    host: expect.any(String),
    cause: expect.any(String),
  });
  expect(error.member.lines.join("\n")).toContain("rank one fails on purpose");
  expect(readdirSync(join(folder, "logs")).toSorted()).toEqual(["rank-0.log", "rank-1.log"]);
});

test("members without rows, and members whose rows are all of one class, are legal", async () => {
  const cwd = temporaryFolder();
  // Sorted by class: whoever gets one half sees one class only; three rows cannot be cut for four.
  const row = (k: number) => `${k < 20 ? -1 : 1} ${1 + (k % 7)}:1 ${10 + (k < 20 ? 0 : 1)}:1\n`;
  writeFileSync(join(cwd, "sorted.svm"), Array.from({ length: 40 }, (_, k) => row(k)).join(""));
  writeFileSync(join(cwd, "few.svm"), [0, 1, 39].map(row).join(""));
  for (const [file, strategy] of [
    ["sorted.svm", "bsp"],
    ["sorted.svm", "allreduce"],
    ["few.svm", "asp"],
    ["few.svm", "allreduce"],
  ] as const) {
    const flags = ["--engine", "cluster", "--strategy", strategy, "--workers", "4", "--json"];
    const more = ["--epochs", "2", "--validation", "0", "--l2", "1e-3"];
    const { code, stdout, stderr } = await glissade(["train", file, ...flags, ...more], { cwd });
    expect(code, `${file} ${strategy}: ${stderr}`).toBe(0);
    expect(lastObject(stdout)).toMatchObject({ status: "done", workers: 4 });
  }
});

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/run/events.ts";
import {
  glissade,
  hasRealData,
  lastObject,
  type Outcome,
  smallNews,
  subset,
  temporaryFolder,
} from "./support.ts";

/** Keys of the object, as conventions list them. */
const resultKeys = [
  "glissade",
  "command",
  "status",
  "strategy",
  "engine",
  "workers",
  "solver",
  "loss",
  "l2",
  "rows",
  "columns",
  "nonZeros",
  "epochs",
  "stopped",
  "seconds",
  "train",
  "validation",
  "test",
  "gap",
  "collisions",
  "updates",
  "bytes",
  "members",
  "model",
  "run",
  "error",
];

describe("train --json", () => {
  let folder = "";
  let outcome: Outcome;
  let result: ReturnType<typeof lastObject>;

  beforeAll(async () => {
    const { mkdtempSync } = await import("node:fs");
    const { tmpdir } = await import("node:os");
    folder = mkdtempSync(join(tmpdir(), "glissade-test-"));
    outcome = await glissade(["train", smallNews, "--json", "--l2", "1e-3", "--test", smallNews], {
      cwd: folder,
    });
    result = lastObject(outcome.stdout);
    return async () => (await import("node:fs")).rmSync(folder, { recursive: true, force: true });
  });

  test("standard output is one line: the object, with every key in its place", () => {
    expect(outcome.code, outcome.stderr).toBe(0);
    expect(outcome.stdout.trimEnd().split("\n")).toHaveLength(1);
    expect(Object.keys(result)).toEqual(resultKeys);
    expect(result).toMatchObject({
      glissade: "1",
      command: "train",
      status: "done",
      strategy: "serial",
      engine: "threads",
      workers: 1,
      solver: expect.stringMatching(/^(sgd|sdca)$/),
      loss: "hinge",
      l2: 1e-3,
      rows: 2000,
      model: "model.safetensors",
      error: null,
    });
    expect(Object.keys(result.seconds)).toEqual(["load", "train", "evaluate", "total"]);
    expect(Object.keys(result.train)).toEqual(["objective", "loss", "rows"]);
    for (const split of [result.validation, result.test]) {
      expect(Object.keys(split).sort()).toEqual(["accuracy", "loss", "rows"]);
    }
  });

  test("training and validation rows are all rows", () => {
    const { train, validation } = result;
    expect(train.rows + validation.rows).toBe(2000);
    expect(validation.rows).toBeGreaterThan(100);
  });

  test("seconds add up: load, train and evaluate fit into the total", () => {
    const { load, train, evaluate, total } = result.seconds;
    expect(load + train + evaluate).toBeLessThanOrEqual(total);
  });

  test("the run's folder holds manifest, events and the same model", () => {
    const run = join(folder, "runs", result.run);
    expect(result.run).toMatch(/^\d{8}-\d{9}-[a-z]{4}$/);
    expect(readdirSync(run).sort()).toEqual(["events.jsonl", "manifest.json", "model.safetensors"]);
    expect(readFileSync(join(run, "model.safetensors"))).toEqual(
      readFileSync(join(folder, "model.safetensors")),
    );
  });

  test("the manifest names every setting and where it comes from, data, split, versions, machine", () => {
    const path = join(folder, "runs", result.run, "manifest.json");
    const manifest = JSON.parse(readFileSync(path, "utf8"));
    expect(manifest.settings.l2).toEqual({ value: 1e-3, from: "flag", where: "--l2" });
    expect(manifest.settings.loss).toEqual({ value: "hinge", from: "default", where: "" });
    expect(manifest.split).toEqual({ validation: 0.1, seed: 1 });
    expect(manifest.data).toMatchObject({ rows: 2000, fingerprint: expect.stringMatching(/./) });
    expect(manifest.machine).toMatchObject({ node: process.versions.node });
    expect(manifest.result).toEqual(result);
  });

  test("events go from run to result, each with version, time and kind, in the order of time", () => {
    const text = readFileSync(join(folder, "runs", result.run, "events.jsonl"), "utf8");
    const events = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as RunEvent);
    expect(events.every(({ v, time, kind }) => v === 1 && time >= 0 && kind !== undefined)).toBe(
      true,
    );
    const times = events.map(({ time }) => time);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    const kinds = new Set(events.map(({ kind }) => kind));
    for (const kind of ["loading", "run-started", "evaluated", "stopped", "run-finished"]) {
      expect(kinds, kind).toContain(kind);
    }
    expect(events.at(-1)).toMatchObject({ kind: "run-finished", result });
  });
});

test("without --json the last line of standard output says what to do with the model", async () => {
  const cwd = temporaryFolder();
  const { stdout, stderr, code } = await glissade(["train", smallNews, "-o", "news.safetensors"], {
    cwd,
  });
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(
    /^news\.safetensors: accuracy \d\d\.\d % on \d+ validation rows, .+; try: glissade predict news\.safetensors FILE\n$/,
  );
  expect(stderr).toContain("epoch 1, validation loss");
  expect(existsSync(join(cwd, "news.safetensors"))).toBe(true);
});

test("--quiet says nothing at all", async () => {
  const { stdout, stderr, code } = await glissade(["train", smallNews, "--quiet"], {
    cwd: temporaryFolder(),
  });
  expect([code, stdout, stderr]).toEqual([0, "", ""]);
});

test("the same seed gives the same model, byte for byte", async () => {
  const cwd = temporaryFolder();
  const models = [];
  for (const name of ["a", "b"]) {
    await glissade(["train", smallNews, "--epochs", "3", "-o", name], { cwd });
    models.push(readFileSync(join(cwd, name)));
  }
  // The name of the file is no part of the model.
  expect(models[0]).toEqual(models[1]);
});

test("rows can come from standard input", async () => {
  const input = Array.from({ length: 50 }, (_, i) => `${i % 2} ${1 + (i % 2)}:1 3:0.5\n`).join("");
  const { code, stdout, stderr } = await glissade(["train", "-", "--json", "--validation", "0"], {
    cwd: temporaryFolder(),
    input,
  });
  expect(code, stderr).toBe(0);
  expect(lastObject(stdout)).toMatchObject({ rows: 50, columns: 3, validation: null });
});

test("a setting without effect is named in a warning, with the reason", async () => {
  const { stderr } = await glissade(["train", smallNews, "--epochs", "1", "--staleness", "3"], {
    cwd: temporaryFolder(),
  });
  expect(stderr).toContain(
    "warning: --staleness has no effect here: only strategies ssp, dssp and ad-psgd have it",
  );
});

describe("--require", () => {
  test("exit code 3 when it does not hold, and the model is there all the same", async () => {
    const cwd = temporaryFolder();
    const args = ["train", smallNews, "--epochs", "1", "--require", "accuracy>=0.9999"];
    const { code, stderr } = await glissade(args, { cwd });
    expect(code).toBe(3);
    expect(stderr).toMatch(/--require: accuracy>=0\.9999: not met, found 0\.\d+/);
    expect(existsSync(join(cwd, "model.safetensors"))).toBe(true);
  });

  test("exit code 0 when it holds", async () => {
    const args = ["train", smallNews, "--epochs", "1", "--require", "accuracy>=10%,seconds<60"];
    expect((await glissade(args, { cwd: temporaryFolder() })).code).toBe(0);
  });
});

test("bad rows are an error with file, line and column, exit code 1, and error.json", async () => {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, "bad.svm"), "1 1:0.5\n-1 2:zebra\n");
  const { code, stderr, stdout } = await glissade(["train", "bad.svm", "--json"], { cwd });
  expect(code).toBe(1);
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(stderr).toMatch(/^glissade: bad\.svm:2:\d+: found "zebra", expected /);
  const result = lastObject(stdout);
  expect(result).toMatchObject({ status: "failed", stopped: "failed", model: null });
  expect(result.error).toMatchObject({ file: "bad.svm", line: 2 });
  const run = join(cwd, "runs", result.run);
  const told = JSON.parse(readFileSync(join(run, "error.json"), "utf8"));
  expect(told).toEqual({ ...result.error, member: null });
});

test("a failure before anything was read gives the same object, without a run", async () => {
  const cwd = temporaryFolder();
  const args = ["train", smallNews, "-o", "none/m.safetensors", "--json"];
  const { code, stdout } = await glissade(args, { cwd });
  expect(code).toBe(1);
  expect(Object.keys(lastObject(stdout))).toEqual(resultKeys);
  expect(lastObject(stdout)).toMatchObject({ status: "failed", run: null, model: null });
  expect(readdirSync(cwd)).toEqual([]);
});

describe.skipIf(!hasRealData)("the RCV1 subset (skipped where ../shared/data is not there)", () => {
  test("with no flag but the files the model classifies the test rows", async () => {
    const cwd = temporaryFolder();
    const trained = await glissade(["train", subset.train, "--test", subset.test, "--json"], {
      cwd,
    });
    expect(trained.code, trained.stderr).toBe(0);
    const result = lastObject(trained.stdout) as never as {
      test: { accuracy: number; loss: number };
    };
    expect(result.test.accuracy).toBeGreaterThan(0.93);
    const args = ["evaluate", "model.safetensors", subset.test, "--json"];
    const { metrics } = lastObject((await glissade(args, { cwd })).stdout) as never as {
      metrics: { accuracy: number; loss: number; rows: number };
    };
    expect(metrics.rows).toBe(4582);
    expect(metrics.accuracy).toBeCloseTo(result.test.accuracy, 3);
    expect(metrics.loss).toBeCloseTo(result.test.loss, 5);
  });
});

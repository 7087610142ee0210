import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { glissade, lastObject, runProcess, smallNews } from "./support.ts";

/** One trained folder for all: a hinge and a log model of the same rows. */
let cwd = "";
const rows = [
  ...Array.from({ length: 300 }, (_, i) => `1 1:${1 + (i % 7) / 10} ${5 + (i % 11)}:0.3`),
  ...Array.from({ length: 200 }, (_, i) => `-1 2:${1 + (i % 5) / 10} ${5 + (i % 11)}:0.3`),
];

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), "glissade-test-"));
  writeFileSync(join(cwd, "rows.svm"), `${rows.join("\n")}\n`);
  for (const loss of ["hinge", "log"]) {
    const args = ["train", "rows.svm", "--loss", loss, "--l2", "1e-3", "-o", `${loss}.safetensors`];
    const { code, stderr } = await glissade(args, { cwd });
    expect(code, stderr).toBe(0);
  }
  return () => rmSync(cwd, { recursive: true, force: true });
});

describe("predict", () => {
  test("one label a row, in the order of the rows, in the words of the training file", async () => {
    const { stdout, stderr, code } = await glissade(["predict", "hinge.safetensors", "rows.svm"], {
      cwd,
    });
    expect(code, stderr).toBe(0);
    expect(stdout.trimEnd().split("\n")).toEqual(rows.map((row) => row.split(" ")[0]));
  });

  test("predictions are w.x, probabilities their sigmoid", async () => {
    const read = async (output: string) => {
      const args = ["predict", "log.safetensors", "--output", output, "rows.svm"];
      return (await glissade(args, { cwd })).stdout.trimEnd().split("\n").map(Number);
    };
    const predictions = await read("predictions");
    const probabilities = await read("probabilities");
    predictions.forEach((p, i) => {
      expect(probabilities[i]).toBeCloseTo(1 / (1 + Math.exp(-p)), 6);
    });
  });

  test("a model of hinge loss has no probabilities: exit code 2, and why", async () => {
    const args = ["predict", "hinge.safetensors", "rows.svm", "--output", "probabilities"];
    const { code, stderr, stdout } = await glissade(args, { cwd });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("a model of hinge loss has no probabilities");
    expect(stderr).toContain("train with --loss log");
  });

  test("rows from standard input need no labels", async () => {
    const { stdout, code, stderr } = await glissade(["predict", "hinge.safetensors"], {
      cwd,
      input: "1:1\n2:1\n1 1:1\n",
    });
    expect(code, stderr).toBe(0);
    expect(stdout).toBe("1\n-1\n1\n");
  });

  test("features the model never saw are counted and said", async () => {
    const { stdout, stderr } = await glissade(["predict", "hinge.safetensors"], {
      cwd,
      input: "1 1:1 999:5\n",
    });
    expect(stdout).toBe("1\n");
    expect(stderr).toContain("1 values of features the model never saw count as 0");
  });

  test("a closed pipe ends it quietly", async () => {
    const many = Array.from({ length: 400 }, () => rows.join("\n")).join("\n");
    writeFileSync(join(cwd, "many.svm"), `${many}\n`);
    const cli = new URL("../../dist/cli/main.js", import.meta.url).pathname;
    const script = `"$0" "$1" predict hinge.safetensors many.svm | head -2; echo "\${PIPESTATUS[*]}"`;
    const args = ["-c", script, process.execPath, cli];
    const { stdout, stderr } = await runProcess("bash", args, { cwd });
    expect(stdout).toBe("1\n1\n0 0\n");
    expect(stderr).toBe("");
  });

  test("--json ends the output with an object", async () => {
    const args = ["predict", "hinge.safetensors", "rows.svm", "--json"];
    const { stdout } = await glissade(args, { cwd });
    expect(lastObject(stdout)).toMatchObject({ command: "predict", status: "done", rows: 500 });
    expect(stdout.trimEnd().split("\n")).toHaveLength(501);
  });

  test("a file that is no model is named, with what is wrong", async () => {
    const { code, stderr } = await glissade(["predict", "rows.svm", "rows.svm"], { cwd });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^glissade: rows\.svm: /);
    const missing = await glissade(["predict", "none.safetensors", "rows.svm"], { cwd });
    expect(missing.stderr).toBe("glissade: none.safetensors: no such file: check the path\n");
  });
});

describe("evaluate", () => {
  test("confusion, accuracy, precision, recall, F1 and AUC belong together", async () => {
    const args = ["evaluate", "hinge.safetensors", "rows.svm", "--json"];
    const { stdout, code } = await glissade(args, { cwd });
    expect(code).toBe(0);
    const { metrics } = lastObject(stdout);
    expect(metrics).toMatchObject({
      rows: 500,
      accuracy: 1,
      precision: 1,
      recall: 1,
      f1: 1,
      auc: 1,
      confusion: { truePositive: 300, falsePositive: 0, trueNegative: 200, falseNegative: 0 },
    });
  });

  test("labels that the model does not know are refused, not guessed", async () => {
    const { code, stderr } = await glissade(["evaluate", "hinge.safetensors"], {
      cwd,
      input: "0 1:1\n1 2:1\n",
    });
    expect(code).toBe(1);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(/found (the label |labels? )?.*0/);
  });

  test("a person reads the same numbers in words", async () => {
    const { stdout } = await glissade(["evaluate", "hinge.safetensors", "rows.svm"], { cwd });
    expect(stdout).toContain("precision (PPV)  100.00 %");
    expect(stdout).toContain("true +  300          0");
  });
});

describe("inspect", () => {
  test("rows, columns, labels and Hogwild!'s numbers of a data set", async () => {
    const { stdout, code } = await glissade(["inspect", "rows.svm", "--json"], { cwd });
    expect(code).toBe(0);
    expect(lastObject(stdout)).toMatchObject({
      kind: "data",
      rows: 500,
      columns: 15,
      indexBase: 1,
      nonZeros: 1000,
      omega: 2,
      delta: 0.6,
      labels: [
        { label: 1, rows: 300 },
        { label: -1, rows: 200 },
      ],
      rho: { low: expect.any(Number), high: expect.any(Number) },
    });
  });

  test("what a model was trained with, and its largest weights", async () => {
    const args = ["inspect", "hinge.safetensors", "--top", "2", "--json"];
    const result = lastObject((await glissade(args, { cwd })).stdout);
    expect(result).toMatchObject({ kind: "model", loss: "hinge", l2: 1e-3, labels: [-1, 1] });
    expect((result.weights as { id: number }[]).map(({ id }) => id).sort()).toEqual([1, 2]);
  });
});

describe("runs", () => {
  test("list has one line a run, show tells settings and curve", async () => {
    const { stdout } = await glissade(["runs"], { cwd });
    const [header, ...lines] = stdout.trimEnd().split("\n");
    expect(header).toMatch(/^run +status +data/);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/done +rows\.svm +serial +log/);
    const shown = (await glissade(["runs", "show"], { cwd })).stdout;
    expect(shown).toContain("loss   log");
    expect(shown).toMatch(/# --loss/);
    expect(shown).toMatch(/^epoch +rows +seconds +loss +accuracy/m);
  });

  test("an unknown run is wrong use", async () => {
    const { code, stderr } = await glissade(["runs", "show", "zzzz"], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain('no run "zzzz"');
  });
});

test("the demo's data set trains without any file", async () => {
  const { code } = await glissade(["train", smallNews, "-o", "demo.safetensors", "--epochs", "1"], {
    cwd,
  });
  expect(code).toBe(0);
  expect(readFileSync(join(cwd, "demo.safetensors")).length).toBeGreaterThan(2000);
});

/** A model file opened by other people's programs: Python's safetensors and numpy. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../tidy/sources.ts";
import { glissade, runProcess, temporaryFolder } from "./support.ts";

/** `.ci/run` puts it there; elsewhere the machine's own may do. */
const python = [join(root, ".cache/python/bin/python3"), "python3"].find(
  (path) =>
    (path === "python3" || existsSync(path)) &&
    spawnSync(path, ["-c", "import numpy, safetensors"]).status === 0,
);

const program = `
import json, sys
import numpy as np
from safetensors import safe_open
with safe_open(sys.argv[1], framework="np") as file:
    w, about = file.get_tensor("weights"), file.metadata()
base = int(about["indexBase"])
for line in open(sys.argv[2]):
    cells = [cell.split(":") for cell in line.split()[1:]]
    ids = np.array([int(id) for id, _ in cells]) - base
    x = np.array([np.float32(value) for _, value in cells])
    terms = w[ids].astype(np.float64) * x.astype(np.float64)
    print(json.dumps([float(terms.sum()), float(np.abs(terms).sum()), len(terms)]))
print(json.dumps({**about, "dtype": str(w.dtype), "shape": list(w.shape)}))
`;

describe.skipIf(python === undefined)("in Python (skipped without safetensors and numpy)", () => {
  test("the same predictions within 1 ulp (of f32) a term, and readable metadata", async () => {
    const cwd = temporaryFolder();
    const rows = Array.from({ length: 200 }, (_, i) => {
      const cells = [1 + (i % 3), 10 + (i % 17), 40 + (i % 5)].map(
        (id, k) => `${id}:${((i * 37 + k * 11) % 97) / 97 + 0.01}`,
      );
      return `${i % 3 === 0 ? 1 : -1} ${cells.join(" ")}\n`;
    });
    writeFileSync(join(cwd, "rows.svm"), rows.join(""));
    const trained = await glissade(["train", "rows.svm", "--loss", "log", "--l2", "1e-3"], { cwd });
    expect(trained.code, trained.stderr).toBe(0);
    const args = ["predict", "model.safetensors", "rows.svm", "--output", "predictions"];
    const own = (await glissade(args, { cwd })).stdout.trimEnd().split("\n").map(Number);
    const theirs = await runProcess(python!, ["-c", program, "model.safetensors", "rows.svm"], {
      cwd,
    });
    expect(theirs.code, theirs.stderr).toBe(0);
    const lines = theirs.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const about = lines.pop();
    expect(lines).toHaveLength(own.length);
    lines.forEach(([prediction, size, terms], row) => {
      expect(Math.abs(prediction - own[row]!)).toBeLessThanOrEqual(terms * size * 2 ** -23);
    });
    expect(about).toMatchObject({
      format: "glissade/1",
      loss: "log",
      labels: "[-1,1]",
      indexBase: "1",
      columns: "44",
      bias: "none",
      dtype: "float32",
      shape: [44],
    });
    expect(JSON.parse(about.settings)).toMatchObject({ loss: "log", l2: 1e-3 });
  });

  test("safetensors written by Python are opened where they are models of ours, else refused", async () => {
    const cwd = temporaryFolder();
    const write = `
import numpy as np
from safetensors.numpy import save_file
save_file({"weights": np.arange(4, dtype=np.float32)}, "ours.safetensors", metadata={
  "format": "glissade/1", "loss": "hinge", "l2": "0.1", "labels": "[-1,1]", "indexBase": "0",
  "columns": "4", "bias": "none", "settings": "{}", "data": "", "version": "0"})
save_file({"weights": np.arange(4, dtype=np.float32)}, "theirs.safetensors")
`;
    expect((await runProcess(python!, ["-c", write], { cwd })).code).toBe(0);
    expect(readFileSync(join(cwd, "ours.safetensors")).length).toBeGreaterThan(16);
    const input = "1 0:1 1:1 3:0.5\n";
    const args = ["predict", "ours.safetensors", "--output", "predictions"];
    expect((await glissade(args, { cwd, input })).stdout).toBe("2.5\n");
    const refused = await glissade(["predict", "theirs.safetensors"], { cwd, input });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^glissade: theirs\.safetensors: .*format/);
  });
});

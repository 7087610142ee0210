/** The model file is what other programs think it is: Python's safetensors package opens it. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeModel, encodeModel, ModelFileError } from "../src/model/safetensors.ts";
import { loadDataset } from "../src/run/load.ts";
import { Model } from "../src/run/model.ts";
import { train } from "../src/run/train.ts";

const environment = fileURLToPath(new URL("../.cache/python", import.meta.url));
const python = join(environment, "bin/python");
const codec = {
  encode: (text: string) => new TextEncoder().encode(text),
  decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "glissade-model-"));
  if (existsSync(join(environment, "ready"))) return;
  execFileSync("python3", ["-m", "venv", environment]);
  execFileSync(python, ["-m", "pip", "install", "--quiet", "numpy==2.2.6", "safetensors==0.5.3"]);
  writeFileSync(join(environment, "ready"), "");
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("Python's safetensors and numpy give the same predictions, within 1 ulp of f64 a term", async () => {
  const dataset = await loadDataset("synthetic:news:rows=2000");
  const model = new Model(await train(dataset, { l2: 1e-4 }).model);
  const file = join(folder, "model.safetensors");
  await model.save(file);
  const block = dataset.blocks[0]!;
  const rows = Array.from({ length: 200 }, (_, row) => {
    const [start, end] = [block.rowStart[row]!, block.rowStart[row + 1]!];
    return { index: block.index.slice(start, end), value: block.value.slice(start, end) };
  });
  const lines = rows.map(({ index, value }) =>
    Array.from(index, (id, k) => `${id}:${value[k]}`).join(" "),
  );
  writeFileSync(join(folder, "rows.txt"), `${lines.join("\n")}\n`);
  const script = fileURLToPath(new URL("./python/read_model.py", import.meta.url));
  const printed = execFileSync(python, [script, file, join(folder, "rows.txt")], {
    encoding: "utf8",
  });
  const loaded = await Model.load(file);
  const theirs = printed.trim().split("\n").map(Number);
  expect(theirs.length).toBe(rows.length);
  rows.forEach((row, k) => {
    const size = Array.from(row.index, (id, i) =>
      Math.abs(loaded.weights[id - loaded.record.indexBase]! * row.value[i]!),
    ).reduce((sum, term) => sum + term, 0);
    const bound = row.index.length * Number.EPSILON * size;
    expect(Math.abs(loaded.predict(row) - theirs[k]!)).toBeLessThanOrEqual(bound);
  });
});

const model = {
  weights: Float32Array.of(1, -2, 3),
  loss: "hinge",
  l2: 1e-4,
  labels: [0, 1],
  indexBase: 1,
  bias: true,
  settings: { epochs: 3 },
  data: "fingerprint",
  names: ["a", "b"],
  version: "0.1.0",
} as const;

test("a model comes back from its bytes as it was", () => {
  expect(decodeModel(encodeModel(model, codec), codec)).toEqual(model);
});

test("tensors start at a multiple of 8, as the format asks", () => {
  const bytes = encodeModel(model, codec);
  const header = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  expect(header % 8).toBe(0);
});

test("a strange or damaged file is refused with words, never with another error", () => {
  const good = encodeModel(model, codec);
  const changes = fc.array(fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(changes, fc.nat({ max: good.length }), (list, length) => {
      const bytes = good.slice(0, length > good.length / 2 ? good.length : length);
      for (const [at, value] of list) if (at < bytes.length) bytes[at] = value;
      try {
        decodeModel(bytes, codec);
      } catch (error) {
        expect(error).toBeInstanceOf(ModelFileError);
      }
    }),
    { numRuns: 2000 },
  );
});

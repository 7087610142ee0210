import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { blockOf, randomRows } from "../../test/support-blocks.ts";
import { folderOf } from "../../test/support-files.ts";
import { Arena } from "../kernels/arena.ts";
import { randomStream } from "../math/random.ts";
import { loadDataset } from "./load.ts";
import { BlockFileWriter } from "./loading/block-writer.ts";
import type { TrainOptions } from "./settings.ts";
import { train } from "./train.ts";

const blocks = 40;
const rowsPerBlock = 60;

/** A block file of many small blocks: more than the slots that the least memory gives. */
function manyBlocks(): string {
  const arena = new Arena();
  const path = join(folderOf({}).folder, "many.blocks");
  const writer = new BlockFileWriter(arena, path);
  const state = randomStream({ seed: 7, purpose: "test" });
  const rows = randomRows(state, { rows: blocks * rowsPerBlock, columns: 80, perRow: 12 });
  let [nonZeros, width] = [0, 0];
  for (let start = 0; start < rows.length; start += rowsPerBlock) {
    const block = blockOf(arena, rows.slice(start, start + rowsPerBlock), start);
    nonZeros += block.nonZeros;
    width = Math.max(width, block.width);
    writer.add(block);
  }
  writer.finish({
    rows: rows.length,
    nonZeros,
    width,
    indexBase: 1,
    labels: { kind: "binary", negative: -1, positive: 1 },
    sources: [{ name: "many", bytes: 1, rows: rows.length, skippedRows: 0 }],
    skippedRows: 0,
    fingerprint: "sha256:0",
    origin: null,
  });
  return path;
}

async function runOn(path: string, residence: "memory" | "auto", options: TrainOptions) {
  const dataset = await loadDataset(path, { residence, memoryBytes: 1 });
  expect(dataset.source.resident).toBe(residence === "memory");
  if (residence === "auto") expect(dataset.source.heldMax).toBe(16);
  const run = train(dataset, options);
  const costs: unknown[] = [];
  for await (const event of run) {
    if (event.kind === "evaluated") costs.push([event.rows, event.loss, event.objective]);
    if (event.kind === "calibrated") costs.push([event.setting, event.value]);
  }
  const { train: training, validation, gap, epochs } = await run.result;
  dataset.source.close();
  return { costs, training, validation, gap, epochs, weights: (await run.model).weights };
}

describe("blocks that come and go give the bits that blocks in memory give", () => {
  const cases: Record<string, TrainOptions> = {
    "l2 auto": { stop: "epochs:3" },
    "sgd without validation rows": { l2: 1e-3, validation: 0, solver: "sgd", stop: "epochs:3" },
    "updates that cross windows": { l2: 1e-3, rowsPerUpdate: 400, stop: "epochs:3" },
    "mini-batches": { l2: 1e-3, learn: "gradient", rowsPerUpdate: 37, stop: "epochs:2" },
    "dual ascent with a gap": { l2: 1e-3, solver: "sdca", stop: "gap:1%,epochs:40" },
    "sgd, certified": { l2: 1e-2, solver: "sgd", certify: true, stop: "epochs:2" },
    "two replicas": { l2: 1e-3, strategy: "replicas", workers: 2, stop: "epochs:3" },
    adagrad: { l2: 1e-4, step: "adagrad", stop: "epochs:3" },
    "a bias": { l2: 1e-3, bias: true, stop: "epochs:3" },
    "log loss, half epochs": {
      loss: "log",
      l2: 1e-4,
      stop: "epochs:2.5",
      evaluateEvery: "500rows",
    },
  };
  test.each(Object.entries(cases))("%s", async (_, options) => {
    const path = manyBlocks();
    const inMemory = await runOn(path, "memory", options);
    const streamed = await runOn(path, "auto", options);
    expect(streamed).toEqual(inMemory);
    expect(inMemory.weights.some((weight) => weight !== 0)).toBe(true);
  });
});

test("an update of more rows than fit the memory is refused in words", async () => {
  const path = manyBlocks();
  await expect(
    runOn(path, "auto", { l2: 1e-3, rowsPerUpdate: 2000, stop: "epochs:1" }),
  ).rejects.toThrow(/at most|more than 16 blocks.*--memory/);
});

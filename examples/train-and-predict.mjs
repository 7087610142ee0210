// Trains a model on made news, watches it learn, saves it and predicts with it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadDataset, Model, train } from "glissade";

const dataset = await loadDataset("synthetic:news:rows=5000");
const run = train(dataset, { loss: "log", l2: 1e-5 });
for await (const event of run) {
  if (event.kind === "evaluated") console.log(`epoch ${event.epoch}: loss ${event.loss}`);
}
const { validation } = await run.result;
console.log(`accuracy ${validation.accuracy} on ${validation.rows} validation rows`);

const folder = mkdtempSync(join(tmpdir(), "glissade-example-"));
const path = join(folder, "news.safetensors");
await new Model(await run.model).save(path);
const model = await Model.load(path);
const row = { index: [3, 17, 256], value: [0.5, 0.25, 0.8] };
console.log(
  `label ${model.label(row)} with probability ${model.probability(row)} of the positive one`,
);
rmSync(folder, { recursive: true });

/**
 * Predictions: a file of rows to a file of labels, whole process, in megabytes of text a second.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { root } from "./support/cache.mjs";
import { runGlissade } from "./support/contenders.mjs";
import { prepareSet, problems } from "./support/data.mjs";
import { median, run, scratch } from "./support/measure.mjs";

export async function benchPredict({ setName, rounds }) {
  const set = await prepareSet(setName);
  const trained = runGlissade(set, problems.hinge, "--epochs 1");
  if (!trained.ok) throw new Error(trained.why);
  const words = ["predict", join(scratch, "glissade.safetensors"), set.train];
  const cli = join(root, "dist", "cli", "main.js");
  const turns = Array.from({ length: rounds }, () =>
    run(process.execPath, [cli, ...words], { output: join(scratch, "predictions.txt") }),
  );
  const bytes = statSync(set.train).size;
  return {
    megabytesASecond: bytes / 1e6 / median(turns.map(({ seconds }) => seconds)),
    processor: median(turns.map(({ processor }) => processor)),
    megabytes: median(turns.map(({ megabytes }) => megabytes)),
  };
}

#!/usr/bin/env node
/**
 * Strategy `replicas` by rule of merging, as Markdown: how far above the proven optimum it ends, hinge, l2 1e-4.
 *
 *   node bench/replicas.mjs [--only subset,a9a,twin]
 */
import { parseArgs } from "node:util";
import { loadDataset, train } from "../dist/index.js";
import { prepareSet } from "./support/data.mjs";

const { values } = parseArgs({ options: { only: { type: "string", default: "subset,a9a,twin" } } });
const merges = ["mean", "sum", "anticipate"];

console.log(`| rows | workers | ${merges.join(" | ")} |\n|---|---|${"---|".repeat(merges.length)}`);
for (const name of values.only.split(",")) {
  const { train: file, title, optimum } = await prepareSet(name);
  const dataset = await loadDataset(file, { indexBase: 1 });
  for (const workers of [1, 2, 4, 8]) {
    const figures = [];
    for (const merge of merges) {
      const { result } = train(dataset, {
        ...{ loss: "hinge", l2: 1e-4, validation: 0, solver: "sgd" },
        ...{ strategy: "replicas", workers, merge },
        stop: `epochs:${name === "twin" ? 2 : 5}`,
      });
      figures.push((100 * ((await result).train.objective / optimum.hinge - 1)).toPrecision(2));
    }
    console.log(`| ${title} | ${workers} | ${figures.join(" | ")} |`);
  }
}

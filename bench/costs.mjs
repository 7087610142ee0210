#!/usr/bin/env node
/**
 * What strategies cost, for their pages in docs/strategies: RCV1 subset with a tenth of its rows held back, hinge 1e-4,
 * 8 simulated workers of 50,000 rows a second on 1 Gbps and 100 us, 10 epochs; rows an update, merging and steps as
 * chosen by themselves. Once with alike workers, once with one that is ten times slower. Times are virtual.
 *
 *   npm run bench:costs -- [--only bsp,asp] [--seed 1]
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compareStrategies } from "../dist/run/compare.js";
import { loadDataset } from "../dist/run/load.js";
import { shared } from "./support/cache.mjs";

/** By its title: the strategy, and settings of its own. */
const contenders = {
  serial: {},
  bsp: {},
  asp: {},
  ssp: {},
  dssp: {},
  allreduce: {},
  "allreduce, tree": { topology: "tree" },
  "allreduce, complete": { topology: "complete" },
  "d-psgd": {},
  "d-psgd, exponential": { topology: "exponential" },
  "ad-psgd": {},
  "peer-to-peer": {},
  "feature-parallel": { learn: "gradient" },
};
const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    seed: { type: "string", default: "1" },
  },
});
const names = Object.keys(contenders).filter(
  (name) => values.only === "" || values.only.split(",").includes(name.split(",")[0]),
);

const dataset = await loadDataset(
  join(shared, "data", "rcv1v2-subset", "rcv1v2_ccat_train.svm.gz"),
);
const settings = { l2: 1e-4, stop: "epochs:10", seed: Number(values.seed) };
const costs = { learnSecondsPerRow: 2e-5, bytesPerSecond: 1.25e8, latencySeconds: 1e-4 };

for (const [title, slow] of [
  ["Alike workers", undefined],
  ["One worker ten times slower", { count: 1, factor: 10 }],
]) {
  console.log(`\n## ${title}\n`);
  const head = ["strategy", "rows an update", "merge", "messages an epoch", "MB an epoch", "s"];
  const rest = ["held-out loss", "stale", "learning", "waiting", "communicating"];
  const columns = [...head, ...rest];
  console.log(`| ${columns.join(" | ")} |\n|${"---|".repeat(columns.length)}`);
  for (const name of names) {
    const question = {
      ...{ strategies: [name.split(",")[0]], workers: [8], costs },
      settings: { ...settings, ...contenders[name] },
      ...(slow ? { slow } : {}),
    };
    for await (const row of compareStrategies(dataset, question)) console.log(lineOf(name, row));
  }
}

function lineOf(name, row) {
  if (row.error !== null) return `| ${name} | failed: ${row.error} |`;
  const percent = (share) => `${(100 * share).toFixed(0)} %`;
  const cells = [name, row.rowsPerUpdate, row.merge, (row.messages / row.epochs).toFixed(0)];
  cells.push((row.bytes / row.epochs / 1e6).toPrecision(3), row.seconds.toPrecision(3));
  cells.push(row.loss.toFixed(4), row.staleness.toFixed(1));
  cells.push(percent(row.learned), percent(row.waited), percent(row.communicated));
  return `| ${cells.join(" | ")} |`;
}

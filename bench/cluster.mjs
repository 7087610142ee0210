#!/usr/bin/env node
/**
 * The figures of the cluster, as a Markdown table: processes of this machine, over the loopback.
 *
 *   npm run bench:cluster -- [--data twin_train.svm] [--parts start,twin,frames,loss,churn,idle] [--short] [--write]
 *
 * Without --data the twin's part is left out, and says so. --short: the churn takes one minute, not ten.
 * --write: the rows go to docs/benchmarks.md; those of parts that were not run stay as last measured.
 */
import { parseArgs } from "node:util";
import { benchChurn } from "./support/cluster-churn.mjs";
import { benchFrames } from "./support/cluster-frames.mjs";
import { benchLoss } from "./support/cluster-loss.mjs";
import { benchIdle, benchStart } from "./support/cluster-start.mjs";
import { benchTwin } from "./support/cluster-twin.mjs";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    parts: { type: "string", default: "start,twin,frames,loss,churn,idle" },
    short: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});

const parts = {
  start: benchStart,
  twin: () => (values.data ? benchTwin(values.data) : leftOut("twin", "no --data given")),
  frames: benchFrames,
  loss: benchLoss,
  churn: () => benchChurn({ minutes: values.short ? 1 : 10 }),
  idle: benchIdle,
};

console.log("| what | target | found | |\n|---|---|---|---|");
let missed = 0;
const results = new Map();
for (const name of values.parts.split(",")) {
  results.set(name, [await parts[name]()].flat());
  for (const { what, target, found, met } of results.get(name)) {
    if (met === false) missed++;
    console.log(`| ${what} | ${target} | ${found} | ${met ? "met" : "**missed**"} |`);
  }
}
if (values.write) (await import("./support/cluster-page.mjs")).writeClusterPage(results);
process.exitCode = missed > 0 ? 1 : 0;

function leftOut(what, reason) {
  return { what, target: "", found: `left out: ${reason}`, met: true };
}

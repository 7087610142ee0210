#!/usr/bin/env node
/**
 * The study behind docs/merging.md: how far above the proven optimum concurrent updates end, by rule of merging,
 * workers and rounds an epoch. Steps are calibrated through the merge; figures are medians of the seeds.
 *
 *   npm run bench:merging -- [--only subset:hinge,a9a:log] [--parts rounds,strategies,rates] [--seeds 3] [--print]
 *
 * Outcomes are appended to a file of JSON lines in the bench's cache (--out), from which a study that was stopped
 * goes on, and from which the tables are printed (--print: nothing is measured). Delete it to measure anew.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { strategyNamed } from "../dist/strategies/all.js";
import { cacheFolder } from "./support/cache.mjs";
import { mainRules, rules } from "./support/merging-rules.mjs";
import { strategyCells, strategyOver } from "./support/merging-strategies.mjs";
import { calibrate, openStudy, percentOver, rateCells } from "./support/merging-study.mjs";
import { printTables } from "./support/merging-tables.mjs";

const losses = ["hinge", "log"];
const everything = ["subset", "a9a", "ijcnn1", "twin"].flatMap((set) =>
  losses.map((loss) => `${set}:${loss}`),
);
const { values: settings } = parseArgs({
  options: {
    only: { type: "string", default: everything.join(",") },
    parts: { type: "string", default: "rounds,strategies,rates" },
    seeds: { type: "string", default: "3" },
    out: { type: "string", default: join(cacheFolder(), "merging.jsonl") },
    print: { type: "boolean", default: false },
  },
});

const lines = existsSync(settings.out) ? readFileSync(settings.out, "utf8").trim().split("\n") : [];
const known = new Map(
  lines.filter((line) => line !== "").map((line) => [keyOf(JSON.parse(line)), JSON.parse(line)]),
);

if (!settings.print) {
  for (const pair of settings.only.split(",")) {
    const [set, loss] = pair.split(":");
    const study = await openStudy(set, loss);
    if (settings.parts.includes("rounds")) measureRounds(study);
    if (settings.parts.includes("strategies") && set !== "twin") measureStrategies(study);
    if (settings.parts.includes("rates")) printRates(study);
  }
}
printTables([...known.values()]);

/** bsp's and allreduce's rounds: every rule on the subset with hinge loss, the main ones elsewhere. */
function measureRounds(study) {
  const names = study.set === "subset" && study.loss === "hinge" ? Object.keys(rules) : mainRules;
  measure(study, { workers: 1, rounds: 16, rule: "sum" });
  for (const workers of [4, 16, 64]) {
    for (const rounds of [1, 4, 8, 16, 64]) {
      for (const rule of names) measure(study, { workers, rounds, rule });
    }
  }
}

/** The other strategies in the simulator, at 16 workers. */
function measureStrategies(study) {
  for (const cell of strategyCells) measure(study, cell);
}

/** Anticipating: by the rate with the lowest objective on the sample, the smallest near it, and the best of all. */
function printRates(study) {
  for (const [set, loss, workers, rounds] of rateCells) {
    if (set !== study.set || loss !== study.loss) continue;
    const rowsPerUpdate = Math.ceil(study.data.rows / (workers * rounds));
    const run = { workers, rowsPerUpdate, rule: rules.anticipate, epochs: study.epochs };
    const lowest = calibrate(study, run, 1);
    const seeds = Array.from({ length: Number(settings.seeds) }, (_, k) => k + 1);
    const overAt = (rate) =>
      median(seeds.map((seed) => percentOver(study, { ...run, rate, seed })));
    const near = overAt(calibrate(study, run));
    const best = Math.min(...[1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2].map((x) => overAt(x * lowest)));
    const figures = [overAt(lowest), near, best].map((over) => over.toPrecision(2));
    console.log(`| ${set}, ${loss} | ${workers} x ${rounds} | ${figures.join(" | ")} |`);
  }
}

/** Measures a cell that is not known yet, and writes it down. */
function measure(study, cell) {
  const { set, loss, data } = study;
  const { workers, rounds, rule, strategy } = cell;
  const named = { set, loss, ...cell };
  if (known.has(keyOf(named))) return;
  const rowsPerUpdate = Math.ceil(data.rows / (workers * rounds));
  const run = { workers, rowsPerUpdate, rule: rules[rule], epochs: study.epochs };
  // Who anticipates more than one update of every other worker has its rate found through as many.
  const overlap =
    rule === "anticipate" ? (strategyNamed(strategy?.split(" ")[0])?.overlap ?? 1) : 1;
  const rate = calibrate(study, { ...run, workers: overlap * workers });
  const over = [];
  // One seed is enough of the twin.
  const seeds = set === "twin" ? 1 : Number(settings.seeds);
  for (let seed = 1; seed <= seeds; seed++) {
    const seeded = { ...run, rate, seed };
    over.push(strategy ? strategyOver(study, cell, seeded) : percentOver(study, seeded));
  }
  const outcome = { ...named, rate, over, median: median(over) };
  known.set(keyOf(named), outcome);
  appendFileSync(settings.out, `${JSON.stringify(outcome)}\n`);
}

function keyOf({ set, loss, workers, rounds, rule, strategy = "" }) {
  return [set, loss, workers, rounds, rule, strategy].join(" ");
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
}

#!/usr/bin/env node
/**
 * The study behind docs/merging.md: how far above the proven optimum concurrent updates end, by rule of merging,
 * workers and rounds an epoch. Steps are calibrated through the merge; figures are medians of the seeds.
 *
 *   npm run bench:merging -- [--only subset:hinge,a9a:log] [--seeds 3]
 *
 * Outcomes are appended to a file of JSON lines in the bench's cache (--out), from which a study that was stopped
 * goes on, and from which the tables are printed. Delete it to measure anew.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { randomStream, shuffle } from "../dist/math/random.js";
import { cacheFolder } from "./support/cache.mjs";
import { readCsr } from "./support/csr.mjs";
import { prepareSet } from "./support/data.mjs";
import { learnRounds, objectiveOf, sharesOf } from "./support/merging-loop.mjs";
import { mainRules, rules } from "./support/merging-rules.mjs";
import { printTables } from "./support/merging-tables.mjs";

/** Proven optima at l2 1e-4, by dual ascent to a gap of 0.002 % (`train --solver sdca --stop gap:0.002%`). */
const optima = {
  subset: { hinge: 0.1898013, log: 0.2997033 },
  a9a: { hinge: 0.351762, log: 0.3245061 },
  ijcnn1: { hinge: 0.175811, log: 0.2030073 },
  twin: { hinge: 0.2362588, log: 0.329235 },
};
const l2 = 1e-4;
const sampleRowsMax = 10_000;

const { values: settings } = parseArgs({
  options: {
    only: {
      type: "string",
      default:
        "subset:hinge,subset:log,a9a:hinge,a9a:log,ijcnn1:hinge,ijcnn1:log,twin:hinge,twin:log",
    },
    seeds: { type: "string", default: "3" },
    out: { type: "string", default: join(cacheFolder(), "merging.jsonl") },
    rules: { type: "string" },
    print: { type: "boolean", default: false },
  },
});

const known = new Map(
  existsSync(settings.out)
    ? readFileSync(settings.out, "utf8")
        .trim()
        .split("\n")
        .filter((x) => x)
        .map((line) => {
          const outcome = JSON.parse(line);
          return [keyOf(outcome), outcome];
        })
    : [],
);

if (!settings.print) {
  for (const pair of settings.only.split(",")) {
    const [set, loss] = pair.split(":");
    await study(set, loss);
  }
}
printTables([...known.values()]);

function keyOf({ set, loss, workers, rounds, rule }) {
  return [set, loss, workers, rounds, rule].join(" ");
}

async function study(set, loss) {
  const { trainCsr } = await prepareSet(set);
  const data = readCsr(trainCsr);
  const rowIds = Uint32Array.from({ length: data.rows }, (_, row) => row);
  const context = {
    set,
    loss,
    data,
    rowIds,
    shares: sharesOf(data, rowIds),
    norm: meanSquaredNorm(data),
  };
  // One epoch is enough of the twin, and one seed: it has 781,265 rows.
  context.epochs = set === "twin" ? 1 : 5;
  context.seeds = set === "twin" ? 1 : Number(settings.seeds);
  tell(context, { workers: 1, rounds: 16, rule: "sum" });
  const names =
    settings.rules?.split(",") ??
    (set === "subset" && loss === "hinge" ? Object.keys(rules) : mainRules);
  for (const workers of [4, 16, 64]) {
    for (const rounds of [1, 4, 8, 16, 64]) {
      for (const rule of names) tell(context, { workers, rounds, rule });
    }
  }
}

/** Measures a cell that is not known yet, and writes it down. */
function tell(context, { workers, rounds, rule }) {
  const { set, loss } = context;
  const cell = { set, loss, workers, rounds, rule };
  if (known.has(keyOf(cell))) return;
  const rowsPerUpdate = Math.ceil(context.data.rows / (workers * rounds));
  const run = { workers, rowsPerUpdate, rule: rules[rule] };
  const rate = calibrate(context, run);
  const over = [];
  for (let seed = 1; seed <= context.seeds; seed++) {
    over.push(percentOver(context, { ...run, rate, seed, epochs: context.epochs }));
  }
  const outcome = { ...cell, rate, over, median: median(over) };
  known.set(keyOf(cell), outcome);
  appendFileSync(settings.out, `${JSON.stringify(outcome)}\n`);
}

function problemOf({ loss, shares }, rate) {
  return { loss, l2, shares, t0: 1 / (l2 * rate) };
}

function percentOver(context, { rate, ...run }) {
  const { data, rowIds, set, loss } = context;
  const problem = problemOf(context, rate);
  const model = learnRounds(data, problem, { ...run, rowIds });
  return 100 * (objectiveOf(data, problem, model, rowIds) / optima[set][loss] - 1);
}

/**
 * The rate that src/run would take: one pass over a sample, merged as the run will be, by factors of four, then of two,
 * then down by two while the objective stays within 5 % of the lowest. Where the sample is less than four rounds its
 * updates are smaller, and steps count as often as in the run.
 */
function calibrate(context, { workers, rowsPerUpdate, rule }) {
  const { data, rowIds, norm } = context;
  const order = shuffle(rowIds.slice(), randomStream({ seed: 1, purpose: "sample" }));
  const sample = order.subarray(0, Math.min(sampleRowsMax, data.rows));
  const fewer = Math.max(1, Math.floor(sample.length / (4 * workers)));
  const run = { workers, rule, rowIds: sample, seed: 1, epochs: 1, expected: rowsPerUpdate };
  const tried = new Map();
  const objectiveAt = (rate) => {
    if (!tried.has(rate)) {
      const problem = problemOf(context, rate);
      const pass = { ...run, rowsPerUpdate: Math.min(rowsPerUpdate, fewer) };
      const objective = objectiveOf(data, problem, learnRounds(data, problem, pass), sample);
      tried.set(rate, Number.isFinite(objective) ? objective : Number.POSITIVE_INFINITY);
    }
    return tried.get(rate);
  };
  let best = 2 ** Math.floor(Math.log2(1 / norm));
  for (const factor of [4, 1 / 4, 2, 1 / 2]) {
    while (objectiveAt(best * factor) < objectiveAt(best)) {
      best *= factor;
      if (factor === 2 || factor === 1 / 2) break;
    }
  }
  const enough = 1.05 * objectiveAt(best);
  while (objectiveAt(best / 2) <= enough) best /= 2;
  return best;
}

function meanSquaredNorm({ value, rows }) {
  return value.reduce((sum, x) => sum + x * x, 0) / rows;
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
}

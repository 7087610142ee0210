#!/usr/bin/env node
/**
 * The figures of peer-to-peer and ad-psgd, as Markdown, all from the simulator: a thousand members on real
 * rows, one slow member, rounds until replicas agree, and what thinning saves.
 *
 *   npm run bench:decentralised -- [--only members,averaging,slow,topology,thinning] [--exchanges 100000] [--seeds 3] [--out FOLDER]
 *
 * With --out the figures' data are written there too: topology.csv and thinning.csv, a line a point.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { blockByteLength, createBlock } from "../dist/data/block.js";
import { costs } from "../dist/engines/simulator/costs.js";
import { runSimulation } from "../dist/engines/simulator/simulator.js";
import { Arena } from "../dist/kernels/arena.js";
import { createKernelTask, describeKernelTask } from "../dist/learner/kernel-task.js";
import { quadraticTask } from "../dist/learner/quadratic.js";
import { allRows, listRows } from "../dist/learner/rows.js";
import { nextNormal, randomStream } from "../dist/math/random.js";
import { strategyNamed } from "../dist/strategies/all.js";
import { strategyOptions } from "../dist/strategies/strategy.js";
import { mixingRow } from "../dist/topology/mixing.js";
import { topologyOf } from "../dist/topology/topology.js";
import { shared } from "./support/cache.mjs";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "members,slow,topology,thinning" },
    exchanges: { type: "string", default: "100000" },
    seeds: { type: "string", default: "3" },
    out: { type: "string" },
  },
});
const width = 47_236;
const parts = { members, averaging, slow, topology, thinning };
for (const name of values.only.split(",")) parts[name]();

/** Writes a figure's data: lines of numbers and words without commas. */
function writeFigure(name, lines) {
  if (values.out === undefined) return;
  mkdirSync(values.out, { recursive: true });
  const path = join(values.out, `${name}.csv`);
  writeFileSync(path, `${lines.map((line) => line.join(",")).join("\n")}\n`);
  console.log(`\n${path}`);
}

function subsetFile(part) {
  return join(shared, "data", "rcv1v2-subset", `rcv1v2_ccat_${part}.svm.gz`);
}

function parseRows(path) {
  const rowStart = [0];
  const [index, value, label] = [[], [], []];
  for (const line of gunzipSync(readFileSync(path)).toString("latin1").split("\n")) {
    if (line === "") continue;
    const [y, ...pairs] = line.trim().split(" ");
    label.push(Number(y) > 0 ? 1 : -1);
    for (const pair of pairs) {
      const at = pair.indexOf(":");
      index.push(Number(pair.slice(0, at)) - 1);
      value.push(Number(pair.slice(at + 1)));
    }
    rowStart.push(index.length);
  }
  return {
    rowStart: Uint32Array.from(rowStart),
    index: Uint32Array.from(index),
    value: Float32Array.from(value),
    label: Float32Array.from(label),
  };
}

/** The RCV1 subset, hinge, l2 1e-4, by the kernels, as `glissade simulate` learns; judged on both parts. */
function subset(t0) {
  const arena = new Arena();
  const [train, test] = ["train", "test"].map((part) => {
    const rows = parseRows(subsetFile(part));
    const shape = { rows: rows.label.length, nonZeros: rows.index.length, width, rowIdBase: 0 };
    const address = arena.allocate(blockByteLength(shape));
    const block = createBlock(arena.buffer, address, shape);
    for (const name of ["rowStart", "index", "value", "label"]) block[name].set(rows[name]);
    return [allRows(block)];
  });
  const spec = (judged) =>
    describeKernelTask(arena, {
      ...{ width, loss: "hinge", l2: 1e-4, threshold: 0, train },
      schedule: { name: "optimal", l2: 1e-4, t0 },
      judged: listRows(arena, judged),
    });
  return { task: createKernelTask(spec(train)), onTest: createKernelTask(spec(test)) };
}

function members() {
  // A quarter of the t0 that calibration finds for one worker: a thousand members average their steps away.
  const { task, onTest } = subset(5000);
  const workers = 1000;
  let exchanges = 0;
  const wanted = Number(values.exchanges);
  const began = performance.now();
  const processor = process.cpuUsage();
  const result = runSimulation({
    strategy: strategyNamed("ad-psgd"),
    options: strategyOptions({ rowsPerUpdate: 8, topology: "exponential" }),
    task,
    workers,
    seed: 1,
    epochs: (2 * wanted * 8) / task.rows,
    costs: costs({ learnSecondsPerRow: 1e-3, bytesPerSecond: 1.25e9 }),
    watch: (_now, _rank, event) => {
      if (event.kind === "message" && event.body.kind === "difference") exchanges++;
    },
  });
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(processor);
  const { objective } = task.evaluate(result.model);
  const { accuracy } = onTest.evaluate(result.model);
  console.log("\n## ad-psgd, 1,000 members, exponential, RCV1 subset, hinge 1e-4\n");
  console.log(
    "| exchanges | events | wall s | processor s | epochs | apart | objective | test accuracy |\n|---|---|---|---|---|---|---|---|",
  );
  const epochs = (2 * wanted * 8) / task.rows;
  console.log(
    `| ${exchanges} | ${result.events} | ${seconds.toFixed(1)} | ${((user + system) / 1e6).toFixed(1)} | ${epochs.toFixed(1)} | ${result.apart.toFixed(4)} | ${objective.toFixed(5)} | ${accuracy.toFixed(4)} |`,
  );
}

/** Why a thousand averaged members are far from the optimum: the same updates of 8 rows, merged in other ways. */
function averaging() {
  console.log("\n## Averaging many members, RCV1 subset, hinge 1e-4, updates of 8 rows\n");
  const head = ["strategy", "merge", "members", "t0", "updates each", "epochs"];
  console.log(`| ${[...head, "apart", "% above the optimum"].join(" | ")} |\n|${"---|".repeat(8)}`);
  for (const [name, merge, workers, t0, each] of [
    ["serial", "sum", 1, 5000, 200],
    ["serial", "sum", 1, 5000, 2864],
    ["bsp", "mean", 1000, 5000, 200],
    ["bsp", "mean", 1000, 1250, 200],
    ["bsp", "anticipate", 1000, 5000, 200],
    ["ad-psgd", "mean", 16, 5000, 200],
    ["ad-psgd", "mean", 64, 5000, 200],
    ["ad-psgd", "mean", 256, 5000, 200],
    ["ad-psgd", "mean", 1000, 5000, 200],
    ["ad-psgd", "mean", 16, 1250, 200],
    ["ad-psgd", "mean", 1000, 1250, 200],
    ["ad-psgd", "mean", 1000, 5000, 800],
  ]) {
    const { task } = subset(t0);
    const epochs = (workers * each * 8) / task.rows;
    const { model, apart } = runSimulation({
      strategy: strategyNamed(name),
      options: strategyOptions({ rowsPerUpdate: 8, topology: "exponential", merge }),
      ...{ task, workers, seed: 1, epochs },
      costs: costs({ learnSecondsPerRow: 1e-3, bytesPerSecond: 1.25e9 }),
    });
    const over = (100 * (task.evaluate(model).objective / 0.1898013 - 1)).toPrecision(2);
    const cells = [name, merge, workers, t0, each, epochs.toPrecision(3), apart.toFixed(3), over];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

/** Throughput of 16 members when one learns ten times slower: 4 ms an update, 0.1 ms a message. */
function slow() {
  console.log("\n## One of 16 members 10 times slower, quadratic task: rows a second\n");
  console.log("| strategy | all alike | one slow | lost |\n|---|---|---|---|");
  const workers = 16;
  const strategies = [
    ["allreduce", "ring"],
    ["d-psgd", "ring"],
    ["ad-psgd", "ring"],
    ["ad-psgd", "exponential"],
    ["peer-to-peer", "ring"],
  ];
  for (const [name, topology] of strategies) {
    const [alike, one] = [{}, { 3: 10 }].map((slowMembers) => {
      const { seconds, telemetry } = runSimulation({
        strategy: strategyNamed(name),
        options: strategyOptions({ rowsPerUpdate: 4, topology, merge: "mean" }),
        task: quadraticTask({ workers, width: 64, rowsPerWorker: 400, rate: 0.01 }),
        workers,
        seed: 1,
        epochs: 10,
        costs: costs({ learnSecondsPerRow: 1e-3, slowMembers }),
      });
      const rows = telemetry.members.reduce((sum, member) => sum + member.rows, 0);
      return rows / seconds;
    });
    const lost = `${(100 * (1 - one / alike)).toFixed(1)} %`;
    console.log(`| ${name}, ${topology} | ${alike.toFixed(0)} | ${one.toFixed(0)} | ${lost} |`);
  }
  console.log(`\nThe slow member's share: ${((100 * 0.9) / workers).toFixed(1)} %.`);
}

/**
 * Rounds of averaging until the replicas' distance from their mean is a thousandth of what it was, and the most
 * hops between two members.
 */
function topology() {
  console.log("\n## Rounds until replicas agree to 1e-3 (d-psgd's mixing weights), and hops\n");
  console.log(
    "| members | ring, rounds | hops | exponential, rounds | hops |\n|---|---|---|---|---|",
  );
  const lines = [["members", "topology", "rounds", "hops"]];
  for (const n of [4, 8, 16, 32, 64, 128, 256, 512, 1024]) {
    const cells = ["ring", "exponential"].flatMap((name) => {
      const point = [roundsToAgree(name, n), hopsOf(name, n)];
      lines.push([n, name, ...point]);
      return point;
    });
    console.log(`| ${[n, ...cells].join(" | ")} |`);
  }
  writeFigure("topology", lines);
}

/** The most hops from member 0; these topologies look the same from everywhere. */
function hopsOf(name, n) {
  const hops = new Int32Array(n).fill(-1);
  hops[0] = 0;
  const queue = [0];
  for (const rank of queue) {
    for (const next of topologyOf(name).neighbours(rank, n)) {
      if (hops[next] >= 0) continue;
      hops[next] = hops[rank] + 1;
      queue.push(next);
    }
  }
  return Math.max(...hops);
}

function roundsToAgree(name, n) {
  const rows = Array.from({ length: n }, (_, rank) => mixingRow(topologyOf(name), rank, n));
  const stream = randomStream({ seed: 1, purpose: "agreement" });
  let x = Float64Array.from({ length: n }, () => nextNormal(stream));
  const first = spread(x);
  let rounds = 0;
  while (spread(x) > 1e-3 * first) {
    x = Float64Array.from(rows, ({ ranks, weights }) =>
      ranks.reduce((sum, rank, k) => sum + weights[k] * x[rank], 0),
    );
    rounds++;
  }
  return rounds;
}

function spread(x) {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  return Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0));
}

/** What thinning saves, and what it costs: medians over the seeds. */
function thinning() {
  const both = subset(20_000);
  const seeds = Array.from({ length: Number(values.seeds) }, (_, k) => k + 1);
  console.log("\n## peer-to-peer, 16 workers, 5 epochs, RCV1 subset, hinge 1e-4\n");
  const head = ["rows an update", "sent", "MB", "share", "bytes an update"];
  const judged = ["objective", "held-out loss", "accuracy"];
  console.log(`| ${[...head, ...judged].join(" | ")} |\n|${"---|".repeat(8)}`);
  const lines = [["rows", "values", "topK", "tolerance", "bytes", "objective", "loss", "accuracy"]];
  let whole = null;
  const run = (title, name, workers, given) => {
    const options = strategyOptions({ rowsPerUpdate: 32, ...given });
    const points = seeds.map((seed) => thinRun(both, { name, workers, options, seed }));
    const point = points[0].map((_, k) => median(points.map((one) => one[k])));
    const [bytes, updates, objective, loss, accuracy] = point;
    if (name !== "serial") whole ??= bytes;
    const { rowsPerUpdate, values: format, topK, tolerance } = options;
    const share = whole === null ? "" : `${((100 * bytes) / whole).toFixed(1)} %`;
    const each = workers === 1 ? "" : (bytes / updates / (workers - 1)).toFixed(0);
    const cells = [rowsPerUpdate, title, (bytes / 1e6).toFixed(1), share, each];
    const scores = [objective.toFixed(5), loss.toFixed(5), accuracy.toFixed(4)];
    console.log(`| ${[...cells, ...scores].join(" | ")} |`);
    if (workers > 1) {
      lines.push([rowsPerUpdate, format, topK, tolerance, bytes, objective, loss, accuracy]);
    }
  };
  run("serial", "serial", 1, {});
  run("everything, f32", "peer-to-peer", 16, {});
  run("everything, f16", "peer-to-peer", 16, { values: "f16" });
  for (const [tolerance, rowsPerUpdate] of [
    ...[0.05, 0.2, 0.5].map((share) => [share, 32]),
    ...[0.3, 0.5].map((share) => [share, 64]),
  ]) {
    const given = { values: "f16", tolerance, rowsPerUpdate };
    run(`tolerance ${tolerance}, f16`, "peer-to-peer", 16, given);
  }
  run("top 100, f16", "peer-to-peer", 16, { values: "f16", topK: 100 });
  writeFigure("thinning", lines);
}

function thinRun({ task, onTest }, { name, workers, options, seed }) {
  const { model, bytes, telemetry } = runSimulation({
    strategy: strategyNamed(name),
    options,
    task,
    workers,
    seed,
    epochs: 5,
    costs: costs({ learnSecondsPerRow: 1e-3, bytesPerSecond: 1.25e9 }),
  });
  const updates = telemetry.members.reduce((sum, member) => sum + member.updates, 0);
  const { objective } = task.evaluate(model);
  const { loss, accuracy } = onTest.evaluate(model);
  return [bytes, updates, objective, loss, accuracy];
}

function median(figures) {
  return figures.sort((a, b) => a - b)[figures.length >> 1];
}

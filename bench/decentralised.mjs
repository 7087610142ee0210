#!/usr/bin/env node
/**
 * The figures of peer-to-peer and ad-psgd, as Markdown, all from the simulator: a thousand members on real
 * rows, one slow member, rounds until replicas agree, and what thinning saves.
 *
 *   node bench/decentralised.mjs [--only members,slow,topology,thinning] [--exchanges 100000]
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { blockByteLength, createBlock } from "../dist/data/block.js";
import { costs } from "../dist/engines/simulator/costs.js";
import { runSimulation } from "../dist/engines/simulator/simulator.js";
import { Arena } from "../dist/kernels/arena.js";
import { createKernelTask, describeKernelTask } from "../dist/learner/kernel-task.js";
import { linearTask } from "../dist/learner/linear-task.js";
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
  },
});
const width = 47_236;
const parts = { members, slow, topology, thinning };
for (const name of values.only.split(",")) parts[name]();

/** The RCV1 subset: hinge, l2 1e-4; t0 set by hand, a quarter of what calibration finds for one worker. */
function subsetTask() {
  const [train, validation] = ["train", "test"].map((part) => parseRows(subsetFile(part)));
  return linearTask({ train, validation, width, loss: "hinge", l2: 1e-4, t0: 5000 });
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

/** The same by the kernels, as `glissade simulate` learns: replicas of all members lie in one memory. */
function subsetKernels() {
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
      schedule: { name: "optimal", l2: 1e-4, t0: 5000 },
      judged: listRows(arena, judged),
    });
  return { task: createKernelTask(spec(train)), onTest: createKernelTask(spec(test)) };
}

function members() {
  const { task, onTest } = subsetKernels();
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

/** Rounds of averaging until the replicas' distance from their mean is a thousandth of what it was. */
function topology() {
  console.log("\n## Rounds until replicas agree to 1e-3 (d-psgd's mixing weights)\n");
  console.log("| members | ring | exponential |\n|---|---|---|");
  for (const n of [4, 8, 16, 32, 64, 128, 256, 512, 1024]) {
    const [ring, exponential] = ["ring", "exponential"].map((name) => roundsToAgree(name, n));
    console.log(`| ${n} | ${ring} | ${exponential} |`);
  }
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

function thinning() {
  const task = subsetTask();
  console.log("\n## peer-to-peer, 16 workers, 5 epochs, RCV1 subset, hinge 1e-4\n");
  console.log(
    "| sent | bytes | bytes an update | objective | test accuracy |\n|---|---|---|---|---|",
  );
  const run = (title, name, workers, given) => {
    const { model, bytes, telemetry } = runSimulation({
      strategy: strategyNamed(name),
      options: strategyOptions({ rowsPerUpdate: 32, ...given }),
      task,
      workers,
      seed: 1,
      epochs: 5,
      costs: costs({ learnSecondsPerRow: 1e-3, bytesPerSecond: 1.25e9 }),
    });
    const updates = telemetry.members.reduce((sum, member) => sum + member.updates, 0);
    const { objective, accuracy } = task.evaluate(model);
    console.log(
      `| ${title} | ${bytes} | ${(bytes / updates / Math.max(1, workers - 1)).toFixed(0)} | ${objective.toFixed(5)} | ${accuracy.toFixed(4)} |`,
    );
  };
  run("serial", "serial", 1, {});
  run("everything, f32", "peer-to-peer", 16, {});
  run("everything, f16", "peer-to-peer", 16, { values: "f16" });
  for (const tolerance of [0.02, 0.05, 0.1, 0.2]) {
    run(`tolerance ${tolerance}, f16`, "peer-to-peer", 16, { values: "f16", tolerance });
  }
  for (const topK of [100, 300])
    run(`top ${topK}, f16`, "peer-to-peer", 16, { values: "f16", topK });
}

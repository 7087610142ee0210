#!/usr/bin/env node
/**
 * The figures of strategies and engines, as Markdown: round trip of mailboxes, events of the simulator, what
 * threads lose against the kernel, and the slow-worker experiment.
 *
 *   npm run bench:strategies -- [--only mailboxes,simulator,slow] [--data twin_train.svm]
 *
 * Without --data the threads' part is left out, and says so. What the slow-worker experiment must show is checked: the
 * process ends with 1 where it does not.
 */
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { costs } from "../dist/engines/simulator/costs.js";
import { runSimulation } from "../dist/engines/simulator/simulator.js";
import { mailboxBytes } from "../dist/engines/threads/mailbox.js";
import { quadraticTask } from "../dist/learner/quadratic.js";
import { strategyNamed } from "../dist/strategies/all.js";
import { strategyOptions } from "../dist/strategies/strategy.js";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    only: { type: "string", default: "mailboxes,simulator,slow" },
  },
});
const parts = { mailboxes, simulator, slow: slowWorker };

for (const name of values.only.split(",")) await parts[name]();
if (values.data) await threads(values.data);
else console.log("\nThreads against the kernel: left out, no --data given.");

async function mailboxes() {
  console.log(
    "## Mailbox round trip, two threads\n\n| body | median us | 90 % us |\n|---|---|---|",
  );
  for (const bytes of [0, 1024, 188_944]) {
    const times = (await echo(bytes)).slice(500).sort();
    const at = (share) => (1000 * times[Math.floor(share * times.length)]).toFixed(1);
    console.log(`| ${bytes} bytes | ${at(0.5)} | ${at(0.9)} |`);
  }
}

function echo(bytes) {
  const shape = { members: 2, bytesMax: 1 << 20 };
  const shared = new SharedArrayBuffer(2 * mailboxBytes(shape));
  const rounds = 5500;
  return new Promise((resolve, reject) => {
    for (const leads of [true, false]) {
      const workerData = { shared, shape, rounds, leads, bytes };
      const worker = new Worker(new URL("./support/echo.mjs", import.meta.url), { workerData });
      worker.on("error", reject);
      if (leads) worker.on("message", resolve);
    }
  });
}

function simulator() {
  console.log("\n## Simulator, quadratic task of 8 columns, trace off\n");
  console.log(
    "| strategy | members | events | million events/s | of processor time |\n|---|---|---|---|---|",
  );
  for (const [name, workers] of [
    ["bsp", 16],
    ["asp", 16],
    ["ssp", 16],
    ["dssp", 16],
    ["allreduce", 16],
    ["d-psgd", 16],
    ["peer-to-peer", 16],
    ["ad-psgd", 16],
    ["asp", 10_000],
    ["ssp", 10_000],
    ["d-psgd", 10_000],
  ]) {
    const rowsPerWorker = Math.ceil((name === "allreduce" ? 40_000 : 600_000) / workers);
    const width = name === "allreduce" ? 16 : 8;
    const began = performance.now();
    const used = process.cpuUsage();
    const { events } = runSimulation({
      strategy: strategyNamed(name),
      options: strategyOptions(),
      task: quadraticTask({ workers, width, rowsPerWorker, rate: 1e-5 }),
      workers,
      seed: 1,
      epochs: 1,
      costs: costs({ latencySpread: { kind: "exponential" } }),
    });
    const seconds = (performance.now() - began) / 1000;
    const { user } = process.cpuUsage(used);
    const perSecond = [events / seconds / 1e6, events / user].map((rate) => rate.toFixed(2));
    console.log(`| ${name} | ${workers} | ${events} | ${perSecond.join(" | ")} |`);
  }
}

/** 16 members; one update costs ten times the dearest exchange: a ring's 30 hops. */
function slowWorker() {
  const learnSeconds = 1;
  const latencySeconds = learnSeconds / 10 / 30;
  const model = { learnSecondsPerRow: learnSeconds, latencySeconds, secondsPerMessage: 0 };
  console.log("\n## One of 16 workers 10x slower, to the same loss\n");
  console.log(
    "| strategy | updates/s alike | updates/s one slow | fall | seconds to the loss | waited until then, a worker | mean staleness |\n|---|---|---|---|---|---|---|",
  );
  const variants = [
    ["bsp", {}],
    ["allreduce", { topology: "ring" }],
    ["allreduce", { topology: "tree" }],
    ["d-psgd", { topology: "ring" }],
    ["d-psgd", { topology: "exponential" }],
    ["ssp", { staleness: 3 }],
    ["dssp", { staleness: 3, stalenessMax: 15 }],
    ["asp", {}],
    ["ad-psgd", { topology: "exponential" }],
  ];
  const found = {};
  for (const [name, options] of variants) {
    const bytesPerSecond = Number.POSITIVE_INFINITY;
    const even = costs({ ...model, bytesPerSecond });
    const uneven = costs({ ...model, bytesPerSecond, slowMembers: { 7: 10 } });
    const alike = runTo({ name, options, model: even, stops: false });
    const slow = runTo({ name, options, model: uneven, stops: false });
    const target = runTo({ name, options, model: uneven, stops: true });
    const share = (part) => `${(100 * part).toFixed(0)} %`;
    const label = `${name} ${Object.values(options).join(":")}`.trim();
    const lost = 1 - slow.rate / alike.rate;
    found[label] = { lost, waited: target.waited };
    const fall = share(lost);
    const rates = [alike, slow].map(({ rate }) => rate.toFixed(2));
    const until = [target.seconds.toFixed(0), target.waited.toFixed(1), slow.stale.toFixed(1)];
    console.log(`| ${[label, ...rates, fall, ...until].join(" | ")} |`);
  }
  checkSlowWorker(found);
}

/** What issue B1 asks of the experiment; a ring loses its own 30 hops when all are alike, which flatters its fall. */
function checkSlowWorker(found) {
  const rounds = ["allreduce ring", "allreduce tree", "d-psgd ring", "d-psgd exponential"];
  const least = Math.min(...rounds.map((label) => found[label].lost));
  const claims = {
    "allreduce and d-psgd fall by over 80 %": least > 0.8,
    "ssp falls less than bsp and d-psgd": ["bsp", "d-psgd ring", "d-psgd exponential"].every(
      (label) => found["ssp 3"].lost < found[label].lost,
    ),
    "dssp falls less than ssp": found["dssp 3:15"].lost < found["ssp 3"].lost,
    "dssp waits less than ssp to the same loss": found["dssp 3:15"].waited < found["ssp 3"].waited,
  };
  console.log("");
  for (const [claim, holds] of Object.entries(claims)) {
    console.log(`- ${claim}: ${holds ? "holds" : "DOES NOT HOLD"}`);
    if (!holds) process.exitCode = 1;
  }
}

/** Runs 64 updates a worker on average, or until the loss is reached. */
function runTo({ name, options, model, stops }) {
  const workers = 16;
  // Mean merging moves an n-th as far as the sum does: its step is n times as large.
  const rate = name.endsWith("psgd") ? 0.1 : 0.1 / workers;
  const task = quadraticTask({ workers, width: 16, rowsPerWorker: 64, rate, heterogeneity: 0.3 });
  const { seconds, telemetry } = runSimulation({
    strategy: strategyNamed(name),
    options: strategyOptions(options),
    ...{ task, workers, seed: 1, epochs: 1, costs: model },
    observe: {
      everyRows: 8,
      at: (moment) => stops && task.evaluate(moment.model()).objective <= 0.15,
    },
  });
  const members = telemetry.members.filter(({ role }) => role === "worker");
  const sum = (of) => members.reduce((all, member) => all + of(member), 0);
  const applied = telemetry.staleness.reduce((a, b) => a + b, 0);
  const stale = telemetry.staleness.reduce((a, count, bar) => a + count * bar, 0) / applied;
  const updates = sum((member) => member.updates);
  return { seconds, rate: updates / seconds, waited: sum((m) => m.waitedSeconds) / workers, stale };
}

async function threads(file) {
  const { loadDataset } = await import("../dist/run/load.js");
  const dataset = await loadDataset(file);
  console.log("\n## Threads, 2 workers, 16 rounds an epoch, against the kernel\n");
  console.log(
    "| strategy | rows per update | million rows/s | of two threads' kernels |\n|---|---|---|---|",
  );
  // Two threads that learn their rows and exchange one update an epoch: what learning alone takes.
  const kernel = await medianRate(
    { dataset, strategy: "d-psgd", rowsPerUpdate: dataset.rows, merge: "mean" },
    (rows, { members }) => (2 * rows) / members.learnedSeconds,
  );
  const share = (rate) => `${((100 * rate) / kernel).toFixed(0)} %`;
  console.log(`| kernel alone, 2 threads | - | ${(kernel / 1e6).toFixed(2)} | 100 % |`);
  const rowsPerUpdate = Math.ceil(dataset.rows / 32);
  for (const strategy of ["bsp", "asp", "ssp", "dssp", "allreduce", "d-psgd"]) {
    const merge = strategy === "bsp" ? "mean" : "auto";
    const asked = { dataset, strategy, rowsPerUpdate, merge };
    const rate = await medianRate(asked, (rows, { seconds }) => rows / seconds.train);
    console.log(`| ${strategy} | ${rowsPerUpdate} | ${(rate / 1e6).toFixed(2)} | ${share(rate)} |`);
  }
}

/** The median of three runs of 20 epochs; a run that fails ends the benchmark with its reason. */
async function medianRate({ dataset, strategy, rowsPerUpdate, merge }, rateOf) {
  const { runContest } = await import("../dist/run/contest.js");
  const steps = { l2: 1e-4, stop: "epochs:20", step: "optimal:t0=10000", validation: 0 };
  const options = { ...steps, rowsPerUpdate, merge, evaluateEvery: "20epochs" };
  const contest = { strategies: [strategy], workers: [2], repeat: 3, targetLoss: null, options };
  const rates = [];
  for await (const { result, error } of runContest(dataset, contest)) {
    if (error !== null) throw new Error(`${strategy}: ${error}`);
    rates.push(rateOf(result.epochs * dataset.rows, result));
  }
  return rates.sort((a, b) => a - b)[1];
}

#!/usr/bin/env node
/**
 * Chaos: runs strategies on real processes, again and again, and hurts members at random moments: kill -9, SIGTERM,
 * SIGSTOP for a while or for ever, new processes for lost ones, connections that are cut, slow or dead. After each
 * run the ledger of those that were not hurt must close, and no process and no port may be left.
 *
 *     npm run chaos -- --minutes 2 --seed 1 [--strategies asp,bsp] [--harms kill,rejoin] [--runs 200]
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { runCluster } from "../dist/engines/cluster/cluster.js";
import { noCredentials } from "../dist/engines/cluster/credentials.js";
import { askStatus } from "../dist/engines/cluster/public.js";
import { nextBelow, randomStream } from "../dist/math/random.js";
import { strategyOptions } from "../dist/strategies/strategy.js";
import { Crew, isOpen } from "./support/chaos-crew.mjs";
import { harms } from "./support/chaos-harms.mjs";

const { values: given } = parseArgs({
  options: {
    minutes: { type: "string", default: "2" },
    seed: { type: "string", default: "1" },
    runs: { type: "string", default: "1000000" },
    strategies: {
      type: "string",
      default: "asp,ssp,dssp,bsp,allreduce,peer-to-peer,d-psgd,ad-psgd",
    },
    harms: { type: "string", default: Object.keys(harms).join() },
    patience: { type: "string", default: "40" },
    verbose: { type: "boolean", default: false },
  },
});
/** A run in which nobody makes an update for so many seconds hangs. */
const runSecondsMax = Number(given.patience);
const workers = 4;
const sums = new Set(["asp", "ssp", "dssp", "bsp", "allreduce", "peer-to-peer"]);
const withServers = new Set(["asp", "ssp", "dssp", "bsp"]);

const until = Date.now() + 60_000 * Number(given.minutes);
const firstSeed = Number(given.seed);
const counts = new Map();
let failures = 0;
let seed = firstSeed;
for (; Date.now() < until && seed < firstSeed + Number(given.runs); seed++) {
  const story = draw(seed);
  const began = performance.now();
  const wrong = await play(story).catch((error) => error.message);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const plot = story.acts.map(({ harm, rank, afterMs }) => `${harm} ${rank} at ${afterMs} ms`);
  const line = `seed ${seed}: ${story.strategy}: ${plot.join(", ")} (${seconds} s)`;
  process.stdout.write(
    `${wrong === null ? "ok    " : "broken"} ${line}${wrong ? `: ${wrong}` : ""}\n`,
  );
  const key = `${story.strategy} ${wrong === null ? "ok" : "broken"}`;
  counts.set(key, (counts.get(key) ?? 0) + 1);
  if (wrong === null) continue;
  failures++;
  const { strategies, harms: names } = given;
  process.stdout.write(
    `       Replay: npm run chaos -- --runs 1 --seed ${seed} --strategies ${strategies} --harms ${names}\n`,
  );
}
process.stdout.write(
  `${[...counts]
    .sort()
    .map(([key, count]) => `${key} ${count}`)
    .join(", ")}\n`,
);
process.stdout.write(
  `${seed - firstSeed} runs, ${failures} broken, seeds ${firstSeed} to ${seed - 1}\n`,
);
process.exitCode = failures > 0 ? 1 : 0;
// What a run that hangs has left open must not keep this process.
setTimeout(() => process.exit(), 5000).unref();

/** What happens under a seed: a strategy, and one to three harms to different members. */
function draw(seed) {
  const stream = randomStream({ seed, purpose: "chaos" });
  const pick = (list) => list[nextBelow(stream, list.length)];
  const strategy = pick(given.strategies.split(","));
  const standby = withServers.has(strategy) && nextBelow(stream, 2) === 0;
  const seats = workers + (withServers.has(strategy) ? 1 : 0) + (standby ? 1 : 0);
  // A server without a standby is the only one that has its range.
  const mortal = standby || !withServers.has(strategy) ? seats : workers;
  const ranks = Array.from({ length: mortal }, (_, rank) => rank);
  const acts = Array.from({ length: 1 + nextBelow(stream, 2) }, () => {
    const [rank] = ranks.splice(nextBelow(stream, ranks.length), 1);
    return { harm: pick(given.harms.split(",")), rank, afterMs: nextBelow(stream, 1500) };
  });
  return { seed, strategy, standby, seats, acts };
}

/** Plays it; null, or what is wrong. */
async function play({ seed, strategy, standby, seats, acts }) {
  const crew = new Crew();
  const playing = [];
  const events = [];
  const onEvent = (event) => {
    events.push(event);
    if (event.kind !== "view" || event.id !== 1) return;
    for (const { harm, rank, afterMs } of acts) {
      playing.push(delay(afterMs).then(() => !ended && harms[harm].run(crew, rank)));
    }
  };
  let ended = false;
  const run = runCluster({
    ...{ strategy: { name: strategy }, workers, seed, epochs: 2 },
    options: strategyOptions({ rowsPerUpdate: 1, staleness: 50, standby }),
    task: { kind: "ledger", spec: { workers, rowsPerWorker: 1500 } },
    cluster: { listen: "127.0.0.1:0", credentials: noCredentials, launch: crew.launch, onEvent },
  });
  const late = stuck(events, () => ended);
  const result = await Promise.race([run, late]);
  ended = true;
  if (result === "late") {
    const { members } = await statusOf(events).catch(() => ({ members: [] }));
    const waits = members.map(({ rank, state, updates, wait }) => {
      return `${rank} is ${state} after ${updates}, waits for ${wait?.whom}`;
    });
    const last = crew.members.map(({ rank, lines }) => `${rank}: ${lines.slice(-30).join("\n  ")}`);
    await crew.end();
    run.catch(() => {});
    return `hangs: ${[...waits, ...last].join("; ")}`;
  }
  await Promise.all(playing);
  const unruly = await crew.end();
  if (given.verbose) {
    for (const { rank, lines } of crew.members)
      process.stdout.write(`${rank}: ${lines.join("\n   ")}\n`);
    process.stdout.write(`${events.map((event) => JSON.stringify(event)).join("\n")}\n`);
  }
  return unruly ?? (await leftOver(crew)) ?? ledger({ strategy, acts, seats, ...result });
}

/** Resolves when no member has made an update for long, however slow the machine is. */
async function stuck(events, isOver) {
  let [made, since] = ["", Date.now()];
  while (Date.now() - since < 1000 * runSecondsMax) {
    await delay(2000, null, { ref: false });
    if (isOver()) return "over";
    const { members = [] } = await statusOf(events).catch(() => ({}));
    const now = members.map(({ updates, state }) => `${updates} ${state}`).join();
    if (now !== made) [made, since] = [now, Date.now()];
  }
  return "late";
}

function statusOf(events) {
  const { address } = events.find(({ kind }) => kind === "listening");
  return askStatus({ address, credentials: noCredentials });
}

async function leftOver({ members }) {
  for (const { port, child } of members) {
    if (child.exitCode === null && child.signalCode === null) return `process ${child.pid} is left`;
    if (await isOpen(port)) return `port ${port} is left open`;
  }
  return null;
}

/** Whether what undisturbed workers sent is what was applied; means of replicas only have to be finite. */
function ledger({ strategy, acts, model, telemetry }) {
  if (!model.values.every(Number.isFinite)) return "the model is not finite";
  if (!sums.has(strategy)) return null;
  for (let own = 0; own < workers; own++) {
    const { updates, lost } = telemetry.members[own];
    const applied = model.values[own];
    // What one that died had sent after it last told is not known.
    if (acts.some(({ rank, harm }) => rank === own && harms[harm].ends)) continue;
    if (applied === updates - lost) continue;
    return `worker ${own} sent ${updates}, of which ${lost} are told lost, applied ${applied}`;
  }
  return null;
}

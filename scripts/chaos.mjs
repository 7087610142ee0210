#!/usr/bin/env node
/**
 * Chaos: runs every strategy that survives the loss of a worker on real processes, again and again, and each
 * time kills, stops or asks to leave one of them at a random moment. After each run the ledger of those that
 * stayed must close and no process may be left. Usage: npm run chaos -- --minutes 1 --seed 1
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { launchLocal } from "../dist/deploy/local.js";
import { runCluster } from "../dist/engines/cluster/cluster.js";
import { noCredentials } from "../dist/engines/cluster/credentials.js";
import { nextBelow, randomStream } from "../dist/math/random.js";
import { strategyOptions } from "../dist/strategies/strategy.js";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "1" }, seed: { type: "string", default: "1" } },
});
const until = Date.now() + 60_000 * Number(values.minutes);
const local = launchLocal({
  program: new URL("../dist/cli/main.js", import.meta.url).pathname,
  logs: null,
});
const strategies = ["asp", "ssp", "dssp", "bsp"];
const harms = ["SIGKILL", "SIGTERM", "SIGSTOP", "pause"];
const workers = 3;
let failures = 0;
let runs = 0;
for (let seed = Number(values.seed); Date.now() < until; seed++, runs++) {
  const stream = randomStream({ seed, purpose: "chaos" });
  const pick = (list) => list[nextBelow(stream, list.length)];
  const drawn = { strategy: pick(strategies), harm: pick(harms), rank: nextBelow(stream, workers) };
  const afterMs = nextBelow(stream, 400);
  const wrong = await disturb({ ...drawn, afterMs, seed }).catch((error) => error.message);
  const what = `seed ${seed}: ${drawn.strategy}, ${drawn.harm} of ${drawn.rank} after ${afterMs} ms`;
  process.stdout.write(
    `${wrong === null ? "ok    " : "broken"} ${what}${wrong ? `: ${wrong}` : ""}\n`,
  );
  if (wrong === null) continue;
  failures++;
  process.stdout.write(`       Replay: npm run chaos -- --minutes 0.01 --seed ${seed}\n`);
}
process.stdout.write(`${runs} runs, ${failures} broken\n`);
process.exitCode = failures > 0 ? 1 : 0;

async function disturb({ strategy, harm, rank, afterMs, seed }) {
  let processes = [];
  const launch = async (orders, onEnd) => {
    const launched = await local(orders, onEnd);
    processes = launched.processes;
    return launched;
  };
  const onEvent = ({ kind, id }) => {
    if (kind === "view" && id === 1) hurt(processes[rank], harm, afterMs);
  };
  const { model, telemetry } = await runCluster({
    ...{ strategy: { name: strategy }, workers, seed, epochs: 1 },
    options: strategyOptions({ rowsPerUpdate: 1, staleness: 50 }),
    task: { kind: "ledger", spec: { workers, rowsPerWorker: 4000 } },
    cluster: { listen: "127.0.0.1:0", credentials: noCredentials, launch, onEvent },
  });
  const left = processes.filter(isAlive);
  if (left.length > 0) return `processes ${left.join(", ")} are left`;
  for (let own = 0; own < workers; own++) {
    const { updates } = telemetry.members[own];
    const applied = model.values[own];
    const gone = own === rank && harm !== "pause";
    if (!gone && applied !== updates) return `worker ${own} sent ${updates}, applied ${applied}`;
  }
  return null;
}

async function hurt(pid, harm, afterMs) {
  await delay(afterMs);
  if (!isAlive(pid)) return;
  if (harm !== "pause") return process.kill(pid, harm);
  process.kill(pid, "SIGSTOP");
  await delay(500);
  if (isAlive(pid)) process.kill(pid, "SIGCONT");
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

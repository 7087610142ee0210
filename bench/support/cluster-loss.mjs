/** How long it takes until a killed worker is out of the view and a new one in it, and what the others notice. */
import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { noCredentials } from "../../dist/engines/cluster/credentials.js";
import { askStatus } from "../../dist/engines/cluster/public.js";
import { isAlive, program, startEndless } from "./cluster-local.mjs";
import { median } from "./measure.mjs";

/** A run that goes until it is stopped: kills one worker, lets another join; returns seconds. */
async function lossAndJoin(strategy) {
  const run = await startEndless({ strategy, workers: 4 });
  await delay(1500);
  const watch = watchUpdates(run.address);
  const killedAt = performance.now();
  process.kill(run.processes[1], "SIGKILL");
  const out = (await run.whenView((ranks) => !ranks.includes(1))) - killedAt;
  await delay(1500);
  const joiner = spawn(process.execPath, [program, "worker", "--join", run.address], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let readyAt = performance.now();
  joiner.stderr.setEncoding("utf8").on("data", (text) => {
    if (text.includes("ready")) readyAt = performance.now();
  });
  const joined = (await run.whenView((ranks) => ranks.includes(1))) - readyAt;
  await delay(1000);
  const longest = watch();
  await run.stop();
  if (isAlive(joiner.pid)) joiner.kill("SIGKILL");
  return { out: out / 1000, joined: Math.max(0, joined) / 1000, longest };
}

/** Longest time in which the survivors' updates, as the coordinator hears of them, did not grow. */
function watchUpdates(address) {
  let [longest, last, lastAt] = [0, 0, performance.now()];
  let stopped = false;
  const loop = async () => {
    while (!stopped) {
      const { members } = await askStatus({ address, credentials: noCredentials });
      const others = members.filter(({ role, rank }) => role === "worker" && rank !== 1);
      const sum = others.reduce((total, { updates }) => total + Number(updates), 0);
      const now = performance.now();
      if (sum !== last) {
        longest = Math.max(longest, now - lastAt);
        [last, lastAt] = [sum, now];
      }
      await delay(10);
    }
  };
  loop().catch(() => {});
  return () => {
    stopped = true;
    return longest / 1000;
  };
}

export async function benchLoss() {
  const results = [];
  for (const strategy of ["asp", "bsp"]) {
    const found = [];
    for (let k = 0; k < 3; k++) found.push(await lossAndJoin(strategy));
    const at = (name) => median(found.map((one) => one[name]));
    const result = (what, name, secondsMax) => ({
      what: `${strategy}: ${what}`,
      target: `under ${secondsMax} s`,
      found: `${at(name).toFixed(2)} s`,
      met: at(name) < secondsMax,
    });
    results.push(
      result("a killed worker is out of the view", "out", 3),
      result("a worker that is ready is in the view", "joined", 1),
      // Progress is told four times a second: a round and what is not told yet.
      result(
        "longest standstill of the others through both",
        "longest",
        strategy === "asp" ? 0.5 : 3,
      ),
    );
  }
  return results;
}

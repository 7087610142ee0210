/** Eight workers of which one is killed every 20 seconds, and another started in its place. */
import { spawn } from "node:child_process";
import { loadavg } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { noCredentials } from "../../dist/engines/cluster/credentials.js";
import { askStatus } from "../../dist/engines/cluster/public.js";
import { isAlive, program, startEndless } from "./cluster-local.mjs";

const workers = 8;
const killEverySeconds = 20;
/** Before the first kill, and again after the last: others use the machine too, and not always alike. */
const calmSeconds = 30;

export async function benchChurn({ minutes }) {
  const run = await startEndless({ strategy: "asp", workers });
  const joiners = [];
  try {
    await delay(2000);
    const before = await rateOf(run, calmSeconds);
    const rates = [];
    let [kills, ended] = [0, 0];
    const processes = run.processes.slice(0, workers);
    for (const end = Date.now() + 60_000 * minutes; Date.now() < end; kills++) {
      const rank = kills % workers;
      if (isAlive(processes[rank])) process.kill(processes[rank], "SIGKILL");
      else ended++;
      const joiner = spawn(process.execPath, [program, "worker", "--join", run.address], {
        stdio: "ignore",
      });
      joiners.push(joiner);
      processes[rank] = joiner.pid;
      rates.push(await rateOf(run, killEverySeconds));
    }
    const after = await rateOf(run, calmSeconds);
    const mean = (values) => values.reduce((sum, one) => sum + one, 0) / values.length;
    const calm = mean([before, after]);
    const rate = mean(rates);
    const others = Math.max(0, run.lost - kills);
    const percent = (value) => `${((100 * value) / calm).toFixed(0)} %`;
    const worst = percent(Math.min(...rates));
    return {
      what: `${workers} workers, ${kills} kills in ${minutes} min: rows/s of each live worker, to those of calm`,
      target: "at least 85 %, no other process lost",
      found: `${percent(rate)} (the worst 20 s ${worst}; calm before ${percent(before)}, after ${percent(after)}), ${others} others lost, ${ended} ended by themselves, load ${loadavg()[1].toFixed(0)}`,
      met: rate >= 0.85 * calm && others + ended === 0,
    };
  } finally {
    await run.stop().catch(() => {});
    for (const joiner of joiners) joiner.kill("SIGKILL");
  }
}

/** Rows a second of a live worker, over so many seconds: looked at twice a second, lives told apart. */
async function rateOf({ address }, seconds) {
  const last = new Map();
  let [rows, liveSeconds] = [0, 0];
  let before = performance.now();
  for (const end = before + 1000 * seconds; before < end; ) {
    await delay(500);
    const { members } = await askStatus({ address, credentials: noCredentials });
    const now = performance.now();
    const live = members.filter(({ role, state }) => role === "worker" && state === "running");
    for (const { rank, incarnation, rows: count } of live) {
      const life = `${rank}.${incarnation}`;
      rows += Number(count) - (last.get(life) ?? Number(count));
      last.set(life, Number(count));
    }
    liveSeconds += (live.length * (now - before)) / 1000;
    before = now;
  }
  return rows / liveSeconds;
}

/** Eight workers of which one is killed every 20 seconds, and another started in its place. */
import { spawn } from "node:child_process";
import { loadavg } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { noCredentials } from "../../dist/engines/cluster/credentials.js";
import { askStatus } from "../../dist/engines/cluster/public.js";
import { isAlive, program, startEndless } from "./cluster-local.mjs";

const workers = 8;
const killEverySeconds = 20;
const calmSeconds = 20;
const plan = { strategy: "asp", workers };

/**
 * Beside it, on the same machine at the same time, another run of as many workers of which none is killed: what others
 * do to the machine they do to both.
 */
export async function benchChurn({ minutes }) {
  const run = await startEndless(plan);
  const calm = await startEndless(plan);
  const joiners = [];
  try {
    await delay(2000);
    const undisturbed = await ratioOf(run, calm, calmSeconds);
    const ratios = [];
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
      ratios.push(await ratioOf(run, calm, killEverySeconds));
      console.error(
        `kill ${kills + 1}: ${percent(ratios.at(-1))}, load ${loadavg()[0].toFixed(0)}`,
      );
    }
    const ratio = ratios.reduce((sum, one) => sum + one, 0) / ratios.length;
    const others = Math.max(0, run.lost - kills);
    return {
      what: `${workers} workers, ${kills} kills in ${minutes} min: rows/s of each live worker, to those of ${workers} beside them that are left alone`,
      target: "at least 85 %, no other process lost",
      found: `${percent(ratio)} (20 s each: ${percent(Math.min(...ratios))} to ${percent(Math.max(...ratios))}; before the first kill ${percent(undisturbed)}), ${others} others lost, ${ended} ended by themselves, load ${loadavg()[1].toFixed(0)}`,
      met: ratio >= 0.85 && others + ended === 0,
    };
  } finally {
    await Promise.all([run.stop().catch(() => {}), calm.stop().catch(() => {})]);
    for (const joiner of joiners) joiner.kill("SIGKILL");
  }
}

function percent(value) {
  return `${(100 * value).toFixed(0)} %`;
}

async function ratioOf(run, calm, seconds) {
  const [rate, calmRate] = await Promise.all([rateOf(run, seconds), rateOf(calm, seconds)]);
  return rate / calmRate;
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

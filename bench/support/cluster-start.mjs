/** How long members take to start, and what they need while they do nothing. */
import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { runCluster } from "../../dist/engines/cluster/cluster.js";
import { noCredentials } from "../../dist/engines/cluster/credentials.js";
import { strategyOptions } from "../../dist/strategies/strategy.js";
import { isAlive, local } from "./cluster-local.mjs";
import { median } from "./measure.mjs";

/** Starts members of a run that learns next to nothing; returns seconds until all had begun, and until the end. */
async function startOnce(workers, whenBegun = () => {}) {
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  let begun = null;
  let processes = [];
  const launch = async (orders, onEnd) => {
    const launched = await local(orders, onEnd);
    processes = launched.processes;
    return launched;
  };
  await runCluster({
    ...{ strategy: { name: "asp" }, workers, seed: 1, epochs: 1 },
    options: strategyOptions({ rowsPerUpdate: 10 }),
    task: { kind: "ledger", spec: { workers, rowsPerWorker: 100 } },
    cluster: {
      ...{ listen: "127.0.0.1:0", credentials: noCredentials, launch },
      onEvent: ({ kind, id }) => {
        if (kind !== "view" || id !== 1) return;
        begun = seconds();
        whenBegun(processes);
      },
    },
  });
  return { begun, ended: seconds(), left: processes.filter(isAlive).length, processes };
}

export async function benchStart() {
  const times = [];
  for (let k = 0; k < 5; k++) times.push((await startOnce(4)).begun);
  const seconds = median(times);
  return {
    what: "start-up of 4 workers and a server, until all learn",
    target: "under 2 s",
    found: `${seconds.toFixed(2)} s`,
    met: seconds < 2,
  };
}

/** What the processes of a run need: the largest peak, and what all together take when shared pages count once. */
export async function benchIdle() {
  const found = { processes: 0, peak: 0, together: 0 };
  let watch;
  const look = (processes) => {
    found.processes = processes.length;
    const peaks = () => {
      for (const pid of processes)
        found.peak = Math.max(found.peak, megabytesOf(pid, "status", "VmHWM"));
    };
    peaks();
    found.together = processes.reduce(
      (sum, pid) => sum + megabytesOf(pid, "smaps_rollup", "Pss"),
      0,
    );
    watch = setInterval(peaks, 500);
  };
  const { begun, ended, left } = await startOnce(64, look).finally(() => clearInterval(watch));
  await delay(100);
  const { processes, peak, together } = found;
  return {
    what: `64 idle workers and a server start (${begun.toFixed(1)} s), learn next to nothing and leave (${(ended - begun).toFixed(1)} s), ${left} of ${processes} left, load ${loadavg()[0].toFixed(0)}; the largest process`,
    target: "under 120 MB",
    found: `${peak.toFixed(0)} MB, of which its own ${(together / processes).toFixed(0)} MB (PSS, mean)`,
    met: left === 0 && peak < 120,
  };
}

/** A figure of a process, in megabytes; 0 once it is gone. */
function megabytesOf(pid, file, name) {
  try {
    const text = readFileSync(`/proc/${pid}/${file}`, "utf8");
    return (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024) / 1e6;
  } catch {
    return 0;
  }
}

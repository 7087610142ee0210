/** How long members take to start, and what they need while they do nothing. */
import { readFileSync } from "node:fs";
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

export async function benchIdle() {
  let largest = 0;
  let before = 0;
  const look = (processes) => {
    before = processes.length;
    largest = Math.max(...processes.map(peakMegabytes));
  };
  const { begun, ended, left } = await startOnce(64, look);
  await delay(100);
  return {
    what: `64 idle workers and a server start (${begun.toFixed(1)} s), leave (${(ended - begun).toFixed(1)} s), ${left} of ${before} left; the largest process`,
    target: "under 120 MB",
    found: `${largest.toFixed(0)} MB`,
    met: left === 0 && largest < 120,
  };
}

/** Peak memory of a process, in megabytes. */
function peakMegabytes(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return (Number(/VmHWM:\s+(\d+) kB/.exec(status)[1]) * 1024) / 1e6;
}

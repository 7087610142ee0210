/** Members of benchmarks: processes of this machine, without log files. */
import { setTimeout as delay } from "node:timers/promises";
import { launchLocal } from "../../dist/deploy/local.js";
import { runCluster } from "../../dist/engines/cluster/cluster.js";
import { noCredentials } from "../../dist/engines/cluster/credentials.js";
import { strategyOptions } from "../../dist/strategies/strategy.js";

export const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
export const local = launchLocal({ program, logs: null });

export function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Starts a run that goes until it is stopped, on the ledger task; all have begun when this returns. */
export async function startEndless({ strategy, workers, rowsPerUpdate = 100 }) {
  const abort = new AbortController();
  const run = { address: "", processes: [], views: [], lost: 0 };
  const launch = async (orders, onEnd) => {
    run.address = orders[0].join;
    const launched = await local(orders, onEnd);
    run.processes = launched.processes;
    return launched;
  };
  const ended = runCluster({
    ...{ strategy: { name: strategy }, workers, seed: 1, epochs: 1e6 },
    options: strategyOptions({ rowsPerUpdate, staleness: 8 }),
    task: { kind: "ledger", spec: { workers, rowsPerWorker: 100_000 } },
    signal: abort.signal,
    cluster: {
      ...{ listen: "127.0.0.1:0", credentials: noCredentials, launch },
      onEvent: ({ kind, members }) => {
        if (kind === "lost") run.lost++;
        if (kind !== "view") return;
        run.views.push({ at: performance.now(), ranks: members.map(({ rank }) => rank) });
      },
    },
  });
  ended.catch(() => {});
  const whenView = async (holds) => {
    for (const end = Date.now() + 60_000; ; await delay(5)) {
      const last = run.views.at(-1);
      if (last && holds(last.ranks)) return last.at;
      if (Date.now() > end) throw new Error(`not so within 60 s: view ${last?.ranks}`);
    }
  };
  await whenView((ranks) => ranks.length > 0);
  const stop = () => {
    abort.abort();
    return ended;
  };
  return Object.assign(run, { whenView, stop });
}

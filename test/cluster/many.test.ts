/** A run of many members on few cores: all come, learn, are counted, and go; none takes much memory. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { launchLocal } from "../../src/deploy/local.ts";
import { runCluster } from "../../src/engines/cluster/cluster.ts";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import type { ClusterEvent } from "../../src/engines/cluster/events.ts";
import type { Launch } from "../../src/engines/cluster/launcher.ts";
import { strategyOptions } from "../../src/strategies/strategy.ts";
import { root } from "../tidy/sources.ts";

const workers = 16;
const rowsPerWorker = 500;
const megabytesMax = 120;
const local = launchLocal({ program: join(root, "dist/cli/main.js"), logs: null });

/** Peak of what a process holds in memory, what it shares with others included; null once it is gone. */
function peakMegabytes(pid: number): number | null {
  try {
    const kilobytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kilobytes === undefined ? null : (1024 * Number(kilobytes)) / 1e6;
  } catch {
    return null;
  }
}

test.each(["asp", "allreduce"])(
  `${workers} workers of %s start, learn all their rows and leave, each under ${megabytesMax} MB`,
  async (name) => {
    const events: ClusterEvent[] = [];
    let processes: number[] = [];
    let peak = 0;
    const look = () => {
      for (const pid of processes) peak = Math.max(peak, peakMegabytes(pid) ?? 0);
    };
    const watch = setInterval(look, 200);
    const launch: Launch = async (orders, onEnd) => {
      const launched = await local(orders, onEnd);
      processes = launched.processes.map((pid) => pid!);
      return launched;
    };
    const { telemetry, model } = await runCluster({
      ...{ strategy: { name }, workers, seed: 3, epochs: 1 },
      options: strategyOptions({ rowsPerUpdate: 50 }),
      task: { kind: "ledger", spec: { workers, rowsPerWorker } },
      cluster: {
        ...{ listen: "127.0.0.1:0", credentials: noCredentials, launch },
        onEvent: (event) => {
          events.push(event);
          if (event.kind === "view") look();
        },
      },
    }).finally(() => clearInterval(watch));
    const first = events.find((event) => event.kind === "view");
    expect(first?.members.length).toBe(processes.length);
    expect(events.filter(({ kind }) => kind === "lost" || kind === "rejected")).toEqual([]);
    const learners = telemetry.members.filter(({ role }) => role === "worker");
    expect(learners.reduce((sum, { rows }) => sum + rows, 0)).toBe(workers * rowsPerWorker);
    for (const { rank, updates } of learners) expect(model.values[rank]).toBe(updates);
    expect(processes.filter((pid) => peakMegabytes(pid) !== null)).toEqual([]);
    if (process.platform === "linux") {
      expect(peak).toBeGreaterThan(20);
      expect(peak).toBeLessThan(megabytesMax);
    }
  },
);

import { join } from "node:path";
import { expect, test } from "vitest";
import { launchLocal } from "../../src/deploy/local.ts";
import { runCluster } from "../../src/engines/cluster/cluster.ts";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import type { ClusterEvent } from "../../src/engines/cluster/events.ts";
import type { Launch } from "../../src/engines/cluster/launcher.ts";
import type { EngineResult } from "../../src/engines/engine.ts";
import { strategyOptions } from "../../src/strategies/strategy.ts";
import { root } from "../tidy/sources.ts";

const local = launchLocal({ program: join(root, "dist/cli/main.js"), logs: null });

interface Outcome {
  readonly result: EngineResult;
  readonly events: readonly ClusterEvent[];
  readonly processes: readonly (number | undefined)[];
}

/** Runs three workers on the ledger task and sends a signal to one of them once all have begun. */
async function disturb(
  name: string,
  { rank, signal }: { rank: number; signal: NodeJS.Signals },
): Promise<Outcome> {
  const events: ClusterEvent[] = [];
  let processes: readonly (number | undefined)[] = [];
  const launch: Launch = async (orders, onEnd) => {
    const launched = await local(orders, onEnd);
    processes = launched.processes;
    return launched;
  };
  const onEvent = (event: ClusterEvent) => {
    events.push(event);
    if (event.kind === "view" && event.id === 1) {
      setTimeout(() => process.kill(processes[rank]!, signal), 200);
    }
  };
  const result = await runCluster({
    ...{ strategy: { name }, workers: 3, seed: 5, epochs: 1 },
    options: strategyOptions({ rowsPerUpdate: 1, staleness: 50 }),
    task: { kind: "ledger", spec: { workers: 3, rowsPerWorker: 4000 } },
    cluster: { listen: "127.0.0.1:0", credentials: noCredentials, launch, onEvent },
  });
  return { result, events, processes };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function expectClosedLedger({ result, processes }: Outcome, gone: number): void {
  const { model, telemetry } = result;
  for (const rank of [0, 1, 2].filter((one) => one !== gone)) {
    expect(model.values[rank]).toBe(telemetry.members[rank]!.updates);
  }
  expect(processes.filter((pid) => isAlive(pid!))).toEqual([]);
}

for (const name of ["asp", "ssp", "dssp", "bsp"]) {
  test(`${name} goes on without a worker that is killed, and no process is left`, async () => {
    const outcome = await disturb(name, { rank: 1, signal: "SIGKILL" });
    expect(outcome.events.find(({ kind }) => kind === "lost")).toMatchObject({
      rank: 1,
      reason: expect.stringMatching(/killed by SIGKILL|connection/),
    });
    const views = outcome.events.filter((event) => event.kind === "view");
    expect(views.at(-1)?.members.map(({ rank }) => rank)).not.toContain(1);
    expectClosedLedger(outcome, 1);
  });
}

test("a worker that is asked to leave hands out what it has, and the others go on", async () => {
  const outcome = await disturb("asp", { rank: 1, signal: "SIGTERM" });
  expect(outcome.events.find(({ kind }) => kind === "left")).toMatchObject({ rank: 1 });
  expectClosedLedger(outcome, 1);
});

for (const name of ["allreduce", "peer-to-peer"]) {
  test(`${name}, which can't go on without a member on a cluster, says whom it lost and why`, async () => {
    await expect(disturb(name, { rank: 1, signal: "SIGKILL" })).rejects.toThrow(
      new RegExp(`worker 1 was lost: .*[\\s\\S]*${name} can't go on without this worker`),
    );
  });
}

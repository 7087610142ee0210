import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { launchLocal } from "../../src/deploy/local.ts";
import { runCluster } from "../../src/engines/cluster/cluster.ts";
import type { CoordinatorOptions } from "../../src/engines/cluster/coordinator-options.ts";
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
  readonly processes: readonly number[];
}

/** What is done to a run: it has the processes by rank, and can start another for a seat. */
type Harm = (crew: {
  signal(rank: number, name: NodeJS.Signals): void;
  start(rank: number): Promise<void>;
}) => Promise<void> | void;

/** Runs three workers on the ledger task and does something to them once all have begun. */
async function disturb(
  name: string,
  harm: Harm,
  {
    observe,
    rowsPerWorker = 6000,
    ...given
  }: {
    standby?: boolean;
    observe?: CoordinatorOptions["observe"];
    rowsPerWorker?: number;
  } = {},
) {
  const events: ClusterEvent[] = [];
  const processes: number[] = [];
  const later: AsyncDisposable[] = [];
  let harmed: Promise<void> = Promise.resolve();
  let orders: Parameters<Launch>[0] = [];
  const launch: Launch = async (all, onEnd) => {
    orders = all;
    const launched = await local(all, onEnd);
    for (const pid of launched.processes) processes.push(pid!);
    return launched;
  };
  const crew = {
    signal: (rank: number, signal: NodeJS.Signals) => void process.kill(processes[rank]!, signal),
    async start(rank: number) {
      const launched = await local([orders[rank]!], () => {});
      later.push(launched);
      processes.push(launched.processes[0]!);
    },
  };
  const onEvent = (event: ClusterEvent) => {
    events.push(event);
    if (event.kind === "view" && event.id === 1) {
      harmed = delay(200).then(() => harm(crew));
    }
  };
  const result = await runCluster({
    ...{ strategy: { name }, workers: 3, seed: 5, epochs: 1 },
    options: strategyOptions({ rowsPerUpdate: 1, staleness: 50, ...given }),
    task: { kind: "ledger", spec: { workers: 3, rowsPerWorker } },
    ...(observe ? { observe } : {}),
    cluster: { listen: "127.0.0.1:0", credentials: noCredentials, launch, onEvent },
  });
  await harmed;
  for (const launched of later) await launched[Symbol.asyncDispose]();
  return { result, events, processes } satisfies Outcome;
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
    const { updates, lost } = telemetry.members[rank]!;
    expect(model.values[rank]).toBe(updates - lost);
  }
  expect(processes.filter(isAlive)).toEqual([]);
}

function viewsOf({ events }: Outcome) {
  return events.flatMap((event) => (event.kind === "view" ? [event.members] : []));
}

for (const name of ["asp", "ssp", "dssp", "bsp", "allreduce", "peer-to-peer"]) {
  test(`${name} goes on without a worker that is killed, and no process is left`, async () => {
    const outcome = await disturb(name, ({ signal }) => signal(1, "SIGKILL"));
    expect(outcome.events.find(({ kind }) => kind === "lost")).toMatchObject({
      rank: 1,
      reason: expect.stringMatching(/killed by SIGKILL|connection/),
    });
    expect(
      viewsOf(outcome)
        .at(-1)
        ?.map(({ rank }) => rank),
    ).not.toContain(1);
    expectClosedLedger(outcome, 1);
  });
}

for (const name of ["asp", "peer-to-peer", "allreduce"]) {
  test(`${name}: a worker that is asked to leave hands out what it has, and the others go on`, async () => {
    const outcome = await disturb(name, ({ signal }) => signal(1, "SIGTERM"));
    expect(outcome.events.find(({ kind }) => kind === "left")).toMatchObject({ rank: 1 });
    expectClosedLedger(outcome, 1);
  });
}

for (const name of ["ssp", "peer-to-peer"]) {
  test(`${name}: a new process for the seat of a killed one joins the others while they run`, async () => {
    const harm: Harm = async ({ signal, start }) => {
      signal(1, "SIGKILL");
      await start(1);
    };
    // Long enough for a process to start, wherever this runs.
    const outcome = await disturb(name, harm, { rowsPerWorker: 40_000 });
    const lives = viewsOf(outcome).map((members) => members.find(({ rank }) => rank === 1));
    expect(lives.some((life) => (life?.incarnation ?? 0) > 1)).toBe(true);
    expectClosedLedger(outcome, 1);
  });
}

test("a worker that slept for long is fenced when it wakes, and joins as a new life", async () => {
  const outcome = await disturb("peer-to-peer", async ({ signal }) => {
    signal(1, "SIGSTOP");
    await delay(3500);
    signal(1, "SIGCONT");
  });
  expect(viewsOf(outcome).some((members) => !members.some(({ rank }) => rank === 1))).toBe(true);
  expectClosedLedger(outcome, 1);
});

test("a standby takes over from a server that is killed", async () => {
  const outcome = await disturb("asp", ({ signal }) => signal(3, "SIGKILL"), { standby: true });
  expectClosedLedger(outcome, 3);
});

test("a standby takes the duplicate that a change of view brings, where seats may be more than workers", async () => {
  const outcome = await disturb("asp", ({ signal }) => signal(1, "SIGKILL"), { standby: true });
  expect(outcome.events.filter(({ kind }) => kind === "rejected")).toEqual([]);
  expect(
    viewsOf(outcome)
      .at(-1)
      ?.map(({ rank }) => rank),
  ).toEqual([0, 2, 3, 4]);
  expectClosedLedger(outcome, 1);
});

test("a worker that is stopped for ever holds up no verdict on a round", async () => {
  let judged = 0;
  const at = () => {
    judged++;
    return false;
  };
  const outcome = await disturb("d-psgd", ({ signal }) => signal(1, "SIGSTOP"), {
    observe: { everyEpochs: 0.25, at },
  });
  expect(judged).toBeGreaterThanOrEqual(4);
  expect(
    viewsOf(outcome)
      .at(-1)
      ?.map(({ rank }) => rank),
  ).not.toContain(1);
});

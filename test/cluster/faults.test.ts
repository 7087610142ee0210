/** Members that die, leave, come and sleep in the middle of a run: each story is told before the run is ended. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { launchLocal } from "../../src/deploy/local.ts";
import type { CoordinatorOptions } from "../../src/engines/cluster/coordinator-options.ts";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import type { ClusterEvent } from "../../src/engines/cluster/events.ts";
import type { Launch } from "../../src/engines/cluster/launcher.ts";
import { askStatus } from "../../src/engines/cluster/public.ts";
import { root } from "../tidy/sources.ts";
import { runTold, type ToldRun } from "./support-network.ts";
import { expectLedger, isAlive, until } from "./support-runs.ts";

const local = launchLocal({ program: join(root, "dist/cli/main.js"), logs: null });

type Outcome = ToldRun<void> & { readonly processes: readonly number[] };

/** What a story can do: signals to processes by rank, another one for a seat, and waiting for what comes of it. */
interface Crew {
  signal(rank: number, name: NodeJS.Signals): void;
  start(rank: number): Promise<void>;
  /** Waits for a view whose members hold that, then until all its workers have learned further. */
  goesOn(holds: (lives: Lives) => boolean): Promise<void>;
  /** Waits for that event. */
  sees(kind: ClusterEvent["kind"], rank: number): Promise<void>;
}

type Lives = readonly { readonly rank: number; readonly incarnation: number }[];

const without = (rank: number) => (lives: Lives) => !lives.some((life) => life.rank === rank);
const again = (rank: number) => (lives: Lives) =>
  lives.some((life) => life.rank === rank && life.incarnation > 1);

function viewsIn(events: readonly ClusterEvent[]): Lives[] {
  return events.flatMap((event) => (event.kind === "view" ? [event.members] : []));
}

/** Updates of the members by rank, as the coordinator knows them. */
async function updatesAt(address: string): Promise<Map<number, bigint>> {
  const { members } = await askStatus({ address, credentials: noCredentials });
  return new Map(members.map(({ rank, updates }) => [rank, updates]));
}

/** Plays a story of three workers on the ledger, which begins once all of them have learned something. */
async function disturb(
  strategy: string,
  story: (crew: Crew) => Promise<void>,
  { observe, standby }: { standby?: boolean; observe?: CoordinatorOptions["observe"] } = {},
): Promise<Outcome> {
  const processes: number[] = [];
  const later: AsyncDisposable[] = [];
  let orders: Parameters<Launch>[0] = [];
  const launch: Launch = async (all, onEnd) => {
    orders = all;
    const launched = await local(all, onEnd);
    for (const pid of launched.processes) processes.push(pid!);
    return launched;
  };
  const crewAt = (address: string, events: readonly ClusterEvent[]): Crew => ({
    signal: (rank, signal) => void process.kill(processes[rank]!, signal),
    async start(rank) {
      const launched = await local([orders[rank]!], () => {});
      later.push(launched);
      processes.push(launched.processes[0]!);
    },
    async goesOn(holds) {
      const words = () => `no such view: ${JSON.stringify(viewsIn(events))}`;
      const lives = await until(() => viewsIn(events).find(holds), words);
      const before = await updatesAt(address);
      const learners = lives.filter(({ rank }) => rank < 3).map(({ rank }) => rank);
      const isFurther = async () => {
        const now = await updatesAt(address);
        return learners.every((rank) => (now.get(rank) ?? 0n) > (before.get(rank) ?? 0n));
      };
      await until(isFurther, () => `workers ${learners} go on`);
    },
    sees: async (kind, rank) => {
      const isIt = (event: ClusterEvent) =>
        event.kind === kind && "rank" in event && event.rank === rank;
      await until(
        () => events.some(isIt),
        () => `${kind} of ${rank}: ${JSON.stringify(events)}`,
      );
    },
  });
  const options = { staleness: 50, ...(standby ? { standby } : {}) };
  const told = await runTold(
    { strategy, workers: 3, options, launch, ...(observe ? { observe } : {}) },
    async (events, address) => {
      const crew = crewAt(address, events);
      await crew.goesOn((lives) => lives.length >= 3);
      await story(crew);
    },
  );
  for (const launched of later) await launched[Symbol.asyncDispose]();
  return { ...told, processes };
}

function expectClosedLedger(outcome: Outcome, gone: number): void {
  const there = [0, 1, 2].filter((one) => one !== gone);
  expectLedger(outcome, there, true);
  expect(outcome.processes.filter(isAlive)).toEqual([]);
}

function lastView({ events }: Outcome): number[] {
  return viewsIn(events)
    .at(-1)!
    .map(({ rank }) => rank);
}

/** That member is killed, and the others go on without it. */
const killed =
  (rank: number) =>
  async ({ signal, goesOn }: Crew) => {
    signal(rank, "SIGKILL");
    await goesOn(without(rank));
  };

for (const name of ["asp", "ssp", "dssp", "bsp", "allreduce", "peer-to-peer"]) {
  test(`${name} goes on without a worker that is killed, and no process is left`, async () => {
    const outcome = await disturb(name, killed(1));
    expect(outcome.events.find((event) => event.kind === "lost" && event.rank === 1)).toMatchObject(
      {
        reason: expect.stringMatching(/killed by SIGKILL|connection/),
      },
    );
    expect(lastView(outcome)).not.toContain(1);
    expectClosedLedger(outcome, 1);
  });
}

for (const name of ["asp", "peer-to-peer", "allreduce"]) {
  test(`${name}: a worker that is asked to leave hands out what it has, and the others go on`, async () => {
    const outcome = await disturb(name, async ({ signal, sees, goesOn }) => {
      signal(1, "SIGTERM");
      await sees("left", 1);
      await goesOn(without(1));
    });
    expectClosedLedger(outcome, 1);
  });
}

for (const name of ["ssp", "peer-to-peer"]) {
  test(`${name}: a new process for the seat of a killed one joins the others while they run`, async () => {
    const outcome = await disturb(name, async ({ signal, start, goesOn }) => {
      signal(1, "SIGKILL");
      await start(1);
      await goesOn(again(1));
    });
    expectClosedLedger(outcome, 1);
  });
}

test("a worker that slept for long is fenced when it wakes, and joins as a new life", async () => {
  const outcome = await disturb("peer-to-peer", async ({ signal, goesOn }) => {
    signal(1, "SIGSTOP");
    await goesOn(without(1));
    signal(1, "SIGCONT");
    await goesOn(again(1));
  });
  expectClosedLedger(outcome, 1);
});

test("a standby takes over from a server that is killed", async () => {
  const outcome = await disturb("asp", killed(3), { standby: true });
  expectClosedLedger(outcome, 3);
});

test("a standby takes the duplicate that a change of view brings, where seats may be more than workers", async () => {
  const outcome = await disturb("asp", killed(1), { standby: true });
  expect(outcome.events.filter(({ kind }) => kind === "rejected")).toEqual([]);
  expect(lastView(outcome)).toEqual([0, 2, 3, 4]);
  expectClosedLedger(outcome, 1);
});

test("a worker that is stopped for ever holds up no verdict on a round", async () => {
  let judged = 0;
  const at = () => {
    judged++;
    return false;
  };
  const outcome = await disturb(
    "d-psgd",
    async ({ signal, goesOn }) => {
      signal(1, "SIGSTOP");
      await goesOn(without(1));
      const before = judged;
      await until(
        () => judged > before + 3,
        () => `${judged} verdicts, ${before} before`,
      );
    },
    { observe: { everyEpochs: 0.25, at } },
  );
  expect(lastView(outcome)).not.toContain(1);
});

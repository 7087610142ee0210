/** A network that falls in two: the side without quorum stands still and says so, and heals by itself. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { startTcpProxy, type TcpProxy } from "../../scripts/support/tcp-proxy.mjs";
import { runCluster } from "../../src/engines/cluster/cluster.ts";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import type { ClusterEvent } from "../../src/engines/cluster/events.ts";
import type { Launch, MemberOrder } from "../../src/engines/cluster/launcher.ts";
import { fetchModels } from "../../src/engines/cluster/member-calls.ts";
import { askStatus } from "../../src/engines/cluster/public.ts";
import { strategyOptions } from "../../src/strategies/strategy.ts";
import { temporaryFolder } from "../e2e/support.ts";
import { type Started, start, until } from "./support-runs.ts";

/** Every process behind a proxy, so that those of one side hear nothing of those of the other. */
class TwoSides {
  readonly workers: Started[] = [];
  readonly ports: number[] = [];
  readonly #proxies: TcpProxy[] = [];
  /** Process ids of the side that is cut off; whose proxy each is, null for the coordinator's. */
  #apart: ReadonlySet<number> = new Set();

  launch: Launch = async (orders) => {
    const [{ join }] = orders as [MemberOrder];
    const coordinator = await this.#proxyOf(join, () => process.pid);
    for (const { rank } of orders) {
      const port = await freePort();
      const pid = () => this.workers[rank]?.child.pid ?? 0;
      const proxy = await this.#proxyOf(`127.0.0.1:${port}`, pid);
      const place = ["--listen", `127.0.0.1:${port}`, "--advertise", proxy.address];
      const args = ["worker", "--join", coordinator.address, "--rank", `${rank}`, ...place];
      this.ports.push(port);
      this.workers.push(start(args, temporaryFolder()));
    }
    const ended = Promise.all(this.workers.map((worker) => worker.ended)).then(() => {});
    return {
      processes: this.workers.map(({ child }) => child.pid),
      ended,
      [Symbol.asyncDispose]: async () => {
        for (const { child } of this.workers) child.kill("SIGTERM");
        for (const proxy of this.#proxies) await proxy[Symbol.asyncDispose]();
      },
    };
  };

  /** Those ranks hear only each other; with none everybody hears everybody. */
  part(ranks: readonly number[]): void {
    this.#apart = new Set(ranks.map((rank) => this.workers[rank]!.child.pid!));
    for (const proxy of this.#proxies) proxy.sift();
  }

  async #proxyOf(target: string, owner: () => number): Promise<TcpProxy> {
    const admits = (clientPort: number) => {
      if (this.#apart.size === 0) return true;
      const isApart = [...this.#apart].some((pid) => localPorts(pid).has(clientPort));
      return isApart === this.#apart.has(owner());
    };
    const proxy = await startTcpProxy({ target, admits });
    this.#proxies.push(proxy);
    return proxy;
  }
}

/** Ports of the sockets that a process has open. */
function localPorts(pid: number): Set<number> {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  const lines = readFileSync("/proc/net/tcp", "utf8").trim().split("\n").slice(1);
  const rows = lines.map((line) => line.trim().split(/\s+/));
  const own = rows.filter((columns) => inodes.has(columns[9]!));
  return new Set(own.map((columns) => Number.parseInt(columns[1]!.split(":")[1]!, 16)));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

const minority = 2;

/** What a member says itself, asked beside all proxies. */
async function ask(sides: TwoSides, rank: number) {
  const target = { address: `127.0.0.1:${sides.ports[rank]}`, credentials: noCredentials };
  const { members, waits } = await askStatus(target);
  return { updates: members[0]!.updates, waits: waits.map(({ whom }) => whom).join() };
}

async function modelOf(sides: TwoSides, rank: number): Promise<number[]> {
  const address = `127.0.0.1:${sides.ports[rank]}`;
  const seat = { role: "worker", range: { from: 0, to: 3 } } as const;
  const held = await fetchModels([{ rank, seat, address }], {
    after: 0,
    credentials: noCredentials,
  });
  return [...held[0]!.model.values];
}

/** Parts the sides, looks at both, and heals; ends when the member that was cut off learns again. */
async function play(sides: TwoSides, events: readonly ClusterEvent[]): Promise<void> {
  await delay(300);
  sides.part([minority]);
  const words = async () =>
    /a quorum of view \d+: nothing is heard of/.test((await ask(sides, minority)).waits);
  await until(words, () => "it waits for a quorum");
  const before = await ask(sides, minority);
  const model = await modelOf(sides, minority);
  const isApart = (event: ClusterEvent) =>
    event.kind === "view" && event.members.map(({ rank }) => rank).join() === "0,1";
  await until(
    () => events.some(isApart),
    () => "the others count it out",
  );
  const others = await ask(sides, 0);
  await until(
    async () => (await ask(sides, 0)).updates > others.updates + 50n,
    () => "they go on",
  );
  expect((await ask(sides, minority)).updates).toBe(before.updates);
  expect(await modelOf(sides, minority)).toEqual(model);
  sides.part([]);
  const isBack = (event: ClusterEvent) =>
    event.kind === "view" && event.id > 1 && event.members.length === 3;
  await until(
    () => events.some(isBack),
    () => "it is back",
  );
  const learns = async () => (await ask(sides, minority)).updates > before.updates;
  await until(learns, () => "it learns again");
}

test("peer-to-peer: the side without quorum stands still and says so, heals by itself, and the ledger closes", async () => {
  const sides = new TwoSides();
  const events: ClusterEvent[] = [];
  const end = new AbortController();
  let story: Promise<void> = Promise.resolve();
  const onEvent = (event: ClusterEvent) => {
    events.push(event);
    if (event.kind !== "view" || event.id !== 1) return;
    story = play(sides, events).finally(() => end.abort());
    story.catch(() => {});
  };
  const { model, telemetry } = await runCluster({
    ...{ strategy: { name: "peer-to-peer" }, workers: 3, seed: 5, epochs: 1000 },
    options: strategyOptions({ rowsPerUpdate: 1 }),
    task: { kind: "ledger", spec: { workers: 3, rowsPerWorker: 6000 } },
    signal: end.signal,
    cluster: { listen: "127.0.0.1:0", credentials: noCredentials, launch: sides.launch, onEvent },
  });
  await story;
  const views = events.flatMap((event) => (event.kind === "view" ? [event.members] : []));
  const last = views.findLast((members) => members.length === 3)!;
  expect(last.find(({ rank }) => rank === minority)!.incarnation).toBeGreaterThan(1);
  const lost = events.find((event) => event.kind === "lost" && event.rank === minority);
  expect(lost).toMatchObject({ action: expect.stringContaining("unless it comes back") });
  for (const rank of [0, 1]) {
    const { updates, lost: gone } = telemetry.members[rank]!;
    expect(model.values[rank]).toBe(updates - gone);
  }
});

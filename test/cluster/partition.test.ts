/** A network that falls in two: the side without quorum stands still and says so, and heals by itself. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { around } from "../../scripts/support/network.mjs";
import type { Fate } from "../../scripts/support/tcp-proxy.mjs";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import type { ClusterEvent } from "../../src/engines/cluster/events.ts";
import { fetchModels } from "../../src/engines/cluster/member-calls.ts";
import { askStatus } from "../../src/engines/cluster/public.ts";
import { runTorn, type TornMembers } from "./support-network.ts";
import { expectLedger, until } from "./support-runs.ts";

/** A network that falls in two. */
interface Fall {
  readonly strategy: "peer-to-peer" | "bsp" | "allreduce" | "d-psgd";
  readonly workers: number;
  /** Ranks of the side without quorum. */
  readonly apart: readonly number[];
  /** Everybody but those. */
  readonly others: readonly number[];
  readonly fate: Fate;
  /** The k-th entry of the model is what the k-th worker's updates add up to; else a mean of parts of them. */
  readonly sums: boolean;
  readonly ledger: string;
}

/** What a member says itself, asked beside all proxies. */
async function ask(sides: TornMembers, rank: number) {
  const target = { address: `127.0.0.1:${sides.ports[rank]}`, credentials: noCredentials };
  const { members, waits } = await askStatus(target);
  return { updates: members[0]!.updates, waits: waits.map(({ whom }) => whom).join() };
}

async function modelOf(sides: TornMembers, { workers }: Fall, rank: number): Promise<number[]> {
  const address = `127.0.0.1:${sides.ports[rank]}`;
  const seat = { role: "worker", range: { from: 0, to: workers } } as const;
  const held = await fetchModels([{ rank, seat, address }], {
    after: 0,
    credentials: noCredentials,
  });
  return [...held[0]!.model.values];
}

/** Parts the sides, looks at both, and heals; ends when all that were cut off learn again. */
async function play(
  sides: TornMembers,
  events: readonly ClusterEvent[],
  fall: Fall,
): Promise<void> {
  const { apart, others, fate } = fall;
  await delay(300);
  const heal = sides.tear(around(apart), fate);
  for (const rank of apart) {
    const words = async () =>
      /a quorum of view \d+: nothing is heard of/.test((await ask(sides, rank)).waits);
    await until(words, () => `${rank} waits for a quorum`);
  }
  const look = (rank: number) =>
    Promise.all([ask(sides, rank).then(({ updates }) => updates), modelOf(sides, fall, rank)]);
  const before = await Promise.all(apart.map(look));
  const ranksOf = (event: ClusterEvent) =>
    event.kind === "view" ? event.members.map(({ rank }) => rank).join() : "";
  await until(
    () => events.some((event) => ranksOf(event) === others.join()),
    () => `the others count them out: ${events.map(ranksOf).filter(Boolean)}`,
  );
  const { updates } = await ask(sides, others[0]!);
  await until(
    async () => (await ask(sides, others[0]!)).updates > updates + 50n,
    () => "they go on",
  );
  expect(await Promise.all(apart.map(look))).toEqual(before);
  heal();
  const isWhole = (event: ClusterEvent) =>
    event.kind === "view" && event.id > 1 && event.members.length === apart.length + others.length;
  await until(
    () => events.some(isWhole),
    () => "all are back",
  );
  for (const [k, rank] of apart.entries()) {
    const learns = async () => (await ask(sides, rank)).updates > before[k]![0];
    await until(learns, () => `${rank} learns again`);
  }
}

test.each<Fall>([
  {
    ...{ strategy: "peer-to-peer", workers: 3, apart: [2], others: [0, 1] },
    ...{ fate: { refuse: true }, sums: true, ledger: "each update once" },
  },
  {
    ...{ strategy: "bsp", workers: 3, apart: [2], others: [0, 1, 3] },
    ...{ fate: { hold: true }, sums: true, ledger: "each update once" },
  },
  {
    ...{ strategy: "allreduce", workers: 4, apart: [1, 3], others: [0, 2] },
    ...{ fate: { refuse: true }, sums: true, ledger: "each update once" },
  },
  {
    ...{ strategy: "d-psgd", workers: 4, apart: [2, 3], others: [0, 1] },
    ...{ fate: { hold: true }, sums: false, ledger: "a mean, of no more than there was" },
  },
])(
  "$strategy: the side without quorum, $apart, stands still and says so, heals by itself, and the model is what was learned, $ledger",
  async (fall) => {
    const { strategy: name, workers, apart, others, sums } = fall;
    const run = await runTorn({ strategy: name, workers }, (sides, seen) =>
      play(sides, seen, fall),
    );
    const { events } = run;
    const views = events.flatMap((event) => (event.kind === "view" ? [event.members] : []));
    const last = views.findLast(({ length }) => length === apart.length + others.length)!;
    for (const own of apart) {
      expect(last.find(({ rank }) => rank === own)!.incarnation).toBeGreaterThan(1);
      const lost = events.find((event) => event.kind === "lost" && event.rank === own);
      expect(lost).toMatchObject({ action: expect.stringContaining("unless it comes back") });
    }
    const ranks = [...others, ...apart].filter((rank) => rank < workers);
    expectLedger(run, ranks, sums);
  },
);

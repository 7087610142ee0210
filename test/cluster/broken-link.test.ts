/** Two members that can't reach each other, while all others reach both: the run goes on without one of them. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { between } from "../../scripts/support/network.mjs";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import type { ClusterEvent } from "../../src/engines/cluster/events.ts";
import { leaseSeconds } from "../../src/engines/cluster/limits.ts";
import { askStatus } from "../../src/engines/cluster/public.ts";
import { runTorn, type TornMembers } from "./support-network.ts";
import { expectLedger, until } from "./support-runs.ts";

/** Neither is the authority, which is the lowest rank. */
const [one, other] = [1, 2] as const;
/**
 * Four beats of half a second are waited for, two are told. A busy machine takes longer, as beats that come late make
 * members more patient; still not the lease of 300 s, after which who heard nobody would have given up by itself.
 */
const noticedSecondsMax = leaseSeconds / 5;

async function updatesOf(members: TornMembers, rank: number): Promise<bigint> {
  const target = { address: `127.0.0.1:${members.ports[rank]}`, credentials: noCredentials };
  return (await askStatus(target)).members[0]!.updates;
}

/** Cuts the link for as long as it takes, and longer; ends when the member that went for it learns again. */
async function play(members: TornMembers, events: readonly ClusterEvent[]): Promise<number> {
  await delay(300);
  const cutAt = performance.now();
  const heal = members.tear(between(one, other), { hold: true });
  const views = () => events.flatMap((event) => (event.kind === "view" ? [event.members] : []));
  const isOut = () => views().some((lives) => lives.map(({ rank }) => rank).join() === "0,1,3");
  const told = () => views().map((lives) => lives.map(({ rank }) => rank).join());
  const words = () => `one of them is out: ${told().join(" ")}`;
  await until(isOut, words, noticedSecondsMax);
  const seconds = (performance.now() - cutAt) / 1000;
  const before = await Promise.all([0, one, 3].map((rank) => updatesOf(members, rank)));
  for (const [k, rank] of [0, one, 3].entries()) {
    const goesOn = async () => (await updatesOf(members, rank)) > before[k]! + 50n;
    await until(goesOn, () => `member ${rank} goes on`);
  }
  // It asks to be let in again all the time, and would be expelled again and again.
  await delay(8000);
  expect(views().filter((lives) => lives.some(({ rank }) => rank === other)).length).toBe(1);
  heal();
  const isBack = () =>
    views().some((lives) => lives.some((life) => life.rank === other && life.incarnation > 1));
  await until(isBack, () => "it is back");
  const left = await updatesOf(members, other);
  await until(
    async () => (await updatesOf(members, other)) > left,
    () => "it learns again",
  );
  return seconds;
}

test.each([
  { name: "allreduce", sums: true },
  { name: "ad-psgd", sums: false },
])(
  "$name goes on within seconds, and has the member back once the link is mended",
  async ({ name, sums }) => {
    const options = { topology: "ring" } as const;
    const run = await runTorn({ strategy: name, workers: 4, options }, play);
    expect(run.outcome).toBeLessThan(noticedSecondsMax);
    expectLedger(run, [0, one, other, 3], sums);
  },
);

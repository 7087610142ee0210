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

interface Team {
  readonly workers: number;
  /** Neither is the authority, which is the lowest rank; on a ring they are neighbours. The second goes for the link. */
  readonly ends: readonly [number, number];
}

const few: Team = { workers: 4, ends: [1, 2] };
/** Beats go along some pairs only, and not from 5 to 4. */
const many: Team = { workers: 10, ends: [4, 5] };
/**
 * Four beats of half a second are waited for, two are told. A busy machine takes longer, as beats that come late make
 * members more patient; still not the lease of 300 s, after which who heard nobody would have given up by itself.
 */
const noticedSecondsMax = leaseSeconds / 5;

async function updatesOf(members: TornMembers, rank: number): Promise<bigint> {
  const target = { address: `127.0.0.1:${members.ports[rank]}`, credentials: noCredentials };
  return (await askStatus(target)).members[0]!.updates;
}

function ranksOf({ workers }: Team): number[] {
  return Array.from({ length: workers }, (_, rank) => rank);
}

/** Cuts the link for as long as it takes, and longer; ends when the member that went for it learns again. */
async function play(
  team: Team,
  members: TornMembers,
  events: readonly ClusterEvent[],
): Promise<number> {
  const [one, other] = team.ends;
  await delay(300);
  const cutAt = performance.now();
  const heal = members.tear(between(one, other), { hold: true });
  const views = () => events.flatMap((event) => (event.kind === "view" ? [event.members] : []));
  const rest = ranksOf(team).filter((rank) => rank !== other);
  const told = () => views().map((lives) => lives.map(({ rank }) => rank).join());
  const isOut = () => told().includes(rest.join());
  await until(isOut, () => `one of them is out: ${told().join(" ")}`, noticedSecondsMax);
  const seconds = (performance.now() - cutAt) / 1000;
  const seen = [rest[0]!, one, rest.at(-1)!];
  const before = await Promise.all(seen.map((rank) => updatesOf(members, rank)));
  for (const [k, rank] of seen.entries()) {
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
  { name: "allreduce", sums: true, team: few },
  { name: "ad-psgd", sums: false, team: few },
  { name: "allreduce", sums: true, team: many },
  { name: "ad-psgd", sums: false, team: many },
])(
  "$name: $team.workers workers go on within seconds, and have the member back once the link is mended",
  async ({ name, sums, team }) => {
    const { workers } = team;
    const options = { topology: "ring" } as const;
    const run = await runTorn({ strategy: name, workers, options }, (members, events) =>
      play(team, members, events),
    );
    expect(run.outcome).toBeLessThan(noticedSecondsMax);
    expectLedger(run, ranksOf(team), sums);
  },
);

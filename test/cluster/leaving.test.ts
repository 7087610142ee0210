/** Who leaves in good order takes nothing along that others wait for. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { around, between } from "../../scripts/support/network.mjs";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import { askStatus } from "../../src/engines/cluster/public.ts";
import { runTorn, type TornMembers } from "./support-network.ts";
import { expectLedger, until } from "./support-runs.ts";

const workers = 3;

/** What is done to a run whose worker 2 is asked to leave; heals at its end. */
type Story = (members: TornMembers, isCountedOut: () => boolean) => Promise<void>;

/** What worker 2 says of itself, asked beside all proxies. */
async function lookAt(members: TornMembers) {
  const target = { address: `127.0.0.1:${members.ports[2]}`, credentials: noCredentials };
  return (await askStatus(target)).members[0]!;
}

/** Plays a ledger run; ends it when worker 2 has left in good order. */
async function played(story: Story) {
  const run = await runTorn({ strategy: "peer-to-peer", workers }, async (members, seen) => {
    const isCountedOut = () =>
      seen.some((event) => event.kind === "view" && event.members.length === workers - 1);
    await until(
      async () => (await lookAt(members)).updates > 0n,
      () => "worker 2 learns",
    );
    await story(members, isCountedOut);
    const { code, stderr } = await members.workers[2]!.ended;
    expect(code, stderr).toBe(0);
    await until(isCountedOut, () => "the others count it out");
  });
  expectLedger(run, [0, 1, 2], true);
  return { lost: run.events.filter(({ kind }) => kind === "lost") };
}

test("peer-to-peer: a leaver whose link is broken stays until it is mended, and all it learned is in the model", async () => {
  const { lost } = await played(async (members) => {
    // For less time than makes anybody suspect the other.
    const heal = members.tear(between(1, 2), { refuse: true });
    members.workers[2]!.child.kill("SIGTERM");
    await until(
      async () => (await lookAt(members)).state === "leaving",
      () => "worker 2 leaves",
    );
    await delay(500);
    expect(members.workers[2]!.child.exitCode).toBeNull();
    heal();
  });
  expect(lost).toEqual([]);
});

test("peer-to-peer: a leaver that is counted out as lost comes back to say what it made, and leaves", async () => {
  await played(async (members, isCountedOut) => {
    const heal = members.tear(around([2]), { refuse: true });
    members.workers[2]!.child.kill("SIGTERM");
    await until(isCountedOut, () => "the others count it out");
    heal();
  });
});

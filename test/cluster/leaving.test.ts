/** Who leaves in good order takes nothing along that others wait for. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { around, between } from "../../scripts/support/network.mjs";
import { runTorn, type TornMembers } from "./support-network.ts";
import { expectLedger, until } from "./support-runs.ts";

const workers = 3;

/** What is done to a run whose worker 2 is asked to leave; heals at its end. */
type Story = (members: TornMembers, isCountedOut: () => boolean) => Promise<void>;

/** Plays a ledger run; ends it when worker 2 has left in good order. */
async function played(story: Story) {
  const run = await runTorn({ strategy: "peer-to-peer", workers }, async (members, seen) => {
    const isCountedOut = () =>
      seen.some((event) => event.kind === "view" && event.members.length === workers - 1);
    await delay(300);
    await story(members, isCountedOut);
    const leaver = members.workers[2]!;
    const ended = await Promise.race([leaver.ended, delay(20_000, null)]);
    expect(ended?.code, leaver.said()).toBe(0);
    await until(isCountedOut, () => "the others count it out");
  });
  expectLedger(run, [0, 1, 2], true);
  return { lost: run.events.filter(({ kind }) => kind === "lost") };
}

test("peer-to-peer: a leaver whose link is broken stays until it is mended, and all it learned is in the model", async () => {
  const { lost } = await played(async (members) => {
    // For less time than makes anybody suspect the other.
    const heal = members.tear(between(1, 2), { refuse: true });
    await delay(50);
    members.workers[2]!.child.kill("SIGTERM");
    await delay(1000);
    heal();
  });
  expect(lost).toEqual([]);
});

test("peer-to-peer: a leaver that is counted out as lost comes back to say what it made, and leaves", async () => {
  await played(async (members, isCountedOut) => {
    const heal = members.tear(around([2]), { refuse: true });
    await delay(50);
    members.workers[2]!.child.kill("SIGTERM");
    await until(isCountedOut, () => "the others count it out");
    heal();
  });
});

/** Who leaves in good order takes nothing along that others wait for. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { around, between } from "../../scripts/support/network.mjs";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import { askStatus } from "../../src/engines/cluster/public.ts";
import { glissade, temporaryFolder } from "../e2e/support.ts";
import { runTorn, type TornMembers } from "./support-network.ts";
import { expectLedger, heard, startCoordinator, startWorker, until } from "./support-runs.ts";

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

test("peer-to-peer: who is asked to leave when it was expelled, and is not back yet, says so, comes back to say what it made, and leaves", async () => {
  await played(async (members, isCountedOut) => {
    const healAll = members.tear(around([2]), { refuse: true });
    await until(isCountedOut, () => "the others count it out");
    const isAlone = async () => /a quorum of view/.test((await lookAt(members)).wait?.whom ?? "");
    await until(isAlone, () => "it hears of no quorum");
    // It hears that it was, but is let in only when everybody hears it.
    const heal = members.tear(between(1, 2), { refuse: true });
    healAll();
    await until(
      async () => !(await isAlone()),
      () => "it hears that it was counted out",
    );
    await delay(500);
    const leaver = members.workers[2]!;
    leaver.child.kill("SIGTERM");
    await heard(leaver, /asked to leave while it is in no view: it comes back first/);
    await delay(500);
    expect(leaver.child.exitCode).toBeNull();
    heal();
  });
});

/** A coordinator and two workers that have begun. */
async function begun() {
  const about = ["synthetic:news:rows=2000,columns=500,seed=3", "--strategy", "allreduce"];
  const more = ["--workers", "2", "--epochs", "1000000", "--l2", "1e-4", "--listen", "127.0.0.1:0"];
  const coordinator = await startCoordinator([...about, ...more], temporaryFolder());
  const [one, other] = [0, 1].map(() => startWorker(coordinator.address, temporaryFolder()));
  await Promise.all([one!, other!].map((member) => heard(member, /view 1: members 0, 1/)));
  return { coordinator, one: one!, other: other! };
}

test("a newcomer that is asked to leave before anybody took it in says that it learned nothing, and has left", async () => {
  const { coordinator, one, other } = await begun();
  for (const { child } of [one, other]) child.kill("SIGSTOP");
  const newcomer = startWorker(coordinator.address, temporaryFolder());
  await heard(newcomer, /running/);
  newcomer.child.kill("SIGTERM");
  const { code, stderr } = await newcomer.ended;
  expect(stderr).toMatch(/asked to leave before it took part in the run: it has learned nothing/);
  expect(stderr).not.toMatch(/quorum|error/);
  expect(code, stderr).toBe(0);
  await heard(coordinator, /worker 2 (has )?left/);
  for (const { child } of [one, other]) child.kill("SIGCONT");
  expect((await glissade(["stop", "--join", coordinator.address])).code).toBe(0);
  for (const { ended } of [coordinator, one, other]) {
    const end = await ended;
    expect(end.code, end.stderr).toBe(0);
  }
});

test("a leaver that is asked again, or not gone when its grace is over, ends with 143 and says that what it learned last may be lost", async () => {
  const { coordinator, one, other } = await begun();
  const late = startWorker(coordinator.address, temporaryFolder(), ["--grace", "1s"]);
  await heard(late, /view \d+: members 0, 1, 2/);
  // Without it the others can't end their round.
  one.child.kill("SIGSTOP");
  for (const { child } of [late, other]) child.kill("SIGTERM");
  await heard(other, /leaving/);
  other.child.kill("SIGTERM");
  for (const [{ ended }, why] of [
    [other, /was asked to leave once more: ends at once/],
    [late, /did not get away in good order within --grace 1 s: ends now/],
  ] as const) {
    const { code, stderr } = await ended;
    expect(stderr).toMatch(why);
    expect(stderr).toContain("What it learned last may be in no model");
    expect(code).toBe(143);
  }
});

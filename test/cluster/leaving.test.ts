/** Who leaves in good order takes nothing along that others wait for. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { around, between } from "../../scripts/support/network.mjs";
import { runCluster } from "../../src/engines/cluster/cluster.ts";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import type { ClusterEvent } from "../../src/engines/cluster/events.ts";
import { strategyOptions } from "../../src/strategies/strategy.ts";
import { TornMembers } from "./support-network.ts";
import { until } from "./support-runs.ts";

const workers = 3;

/** What is done to a run whose worker 2 is asked to leave; heals at its end. */
type Story = (members: TornMembers, isCountedOut: () => boolean) => Promise<void>;

/** Plays a ledger run; ends it when worker 2 has left in good order. */
async function played(story: Story) {
  const members = new TornMembers();
  const events: ClusterEvent[] = [];
  const isCountedOut = () =>
    events.some((event) => event.kind === "view" && event.members.length === workers - 1);
  const end = new AbortController();
  let told: Promise<void> = Promise.resolve();
  const leave = async () => {
    await delay(300);
    await story(members, isCountedOut);
    const leaver = members.workers[2]!;
    const ended = await Promise.race([leaver.ended, delay(20_000, null)]);
    expect(ended?.code, leaver.said()).toBe(0);
    await until(isCountedOut, () => "the others count it out");
  };
  const onEvent = (event: ClusterEvent) => {
    events.push(event);
    if (event.kind !== "view" || event.id !== 1) return;
    told = leave().finally(() => end.abort());
    told.catch(() => {});
  };
  const { launch } = members;
  const { model, telemetry } = await runCluster({
    ...{ strategy: { name: "peer-to-peer" }, workers, seed: 5, epochs: 1000 },
    options: strategyOptions({ rowsPerUpdate: 1 }),
    task: { kind: "ledger", spec: { workers, rowsPerWorker: 6000 } },
    ...{ signal: end.signal },
    cluster: { listen: "127.0.0.1:0", credentials: noCredentials, launch, onEvent },
  });
  await told;
  const counted = telemetry.members.slice(0, workers).map(({ updates, lost }) => updates - lost);
  expect([...model.values.slice(0, workers)]).toEqual(counted);
  return { lost: events.filter(({ kind }) => kind === "lost") };
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

/** Who leaves in good order takes nothing along that others wait for. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { between } from "../../scripts/support/network.mjs";
import { runCluster } from "../../src/engines/cluster/cluster.ts";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import type { ClusterEvent } from "../../src/engines/cluster/events.ts";
import { strategyOptions } from "../../src/strategies/strategy.ts";
import { TornMembers } from "./support-network.ts";
import { until } from "./support-runs.ts";

const workers = 3;

/** Worker 2 is asked to leave while it does not reach worker 1, for less time than makes anybody suspect the other. */
async function play(members: TornMembers, events: readonly ClusterEvent[]): Promise<void> {
  await delay(300);
  const heal = members.tear(between(1, 2), { refuse: true });
  await delay(50);
  members.workers[2]!.child.kill("SIGTERM");
  await delay(1000);
  heal();
  expect((await members.workers[2]!.ended).code).toBe(0);
  const goesOn = (event: ClusterEvent) => event.kind === "view" && event.members.length === 2;
  await until(
    () => events.some(goesOn),
    () => "the others count it out",
  );
}

test("peer-to-peer: a leaver whose link is broken stays until it is mended, and all it learned is in the model", async () => {
  const members = new TornMembers();
  const events: ClusterEvent[] = [];
  let story: Promise<void> = Promise.resolve();
  const end = new AbortController();
  const onEvent = (event: ClusterEvent) => {
    events.push(event);
    if (event.kind !== "view" || event.id !== 1) return;
    story = play(members, events).finally(() => end.abort());
    story.catch(() => {});
  };
  const { model, telemetry } = await runCluster({
    ...{ strategy: { name: "peer-to-peer" }, workers, seed: 5, epochs: 1000 },
    options: strategyOptions({ rowsPerUpdate: 1 }),
    task: { kind: "ledger", spec: { workers, rowsPerWorker: 6000 } },
    signal: end.signal,
    ...{
      cluster: {
        listen: "127.0.0.1:0",
        credentials: noCredentials,
        launch: members.launch,
        onEvent,
      },
    },
  });
  await story;
  expect(events.filter(({ kind }) => kind === "lost")).toEqual([]);
  expect([...model.values.slice(0, workers)]).toEqual(
    telemetry.members.slice(0, workers).map(({ updates }) => updates),
  );
});

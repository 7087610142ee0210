/** Nobody watches the run any more: members learn on for a bounded time, then one saves the model and all end with words. */
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import { askStatus } from "../../src/engines/cluster/public.ts";
import { glissade, lastObject, signalAfter, temporaryFolder } from "../e2e/support.ts";
import {
  childrenOf,
  heard,
  isAlive,
  start,
  startCoordinator,
  startWorker,
  until,
} from "./support-runs.ts";

const data = "synthetic:news:rows=6000,columns=2000,seed=3";
const endless = ["--workers", "3", "--l2", "1e-4", "--listen", "127.0.0.1:0"];

/** How long a team took at most, on this machine now, from its start until it learned. */
let beginSecondsMax = 0;

async function startTeam(strategy: string, more: readonly string[], env = {}) {
  const startedAt = performance.now();
  const seats = strategy === "bsp" || strategy === "ssp" ? 4 : 3;
  const places = Array.from({ length: seats }, temporaryFolder);
  const args = [data, "--strategy", strategy, ...endless, ...more];
  const coordinator = await startCoordinator(args, temporaryFolder(), env);
  const workers = places.map((place) => startWorker(coordinator.address, place));
  await Promise.all(workers.map((worker) => heard(worker, /view 1: members 0, 1, 2/)));
  beginSecondsMax = Math.max(beginSecondsMax, (performance.now() - startedAt) / 1000);
  return { coordinator, workers };
}

for (const strategy of ["peer-to-peer", "ssp", "bsp", "d-psgd"]) {
  test(`${strategy}: after --orphan-limit without a coordinator one member saves the model, and all end with code 4`, async () => {
    const limits = ["--epochs", "1000000", "--orphan-limit", "20s"];
    const { coordinator, workers } = await startTeam(strategy, limits);
    coordinator.child.kill("SIGKILL");
    const at = await heard(workers[0]!, /reached at (\S+)/);
    await heard(workers[0]!, /without the coordinator at \S+: goes on .* for \d+ s more at most/);
    // A member says it when it is asked, too.
    const { waits } = await askStatus({ address: at, credentials: noCredentials });
    expect(waits.map(({ whom }) => whom).join("\n")).toMatch(
      /^the coordinator at \S+, without which it goes on$/m,
    );
    const ends = await Promise.all(workers.map(({ ended }) => ended));
    for (const { code, stderr } of ends) {
      expect(code, stderr).toBe(4);
      expect(stderr).toContain("was gone for 20 s, which is the limit (--orphan-limit)");
      expect(stderr).not.toContain("did not end in good order");
    }
    const saved = ends.flatMap(({ stderr }) => /saved the model at (\S+)/.exec(stderr)?.[1] ?? []);
    expect(saved).toHaveLength(1);
    expect(existsSync(saved[0]!)).toBe(true);
    const judged = await glissade(["evaluate", saved[0]!, data, "--json"]);
    expect(judged.code, judged.stderr).toBe(0);
    expect(lastObject(judged.stdout).metrics.accuracy).toBeGreaterThan(0.85);
  });
}

test("allreduce: a rule of time ends a run whose coordinator is gone, and its model is saved", async () => {
  // The time of a run counts from its start; the coordinator is dead before it is up, and a good while.
  const seconds = Math.ceil(20 + 4 * beginSecondsMax);
  const rules = ["--stop", `epochs:1000000,time:${seconds}s`, "--orphan-limit", "1h"];
  const { coordinator, workers } = await startTeam(
    "allreduce",
    rules,
    signalAfter("SIGKILL", "epoch "),
  );
  expect((await coordinator.ended).signal).toBe("SIGKILL");
  const path = await until(
    () => workers.map(({ said }) => /saved the model at (\S+)/.exec(said())?.[1]).find(Boolean),
    () => workers.map(({ said }) => said()).join("\n"),
    seconds + 180,
  );
  await Promise.all(workers.map((worker) => heard(worker, /the time of the run is up/)));
  const judged = await glissade(["evaluate", path, data, "--json"]);
  expect(judged.code, judged.stderr).toBe(0);
  expect(lastObject(judged.stdout).metrics.accuracy).toBeGreaterThan(0.85);
});

test("members that glissade train started end at once when it is killed with -9", async () => {
  const args = ["train", data, "--engine", "cluster", "--workers", "2", "--epochs", "1000000"];
  const parent = start([...args, "--strategy", "allreduce", "--l2", "1e-4"], temporaryFolder());
  await heard(parent, /epoch \d/);
  const children = childrenOf(parent.child);
  expect(children).toHaveLength(2);
  parent.child.kill("SIGKILL");
  await until(
    () => !children.some(isAlive),
    () => `processes ${children.filter(isAlive).join(", ")} live on`,
    30,
  );
});

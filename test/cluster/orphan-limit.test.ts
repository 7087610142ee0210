/** Nobody watches the run any more: members learn on for a bounded time, then one saves the model and all end with words. */
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { glissade, lastObject, temporaryFolder } from "../e2e/support.ts";
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

async function startTeam(strategy: string, more: readonly string[]) {
  const seats = strategy === "bsp" || strategy === "ssp" ? 4 : 3;
  const places = Array.from({ length: seats }, temporaryFolder);
  const args = [data, "--strategy", strategy, ...endless, ...more];
  const coordinator = await startCoordinator(args, temporaryFolder());
  const workers = places.map((place) => startWorker(coordinator.address, place));
  await Promise.all(workers.map((worker) => heard(worker, /view 1: members 0, 1, 2/)));
  return { coordinator, workers };
}

for (const strategy of ["peer-to-peer", "ssp", "bsp", "d-psgd"]) {
  test(`${strategy}: after --orphan-limit without a coordinator one member saves the model, and all end with code 4`, async () => {
    const limits = ["--epochs", "100000", "--orphan-limit", "12s"];
    const { coordinator, workers } = await startTeam(strategy, limits);
    coordinator.child.kill("SIGKILL");
    const at = await heard(workers[0]!, /reached at (\S+)/);
    await heard(workers[0]!, /without the coordinator at \S+: goes on .* for [1-7] s more at most/);
    // A member says it when it is asked, too.
    const { stdout } = await glissade(["status", "--join", at]);
    expect(stdout).toMatch(/waits \d+\.\d s for the coordinator at \S+, without which it goes on/);
    const ends = await Promise.all(workers.map(({ ended }) => ended));
    for (const { code, stderr } of ends) {
      expect(code, stderr).toBe(4);
      expect(stderr).toContain("was gone for 12 s, which is the limit (--orphan-limit)");
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
  const rules = ["--stop", "epochs:100000,time:20s", "--orphan-limit", "10min"];
  const { coordinator, workers } = await startTeam("allreduce", rules);
  coordinator.child.kill("SIGKILL");
  const path = await until(
    () => workers.map(({ said }) => /saved the model at (\S+)/.exec(said())?.[1]).find(Boolean),
    () => workers.map(({ said }) => said()).join("\n"),
  );
  for (const { said } of workers) expect(said()).toContain("the time of the run is up");
  const judged = await glissade(["evaluate", path, data, "--json"]);
  expect(judged.code, judged.stderr).toBe(0);
  expect(lastObject(judged.stdout).metrics.accuracy).toBeGreaterThan(0.85);
});

test("members that glissade train started end at once when it is killed with -9", async () => {
  const args = ["train", data, "--engine", "cluster", "--workers", "2", "--epochs", "100000"];
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

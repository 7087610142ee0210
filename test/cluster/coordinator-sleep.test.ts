/** The coordinator itself is stopped for a while: nobody counts as silent for what it did not hear then. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { Patience } from "../../src/engines/cluster/patience.ts";
import { glissade, temporaryFolder } from "../e2e/support.ts";
import {
  isAlive,
  runFolder,
  startCoordinator,
  startWorker,
  statusAt,
  until,
} from "./support-runs.ts";

const data = "synthetic:news:rows=6000,columns=2000,seed=3";

test("a coordinator that slept for 4 s counts nobody out when it wakes, and the run goes on", async () => {
  const cwd = temporaryFolder();
  const args = ["--strategy", "peer-to-peer", "--workers", "2", "--epochs", "1000000"];
  const coordinator = await startCoordinator(
    [data, ...args, "--l2", "1e-4", "--listen", "127.0.0.1:0", "--json"],
    cwd,
  );
  const workers = [0, 1].map(() => startWorker(coordinator.address, cwd));
  const rowsNow = async () => {
    const members = (await statusAt(coordinator.address))?.members;
    return members?.every(({ state }) => state === "running")
      ? members.reduce((sum, { rows }) => sum + rows, 0)
      : null;
  };
  const learned = (more: number) =>
    until(
      async () => {
        const rows = await rowsNow();
        return rows !== null && rows > more ? rows : null;
      },
      () => coordinator.said(),
    );
  await learned(100);
  coordinator.child.kill("SIGSTOP");
  await delay(4000);
  coordinator.child.kill("SIGCONT");
  await learned(await learned(0));
  for (const { child } of workers) expect(isAlive(child.pid!)).toBe(true);
  expect((await glissade(["stop", "--join", coordinator.address])).code).toBe(0);
  const { code, stderr } = await coordinator.ended;
  expect(code, stderr).toBe(0);
  for (const { ended } of workers) expect((await ended).code).toBe(0);
  const events = readFileSync(join(runFolder(cwd), "events.jsonl"), "utf8");
  expect(events).not.toContain("member-lost");
});

test("a moment to come back begins anew where this process itself was too late to look", async () => {
  using patience = new Patience();
  let given = 0;
  const began = performance.now();
  patience.await(0, 0.1, () => {
    given = performance.now() - began;
  });
  // This process does nothing else for a second.
  while (performance.now() - began < 1000);
  await until(
    () => given > 0,
    () => "given up",
  );
  expect(given).toBeGreaterThanOrEqual(1095);
});

/** Runs that end before their plan is done, though nobody asked the coordinator to: what they say, and what is kept. */
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { lastObject, temporaryFolder } from "../e2e/support.ts";
import {
  checkpointsOf,
  heard,
  runFolder,
  startCoordinator,
  startWorker,
  statusAt,
  until,
} from "./support-runs.ts";

const data = "synthetic:news:rows=6000,columns=2000,seed=3";
const endless = ["--l2", "1e-4", "--epochs", "1000000", "--listen", "127.0.0.1:0", "--json"];

/** A run whose members were started by hand, once it has judged a model. */
async function begun(strategy: string, workers: number, seats: number) {
  const cwd = temporaryFolder();
  const args = [data, "--strategy", strategy, "--workers", String(workers), ...endless];
  const coordinator = await startCoordinator(args, cwd);
  const members = Array.from({ length: seats }, (_, rank) =>
    startWorker(coordinator.address, cwd, ["--rank", String(rank)]),
  );
  await heard(coordinator, /epoch \d/);
  return { cwd, coordinator, members };
}

for (const [strategy, workers, seats] of [
  ["allreduce", 1, 1],
  ["bsp", 1, 2],
  ["asp", 2, 3],
  ["ad-psgd", 2, 2],
] as const) {
  test(`${strategy}: the last of ${workers} to leave in good order leaves the model, and the run says why it ends`, async () => {
    const { cwd, coordinator, members } = await begun(strategy, workers, seats);
    for (const { child } of members.slice(0, workers)) child.kill("SIGTERM");
    const { code, stdout, stderr } = await coordinator.ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("stopped: all workers left");
    expect(stderr).toContain(`${strategy}, ${workers} worker`);
    const result = lastObject(stdout);
    expect(result).toMatchObject({ status: "interrupted", stopped: "interrupted" });
    expect(result.epochs).toBeGreaterThan(1);
    expect(existsSync(join(cwd, "model.safetensors"))).toBe(true);
    for (const { ended } of members) expect((await ended).code).toBe(0);
  });
}

for (const strategy of ["asp", "bsp"]) {
  test(`${strategy}: the end of the only holder of a part of the model fails the run in words, though a newcomer asks for its seat; --resume goes on`, async () => {
    const { cwd, coordinator, members } = await begun(strategy, 2, 3);
    members[2]!.child.kill("SIGKILL");
    await heard(coordinator, /nobody learns on without it/);
    const newcomer = startWorker(coordinator.address, cwd, ["--rank", "2"]);
    const { code, stdout, stderr } = await coordinator.ended;
    expect(code, stderr).toBe(1);
    expect(lastObject(stdout)).toMatchObject({ status: "failed", model: null });
    expect(stderr).toContain("A part of the model is lost with server 2");
    const again = /go on from it: glissade coordinator --resume (\S+)/.exec(stderr)?.[1];
    for (const { ended } of [members[0]!, members[1]!, newcomer])
      expect((await ended).code).toBe(1);
    expect(newcomer.said()).not.toMatch(/^\S+ server 2, life/m);
    const resumed = await startCoordinator(["--resume", again!, "--json"], cwd);
    resumed.child.kill("SIGKILL");
    expect(resumed.said()).toMatch(/resuming \S+ after \d+ rows/);
  });

  test(`${strategy}: asked to stop while the only holder of a part of the model is not there, the run saves the best model judged at once`, async () => {
    const { cwd, coordinator, members } = await begun(strategy, 2, 3);
    members[2]!.child.kill("SIGSTOP");
    await heard(coordinator, /nobody learns on without it/);
    coordinator.child.kill("SIGTERM");
    const { code, stdout, stderr } = await coordinator.ended;
    expect(code, stderr).toBe(143);
    expect(lastObject(stdout)).toMatchObject({ status: "interrupted" });
    expect(existsSync(join(cwd, "model.safetensors"))).toBe(true);
    for (const { ended } of members.slice(0, 2)) expect((await ended).code).toBe(1);
  });
}

test("--stop time counts learning, and not the wait for workers; a checkpoint neither", async () => {
  const cwd = temporaryFolder();
  const stop = ["--stop", "time:2s,epochs:1000000", "--checkpoint-every", "0s"];
  const args = [data, "--strategy", "asp", "--workers", "1", "--l2", "1e-4", ...stop];
  const place = ["--listen", "127.0.0.1:0", "--json"];
  const coordinator = await startCoordinator([...args, ...place], cwd);
  // Longer than the time of the run: it would be up when the first model is judged.
  await delay(3000);
  for (const rank of ["0", "1"]) startWorker(coordinator.address, cwd, ["--rank", rank]);
  const { code, stdout, stderr } = await coordinator.ended;
  expect(code, stderr).toBe(0);
  const { stopped, seconds } = lastObject(stdout);
  expect(stopped).toBe("time");
  expect(seconds.total).toBeGreaterThanOrEqual(3 + 2);
  const text = readFileSync(checkpointsOf(cwd).at(-1)!, "latin1");
  const run = Number(/"run\\*":([\d.]+)/.exec(text)?.[1]);
  expect(run).toBeGreaterThan(0);
  expect(run).toBeLessThan(seconds.total - 3);
});

for (const [signal, expected] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test(`${signal} at a coordinator that waits for its members ends it at once, and its record says so`, async () => {
    const cwd = temporaryFolder();
    // Whoever used up the grace would outlast the test.
    const args = [data, "--workers", "2", "--strategy", "asp", ...endless, "--grace", "1h"];
    const coordinator = await startCoordinator(args, cwd);
    const worker = startWorker(coordinator.address, cwd);
    const seen = async () => (await statusAt(coordinator.address))?.members[0]?.state;
    await until(async () => (await seen()) === "ready", coordinator.said);
    coordinator.child.kill(signal);
    const { code, stdout, stderr } = await coordinator.ended;
    expect(code, stderr).toBe(expected);
    expect(stderr).toContain("interrupted before anything was learned: no model is saved");
    expect(lastObject(stdout)).toMatchObject({ status: "interrupted", model: null });
    const manifest = JSON.parse(readFileSync(join(runFolder(cwd), "manifest.json"), "utf8"));
    expect(manifest.result).toMatchObject({ status: "interrupted" });
    expect((await worker.ended).code).toBe(1);
  });
}

test("a worker says for whom it waits and how long yet, also where another service answers, and SIGTERM ends it there", async () => {
  const server = createServer((_, answer) => answer.end("no glissade"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const worker = startWorker(`127.0.0.1:${port}`, temporaryFolder(), ["--grace", "1h"]);
  await heard(worker, new RegExp(`waits for the coordinator at 127.0.0.1:${port}, \\d+ s more: `));
  worker.child.kill("SIGTERM");
  const { code, stderr } = await worker.ended;
  expect(code, stderr).toBe(143);
});

/** How a run of a coordinator and workers ends: asked to stop, by ctrl-C, and by the death of a server. */
import { existsSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { glissade, lastObject, signalAfter, temporaryFolder } from "../e2e/support.ts";
import { heard, processesIn, type Started, startCoordinator, startWorker } from "./support-runs.ts";

const data = "synthetic:news:rows=6000,columns=2000,seed=3";
const common = ["--workers", "2", "--l2", "1e-4"];
const endless = [...common, "--epochs", "1000000", "--listen", "127.0.0.1:0", "--json"];

/** Whether anybody takes connections there. */
function takesConnections(address: string): Promise<boolean> {
  const [host, port] = address.split(":");
  return new Promise((resolve) => {
    const socket = createConnection({ host: host!, port: Number(port) });
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

async function expectAllOver(address: string, processes: readonly Started[]): Promise<void> {
  for (const { ended } of processes) {
    const { code, stderr } = await ended;
    expect(code, stderr).toBe(0);
  }
  expect(await takesConnections(address)).toBe(false);
}

for (const strategy of ["bsp", "ssp", "allreduce", "ad-psgd"]) {
  const seats = ["bsp", "ssp"].includes(strategy) ? 3 : 2;

  test(`${strategy}: glissade stop saves the model; coordinator and workers exit with 0`, async () => {
    const cwd = temporaryFolder();
    const coordinator = await startCoordinator([data, "--strategy", strategy, ...endless], cwd);
    const workers = Array.from({ length: seats }, () => startWorker(coordinator.address, cwd));
    await heard(coordinator, /epoch \d/);
    const asked = await glissade(["stop", "--join", coordinator.address]);
    expect(asked.code, asked.stderr).toBe(0);
    const { code, stdout, stderr } = await coordinator.ended;
    expect(code, stderr).toBe(0);
    expect(lastObject(stdout)).toMatchObject({ status: "interrupted", stopped: "interrupted" });
    expect(existsSync(join(cwd, "model.safetensors"))).toBe(true);
    await expectAllOver(coordinator.address, workers);
  });
}

for (const strategy of ["asp", "allreduce"]) {
  const seats = strategy === "asp" ? 3 : 2;

  test(`${strategy}: ctrl-C at the coordinator saves the model and exits with 130, workers with 0`, async () => {
    const cwd = temporaryFolder();
    const coordinator = await startCoordinator([data, "--strategy", strategy, ...endless], cwd);
    const workers = Array.from({ length: seats }, () => startWorker(coordinator.address, cwd));
    await heard(coordinator, /epoch \d/);
    coordinator.child.kill("SIGINT");
    const { code, stdout, stderr } = await coordinator.ended;
    expect(code, stderr).toBe(130);
    expect(lastObject(stdout)).toMatchObject({ status: "interrupted" });
    expect(existsSync(join(cwd, "model.safetensors"))).toBe(true);
    await expectAllOver(coordinator.address, workers);
  });
}

for (const strategy of ["ssp", "allreduce"]) {
  test(`${strategy}: SIGTERM to all processes of a run at once, as of a whole group, saves the best model that was judged`, async () => {
    const cwd = temporaryFolder();
    const env = { times: 3, whom: "all" };
    const args = ["train", data, "--strategy", strategy, "--engine", "cluster"];
    const { code, stdout, stderr } = await glissade(
      [...args, ...common, "--epochs", "1000000", "--json"],
      { cwd, env: signalAfter("SIGTERM", "epoch ", env) },
    );
    expect(code, stderr).toBe(143);
    expect(lastObject(stdout)).toMatchObject({ status: "interrupted", model: "model.safetensors" });
    expect(lastObject(stdout).epochs).toBeGreaterThanOrEqual(3);
    expect(lastObject(stdout).validation.accuracy).toBeGreaterThan(0.8);
    expect(existsSync(join(cwd, "model.safetensors"))).toBe(true);
    expect(processesIn(cwd)).toEqual([]);
  });
}

const trained = ["train", data, ...common, "--epochs", "40", "--validation", "0"];
const onCluster = ["--engine", "cluster", "--json"];

/**
 * A run with a server, which is killed when the run has judged its first model: at that word, within the process that
 * says it, as workers learn no further than it allows them.
 */
async function withServerKilled(args: readonly string[]) {
  const cwd = temporaryFolder();
  const env = signalAfter("SIGKILL", "epoch ", { whom: "--rank 2" });
  const ended = await glissade([...trained, ...onCluster, ...args], { cwd, env });
  expect(processesIn(cwd)).toEqual([]);
  return { ...ended, cwd };
}

for (const strategy of ["ssp", "bsp"]) {
  test(`${strategy}: a standby takes over from a server that is killed, and the loss is within 1 %`, async () => {
    const args = ["--strategy", strategy, "--standby"];
    const undisturbed = await glissade([...trained, ...onCluster, ...args], {
      cwd: temporaryFolder(),
    });
    expect(undisturbed.code, undisturbed.stderr).toBe(0);
    const { code, stdout, stderr } = await withServerKilled(args);
    expect(code, stderr).toBe(0);
    const [one, other] = [undisturbed.stdout, stdout].map(lastObject);
    expect(other.status).toBe("done");
    expect(stderr).toContain("server 2 was lost: was killed by SIGKILL");
    const apart = Math.abs(other.train.objective - one.train.objective) / one.train.objective;
    expect(apart).toBeLessThan(0.01);
  });
}

test("ssp: without a standby the death of a server ends the run with words, and --resume goes on", async () => {
  const args = ["--strategy", "ssp", "--checkpoint-every", "0s"];
  const { code, stderr, cwd } = await withServerKilled(args);
  expect(code).toBe(1);
  expect(stderr).toMatch(/first to fail: rank 2/);
  expect(stderr).toMatch(/--standby/);
  const resumed = await glissade(["train", "--resume", "latest", "--json"], { cwd });
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(lastObject(resumed.stdout).epochs).toBeCloseTo(40, 0);
});

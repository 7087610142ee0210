/** The coordinator is gone for good: members go on, take in others, and save the model themselves. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { giverOf, nextProcess } from "../../src/engines/cluster/lives.ts";
import { glissade, lastObject, temporaryFolder } from "../e2e/support.ts";
import {
  heard,
  isAlive,
  noTokens,
  type Started,
  startCoordinator,
  startWorker,
  statusAt,
  until,
  withTokens,
} from "./support-runs.ts";

const data = "synthetic:news:rows=6000,columns=2000,seed=3";

for (const [strategy, secrets] of [
  ["peer-to-peer", withTokens],
  ["d-psgd", noTokens],
  ["ad-psgd", withTokens],
] as const) {
  test(`${strategy}, ${secrets.of}: without the coordinator a new process joins by asking any member, and the last one saves the model`, async () => {
    const cwd = temporaryFolder();
    const places = [0, 1, 2, 3].map(temporaryFolder);
    const args = [data, "--strategy", strategy, "--workers", "3", "--epochs", "1000000"];
    const more = ["--l2", "1e-4", "--listen", "127.0.0.1:0", "--evaluate-every", "100epochs"];
    const coordinator = await startCoordinator([...args, ...more], cwd, secrets.admin);
    const workers = [0, 1, 2].map((rank) =>
      startWorker(coordinator.address, places[rank]!, ["--rank", `${rank}`], secrets.work),
    );
    await Promise.all(workers.map((worker) => heard(worker, /view 1: members 0, 1, 2/)));
    // While the coordinator lives a member passes the question on to it.
    const at = await heard(workers[2]!, /reached at (\S+)/);
    const fourth = startWorker(at, places[3]!, [], secrets.work);
    expect(await heard(fourth, /worker (\d+, life \d+)/)).toBe("3, life 1");
    await heard(fourth, /view \d+: members 0, 1, 2, 3/);
    fourth.child.kill("SIGTERM");
    expect((await fourth.ended).code).toBe(0);
    // The rows of one that dies while the coordinator lives are with the others, and can be had from them.
    workers[0]!.child.kill("SIGKILL");
    await Promise.all(workers.slice(1).map((worker) => heard(worker, /took over \d+ segments/)));
    coordinator.child.kill("SIGKILL");
    // Member 2 is asked, member 1 has authority now; for 5 s both wait for the coordinator.
    const wrong = { GLISSADE_TOKEN: "work: another" };
    // Without tokens there are no strangers: it would be given the seat if it came first.
    const stranger = secrets === withTokens ? startWorker(at, places[3]!, [], wrong) : null;
    const newcomer = startWorker(at, places[3]!, [], secrets.work);
    expect(await heard(newcomer, /worker 0, life (\d+)/)).toBe(String(nextProcess(1, 1)));
    await heard(newcomer, /view \d+: members 0, 1, 2$/m);
    const address = await heard(newcomer, /reached at (\S+)/);
    const rows = await until(
      async () => {
        const seen = await statusAt(address, secrets.work);
        return seen !== null && seen.members[0]!.rows > 500;
      },
      () => [newcomer, ...workers].map(({ said }) => said()).join("\n--\n"),
    );
    expect(rows).toBe(true);
    if (stranger) {
      const { code, stderr } = await stranger.ended;
      expect(code, stderr).toBe(1);
      expect(stderr).toMatch(/the token is not that of this run: give the right one/);
    }
    for (const { child } of workers.slice(1)) expect(isAlive(child.pid!)).toBe(true);
    // They leave one after the other; with the last one the run ends, and its model is with nobody else.
    for (const { child, ended } of [newcomer, workers[2]!]) {
      child.kill("SIGTERM");
      const { code, stderr } = await ended;
      expect(code, stderr).toBe(0);
    }
    const saver = workers[1]!;
    saver.child.kill("SIGTERM");
    const path = await heard(saver, /saved the model at (\S+)/);
    expect((await saver.ended).code).toBe(0);
    expect(existsSync(path)).toBe(true);
    const judged = await glissade(["evaluate", path, data, "--json"]);
    expect(judged.code, judged.stderr).toBe(0);
    expect(lastObject(judged.stdout).metrics.accuracy).toBeGreaterThan(0.85);
    expect(readdirSync(places[2]!)).toEqual([]);
  });
}

/** The coordinator of three workers dies, then worker 0; the two others. */
async function bereaved(source: string, cwd: string): Promise<[Started, Started]> {
  const args = ["--strategy", "peer-to-peer", "--workers", "3", "--epochs", "1000000"];
  const more = ["--validation", "0", "--l2", "1e-4", "--listen", "127.0.0.1:0"];
  const coordinator = await startCoordinator([source, ...args, ...more], cwd);
  const [dead, ...others] = [0, 1, 2].map((rank) =>
    startWorker(coordinator.address, temporaryFolder(), ["--rank", `${rank}`]),
  );
  await Promise.all([dead!, ...others].map((worker) => heard(worker, /view 1: members 0, 1, 2/)));
  coordinator.child.kill("SIGKILL");
  await coordinator.ended;
  dead!.child.kill("SIGKILL");
  return others as [Started, Started];
}

/** What a worker says of itself when it is asked. */
async function statusOf(worker: Started): Promise<string> {
  const at = await heard(worker, /reached at (\S+)/);
  const { code, stdout, stderr } = await glissade(["status", "--join", at]);
  expect(code, stderr).toBe(0);
  return stdout;
}

test("rows of a member that dies after the coordinator are read by the others at a path they share", async () => {
  const cwd = temporaryFolder();
  const source = join(cwd, "news.blocks");
  const made = await glissade(["convert", data, "-o", source], { cwd });
  expect(made.code, made.stderr).toBe(0);
  const workers = await bereaved(source, cwd);
  const rows = workers.map((worker) => heard(worker, /took over \d+ segments: (\d+) rows now/));
  const [one, other] = (await Promise.all(rows)).map(Number) as [number, number];
  expect(one + other).toBe(6000);
  for (const worker of workers) {
    expect(worker.said()).toContain(`reads rows at ${source}`);
    expect(worker.said()).not.toMatch(/could not take over|asks for rows/);
    expect(await statusOf(worker)).not.toContain("which nobody here has");
  }
  // Who gets the dead member's seat from the others reads what is its now.
  const newcomer = startWorker(await heard(workers[1], /reached at (\S+)/), temporaryFolder());
  await heard(newcomer, /view \d+: members 0, 1, 2$/m);
  expect(newcomer.said()).toContain(`reads rows at ${source}`);
  expect(newcomer.said()).not.toMatch(/could not take over|asks for rows/);
});

test("where no path is shared the rows of a member that dies after the coordinator are with nobody, and status says so", async () => {
  for (const worker of await bereaved(data, temporaryFolder())) {
    await heard(worker, /could not take over \d+ segments, goes on with its own/);
    // A wait is told once it lasts a second.
    const words = /the rows of \d+ segments, which nobody here has/;
    await until(async () => words.test(await statusOf(worker)), worker.said);
  }
});

describe("numbers of processes", () => {
  test("givers that do not hear of each other never give the same, and the later is higher", () => {
    expect(nextProcess(0, null)).toBe(1);
    expect(nextProcess(7, null)).toBe(8);
    const given = [null, 0, 1, 2].map((giver) => nextProcess(8191, giver));
    expect(new Set(given).size).toBe(4);
    for (const one of given) expect(one).toBeGreaterThan(8191);
    expect(given.map(giverOf)).toEqual([null, 0, 1, 2]);
    expect(giverOf(nextProcess(3, null))).toBeNull();
  });
});

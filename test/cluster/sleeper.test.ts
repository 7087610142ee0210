/** A worker is stopped, the run ends without it, and it wakes to find nobody: it ends with words and leaves nothing. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { glissade, temporaryFolder } from "../e2e/support.ts";
import { heard, runFolder, startCoordinator, startWorker } from "./support-runs.ts";

const data = "synthetic:news:rows=6000,columns=2000,seed=3";

/** Shortly before the end, its connections wait for it; after ten seconds others have given them up. */
for (const [strategy, seconds] of [
  ["asp", 1],
  ["allreduce", 10],
  ["d-psgd", 10],
] as const) {
  test(`${strategy}: a worker that fell asleep ${seconds} s before and slept through the end of the run ends by itself with code 1, and the record says what is unknown`, async () => {
    const cwd = temporaryFolder();
    const seats = strategy === "asp" ? 4 : 3;
    const places = Array.from({ length: seats }, temporaryFolder);
    const args = ["--strategy", strategy, "--workers", "3", "--epochs", "1000000", "--l2", "1e-4"];
    const coordinator = await startCoordinator(
      [data, ...args, "--listen", "127.0.0.1:0", "--json"],
      cwd,
    );
    const workers = places.map((place, rank) =>
      startWorker(coordinator.address, place, ["--rank", `${rank}`]),
    );
    await Promise.all(workers.map((worker) => heard(worker, /view 1: members 0, 1, 2/)));
    await heard(coordinator, /epoch \d/);
    const sleeper = workers[2]!;
    sleeper.child.kill("SIGSTOP");
    await heard(workers[0]!, /view \d+: members 0, 1(, 3)?$/m);
    await delay(1000 * seconds);
    expect((await glissade(["stop", "--join", coordinator.address])).code).toBe(0);
    const { code, stderr } = await coordinator.ended;
    expect(code, stderr).toBe(0);
    const others = workers.filter((worker) => worker !== sleeper);
    for (const { ended } of others) expect((await ended).code).toBe(0);
    const wokenAt = performance.now();
    sleeper.child.kill("SIGCONT");
    const end = await sleeper.ended;
    expect(end.code, end.stderr).toBe(1);
    expect(end.stderr).toMatch(/the run ended (meanwhile|without this member)/);
    expect(performance.now() - wokenAt).toBeLessThan(45_000);
    expect(readdirSync(places[2]!)).toEqual([]);
    const events = readFileSync(join(runFolder(cwd), "events.jsonl"), "utf8")
      .trim()
      .split("\n");
    const faults = events
      .map((line) => JSON.parse(line))
      .filter(({ kind, rank }) => kind === "fault" && rank === 2);
    expect(faults.at(-1)).toMatchObject({
      fault: "member-lost",
      action: expect.stringMatching(/what it learned after update \d+ is unknown/),
    });
  });
}

/** The coordinator is killed with -9 and started again at its address: members that live go on, as the same processes. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { glissade, lastObject, temporaryFolder } from "../e2e/support.ts";
import {
  heard,
  isAlive,
  type Seen,
  startCoordinator,
  startWorker,
  statusAt,
  until,
} from "./support-runs.ts";

const data = "synthetic:news:rows=6000,columns=2000,seed=3";
const common = ["--workers", "2", "--epochs", "1000000", "--l2", "1e-4", "--listen", "127.0.0.1:0"];

type Coordinator = Awaited<ReturnType<typeof startCoordinator>>;

function updatesOf({ members }: Seen): number {
  return members.reduce((sum, { updates }) => sum + updates, 0);
}

/** Waits until all members learn, and have made more updates than that. */
function running(coordinator: Coordinator, members: number, more = 0): Promise<Seen> {
  let last: Seen | null = null;
  const { address, child, said } = coordinator;
  return until(
    async () => {
      if (child.exitCode !== null) throw new Error(said());
      last = await statusAt(address);
      const all = last?.members.filter(({ state }) => state === "running").length === members;
      return all && updatesOf(last!) > more ? last : null;
    },
    () => `${members} members run at ${address}: ${JSON.stringify(last)}`,
  );
}

/** When a file was written; 0 where it is not: the state is moved away for a moment, when the next one comes. */
function writtenAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

for (const [strategy, seats] of [
  ["ssp", 3],
  ["allreduce", 2],
  ["peer-to-peer", 2],
] as const) {
  test(`${strategy}: a coordinator that was killed is started again, and no member restarts`, async () => {
    const cwd = temporaryFolder();
    const args = [data, "--strategy", strategy, ...common, "--checkpoint-every", "0s"];
    const first = await startCoordinator(args, cwd);
    const workers = Array.from({ length: seats }, () => startWorker(first.address, cwd));
    const before = await running(first, seats, 20);
    first.child.kill("SIGKILL");
    expect((await first.ended).signal).toBe("SIGKILL");
    const again = await startCoordinator(["--resume", "latest", "--json"], cwd);
    expect(again.said()).toMatch(
      /^\S* ?resuming \S+: its members go on where they are, if any live; else /m,
    );
    expect(again.address).toBe(first.address);
    expect(again.said()).toContain("members of the run live and go on");
    const after = await running(again, seats, updatesOf(before));
    for (const { child } of workers) expect(isAlive(child.pid!)).toBe(true);
    const livesOf = ({ members }: Seen) => members.map(({ incarnation }) => incarnation);
    expect(livesOf(after)).toEqual(livesOf(before));
    await running(again, seats, updatesOf(after));
    expect((await glissade(["stop", "--join", again.address])).code).toBe(0);
    const { code, stdout, stderr } = await again.ended;
    expect(code, stderr).toBe(0);
    for (const { ended } of workers) {
      const worker = await ended;
      expect(worker.code, worker.stderr).toBe(0);
    }
    expect(existsSync(join(cwd, "model.safetensors"))).toBe(true);
    const { validation, epochs } = lastObject(stdout);
    expect(validation.accuracy).toBeGreaterThan(0.8);
    // Rows that were learned before count once.
    const events = readFileSync(join(cwd, "runs", lastObject(stdout).run, "events.jsonl"), "utf8");
    const judged = events
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const last = judged.findLast(({ kind }) => kind === "evaluated");
    expect(epochs).toBeLessThan(1.2 * last.epoch + 20);
  });
}

test("asp: what was left of the plan to members that learned alone is not taken for rows that they were allowed", async () => {
  const cwd = temporaryFolder();
  const args = [data, "--strategy", "asp", ...common, "--checkpoint-every", "0s"];
  const first = await startCoordinator(args, cwd);
  const members = Array.from({ length: 3 }, () => startWorker(first.address, cwd));
  await running(first, 3, 20);
  first.child.kill("SIGKILL");
  await Promise.all(members.map((member) => heard(member, /goes on as far as --epochs/)));
  const again = await startCoordinator(["--resume", "latest"], cwd);
  await Promise.all(members.map((member) => heard(member, /the coordinator was started again/)));
  const after = await running(again, 3);
  await running(again, 3, updatesOf(after));
  const state = join(cwd, "runs", readdirSync(join(cwd, "runs")).sort().at(-1)!, "cluster.json");
  const before = writtenAt(state);
  const kept = await until(
    () => writtenAt(state) > before && textOf(state),
    () => `${state} is not written anew`,
  );
  const { entries } = JSON.parse(JSON.parse(kept).run).roster;
  expect(entries).toHaveLength(3);
  for (const { rows, leased } of entries) expect(leased - rows).toBeLessThan(6000);
});

/** Members gave seats while no coordinator was there; one that is started again takes those processes as members. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nextProcess } from "../../src/engines/cluster/lives.ts";
import { glissade, lastObject, temporaryFolder } from "../e2e/support.ts";
import {
  heard,
  isAlive,
  learning,
  noTokens,
  type Seen,
  startCoordinator,
  startWorker,
  statusAt,
  until,
  withTokens,
} from "./support-runs.ts";

const data = "synthetic:news:rows=6000,columns=2000,seed=3";

for (const [strategy, secrets] of [
  ["peer-to-peer", noTokens],
  ["allreduce", withTokens],
] as const) {
  test(`${strategy}, ${secrets.of}: a coordinator that comes back adopts who got a dead member's seat and who got a spare one`, async () => {
    const [cwd, place] = [temporaryFolder(), temporaryFolder()];
    const args = ["--strategy", strategy, "--workers", "3", "--epochs", "1000000", "--l2", "1e-4"];
    const more = ["--listen", "127.0.0.1:0", "--evaluate-every", "100epochs"];
    const first = await startCoordinator([data, ...args, ...more], cwd, secrets.admin);
    const joins = (rank: number) => ["--rank", `${rank}`];
    const workers = [0, 1, 2].map((k) => startWorker(first.address, place, joins(k), secrets.work));
    await Promise.all(workers.map((worker) => heard(worker, /view 1: members 0, 1, 2/)));
    await learning(first.address, 3, secrets.work);
    first.child.kill("SIGKILL");
    await first.ended;
    // The coordinator's book still has it: nobody was there to see its end.
    workers[0]!.child.kill("SIGKILL");
    await heard(workers[1]!, /view \d+: members 1, 2$/m);
    const at = await heard(workers[2]!, /reached at (\S+)/);
    const heir = startWorker(at, place, [], secrets.work);
    const life = nextProcess(1, 1);
    expect(await heard(heir, /worker 0, life (\d+)/)).toBe(String(life));
    await heard(heir, /view \d+: members 0, 1, 2$/m);
    const fourth = startWorker(at, place, [], secrets.work);
    const fourthLife = Number(await heard(fourth, /worker 3, life (\d+)/));
    await heard(fourth, /view \d+: members 0, 1, 2, 3$/m);
    const again = await startCoordinator(["--resume", "latest", "--json"], cwd, secrets.admin);
    expect(again.said()).toContain("members of the run live and go on");
    let seen: Seen | null = null;
    const learns = (before: Seen | null) =>
      until(
        async () => {
          const now = await statusAt(again.address, secrets.work);
          seen = now;
          if (again.child.exitCode !== null) throw new Error(again.said());
          const all = now?.members.filter(({ state }) => state === "running").length === 4;
          const older = (rank: number) => before?.members.find((one) => one.rank === rank);
          // Until it has heard of the heir it counts on who had the seat before.
          const isAdopted = now?.members[0]?.incarnation === life;
          const further = now?.members.every(
            ({ rank, updates }) => updates > (older(rank)?.updates ?? 0),
          );
          return all && isAdopted && further ? now : null;
        },
        () =>
          [JSON.stringify(seen), ...[heir, fourth, ...workers].map(({ said }) => said())].join(
            "\n--\n",
          ),
      );
    const adopted = await learns(null);
    expect(adopted.members.map(({ rank }) => rank)).toEqual([0, 1, 2, 3]);
    const lives = adopted.members.map(({ incarnation }) => incarnation);
    expect(lives).toEqual([life, 1, 1, fourthLife]);
    await learns(adopted);
    // A seat that the coordinator gives now is another life again, after that of the members.
    fourth.child.kill("SIGTERM");
    expect((await fourth.ended).code).toBe(0);
    const last = startWorker(again.address, place, joins(3), secrets.work);
    expect(Number(await heard(last, /worker 3, life (\d+)/))).toBeGreaterThan(fourthLife);
    await heard(last, /view \d+: members 0, 1, 2, 3$/m);
    for (const { child } of [heir, workers[1]!, workers[2]!])
      expect(isAlive(child.pid!)).toBe(true);
    expect((await glissade(["stop", "--join", again.address], { env: secrets.admin })).code).toBe(
      0,
    );
    const { code, stdout, stderr } = await again.ended;
    expect(code, stderr).toBe(0);
    for (const { ended } of [heir, last, workers[1]!, workers[2]!]) {
      const end = await ended;
      expect(end.code, end.stderr).toBe(0);
    }
    expect(existsSync(join(cwd, "model.safetensors"))).toBe(true);
    expect(lastObject(stdout).validation.accuracy).toBeGreaterThan(0.8);
  });
}

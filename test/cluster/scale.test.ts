/** More workers than a run was planned with: they have seats after all others, take rows, and learn with them. */
import { expect, test } from "vitest";
import { glissade, lastObject, temporaryFolder } from "../e2e/support.ts";
import { env, startCoordinator } from "./support-commands.ts";
import { until } from "./support-runs.ts";

interface Worker {
  readonly rank: number;
  readonly role: string;
  readonly state: string;
  readonly updates: number;
  readonly rows: number;
}

test.each([
  { strategy: "bsp", servers: 1 },
  { strategy: "ssp", servers: 1 },
  { strategy: "allreduce", servers: 0 },
  { strategy: "d-psgd", servers: 0 },
  { strategy: "ad-psgd", servers: 0 },
  { strategy: "peer-to-peer", servers: 0 },
])("$strategy of two workers goes on with four", async (one) => {
  const { strategy, servers } = one;
  const plan = ["--workers", "2", "--epochs", "1000000", "--strategy", strategy];
  const { address, ended } = await startCoordinator(plan);
  const members = Array.from({ length: 2 + servers }, () =>
    glissade(["worker", "--join", address], { env }),
  );
  const ask = async (...args: string[]) => {
    const command = [...args, "--join", address, "--json"];
    const { stdout, stderr, code } = await glissade(command, { env, cwd: temporaryFolder() });
    expect(code, stderr).toBe(0);
    return lastObject(stdout);
  };
  const workersWhen = (holds: (workers: Worker[]) => boolean) => {
    let seen: Worker[] = [];
    return until(
      async () => {
        seen = (await ask("status")).members;
        const workers = seen.filter(({ role, state }) => role === "worker" && state === "running");
        return holds(workers) && workers;
      },
      () => JSON.stringify(seen),
    );
  };
  await workersWhen((workers) => workers.length === 2 && workers.every(({ rows }) => rows > 0));
  expect(await ask("scale", "4")).toMatchObject({ before: 2, workers: 4, left: [] });
  const before = await workersWhen((workers) => workers.length === 4);
  // New seats come after those of the plan, the servers' too.
  expect(before.map(({ rank }) => rank)).toEqual([0, 1, 2 + servers, 3 + servers]);
  await workersWhen((workers) =>
    workers.every(({ rank, rows }) => rows > before.find((was) => was.rank === rank)!.rows),
  );
  await ask("stop");
  const { code, stdout } = await ended;
  expect(code, stdout).toBe(0);
  expect(lastObject(stdout).workers).toBe(4);
  for (const member of await Promise.all(members)) expect(member.code, member.stderr).toBe(0);
});

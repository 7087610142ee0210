/** A worker that sleeps while others come and go finds its way back among those that are there when it wakes. */
import { expect, test } from "vitest";
import { glissade, temporaryFolder } from "../e2e/support.ts";
import { heard, startCoordinator, startWorker, until } from "./support-runs.ts";

/** So often a snapshot is judged, and the workers are allowed more. */
const everyEpochs = 300;
const data = "synthetic:news:rows=6000,columns=2000,seed=3";

test.each(["peer-to-peer", "allreduce"])(
  "%s: who slept while a member was replaced joins again, and hears where the new one is",
  async (strategy) => {
    const cwd = temporaryFolder();
    const args = ["--strategy", strategy, "--workers", "3", "--epochs", "1000000", "--l2", "1e-4"];
    const coordinator = await startCoordinator(
      [data, ...args, "--listen", "127.0.0.1:0", "--json"],
      cwd,
    );
    const begin = (rank: number) =>
      startWorker(coordinator.address, temporaryFolder(), ["--rank", `${rank}`]);
    const [first, sleeper, leaver] = [0, 1, 2].map(begin);
    await heard(first!, /view 1: members 0, 1, 2/);
    sleeper!.child.kill("SIGSTOP");
    await heard(first!, /view 2: members 0, 2$/m);
    leaver!.child.kill("SIGTERM");
    expect((await leaver!.ended).code).toBe(0);
    const newcomer = begin(2);
    await heard(newcomer, /view \d+: members 0, 2$/m);
    sleeper!.child.kill("SIGCONT");
    await heard(newcomer, /view \d+: members 0, 1, 2$/m);
    expect((await glissade(["stop", "--join", coordinator.address])).code).toBe(0);
    const ended = await Promise.all(
      [coordinator, first!, sleeper!, newcomer].map((one) => one.ended),
    );
    for (const { code, stderr } of ended) expect(code, stderr).toBe(0);
  },
);

test("allreduce: who slept while the coordinator allowed the others more learns on with them", async () => {
  const cwd = temporaryFolder();
  const about = [
    "--strategy",
    "allreduce",
    "--workers",
    "3",
    "--epochs",
    "1000000",
    "--l2",
    "1e-4",
  ];
  const rare = ["--evaluate-every", `${everyEpochs}epochs`];
  const coordinator = await startCoordinator(
    [data, ...about, ...rare, "--listen", "127.0.0.1:0", "--json"],
    cwd,
  );
  const workers = [0, 1, 2].map((rank) =>
    startWorker(coordinator.address, temporaryFolder(), ["--rank", `${rank}`]),
  );
  await heard(workers[0]!, /view 1: members 0, 1, 2/);
  workers[1]!.child.kill("SIGSTOP");
  await heard(workers[0]!, /view 2: members 0, 2$/m);
  const epochs = () => [...coordinator.said().matchAll(/^epoch (\d+),/gm)].length;
  const asleep = epochs();
  await until(() => epochs() > asleep, coordinator.said);
  workers[1]!.child.kill("SIGCONT");
  await heard(workers[0]!, /view 3: members 0, 1, 2$/m);
  const before = epochs();
  await until(() => epochs() > before + 1, coordinator.said);
  expect((await glissade(["stop", "--join", coordinator.address])).code).toBe(0);
  for (const { ended } of [coordinator, ...workers]) expect((await ended).code).toBe(0);
});

/** A member that is silent, because its machine has too much to do, keeps its seat from newcomers. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { temporaryFolder } from "../e2e/support.ts";
import { learning, startCoordinator, startWorker, statusAt, until } from "./support-runs.ts";

const data = "synthetic:news:rows=600,columns=200,seed=3";

test("a newcomer does not get the seat of a worker that is silent and comes back; it gets that of one that was killed", async () => {
  const plan = ["--strategy", "peer-to-peer", "--workers", "3", "--epochs", "1000000"];
  const rest = ["--l2", "1e-4", "--limits", "members=3", "--listen", "127.0.0.1:0", "--json"];
  const coordinator = await startCoordinator([data, ...plan, ...rest], temporaryFolder());
  const { address } = coordinator;
  const workers = [0, 1, 2].map((rank) =>
    startWorker(address, temporaryFolder(), ["--rank", `${rank}`]),
  );
  await learning(address, 3);
  // How updates merge is chosen for the workers that may come, too: three alone would be summed.
  expect(coordinator.said()).toMatch(/^merge anticipate of 12 rows: .* up to 19 workers may/m);
  const stateOf = async (rank: number) =>
    (await statusAt(address))?.members.find((member) => member.rank === rank);
  const silent = (rank: number) =>
    until(
      async () => (await stateOf(rank))?.state === "silent",
      () => coordinator.said(),
    );
  workers[2]!.child.kill("SIGSTOP");
  await silent(2);
  const early = startWorker(address, temporaryFolder(), ["--rank", "2"]);
  // Long enough for it to ask, and for worker 2 not to answer the coordinator in time.
  await delay(8_000);
  workers[2]!.child.kill("SIGCONT");
  await learning(address, 3);
  expect(await stateOf(2)).toMatchObject({ incarnation: 1, state: "running" });
  const { code, stderr } = await early.ended;
  expect([code, stderr]).toEqual([1, expect.stringContaining("all 3 seats of this run are taken")]);
  workers[1]!.child.kill("SIGKILL");
  await silent(1);
  startWorker(address, temporaryFolder(), ["--rank", "1"]);
  await until(
    async () => (await stateOf(1))?.incarnation === 2,
    () => coordinator.said(),
  );
  expect(workers[2]!.said()).not.toContain("another took its seat");
});

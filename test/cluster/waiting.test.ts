/** Times of waits, as events tell them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../e2e/support.ts";
import { heard, runFolder, startCoordinator, startWorker, until } from "./support-runs.ts";

interface Waiting {
  readonly kind: string;
  readonly time: number;
  readonly since: number;
  readonly until: number;
}

test("a wait begins before the event that tells it and ends after it, on the event's own clock", async () => {
  const cwd = temporaryFolder();
  const data = "synthetic:news:rows=600,columns=200,seed=3";
  const plan = ["--strategy", "bsp", "--workers", "2", "--epochs", "1000000", "--l2", "1e-4"];
  const args = [data, ...plan, "--listen", "127.0.0.1:0", "--json"];
  const { address, said } = await startCoordinator(args, cwd);
  const members = [0, 1, 2].map((rank) =>
    startWorker(address, temporaryFolder(), ["--rank", `${rank}`]),
  );
  await heard(members[0]!, /view 1/);
  members[1]!.child.kill("SIGSTOP");
  const waits = await until(
    () => {
      const lines = readFileSync(join(runFolder(cwd), "events.jsonl"), "utf8")
        .trimEnd()
        .split("\n");
      const all: Waiting[] = lines.map((line) => JSON.parse(line));
      const found = all.filter(({ kind }) => kind === "waiting");
      return found.length > 0 && found;
    },
    () => said(),
  );
  for (const { time, since, until: end } of waits) {
    expect(time - since).toBeGreaterThanOrEqual(1);
    // Told with the next progress of the member; before, `since` was seconds of learning, or the run's first moment.
    expect(time - since).toBeLessThan(30);
    expect(end).toBeGreaterThan(time);
  }
});

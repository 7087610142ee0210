/** Everything dies, coordinator and members, by kill -9; then the run is taken up from its checkpoints. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { noCredentials } from "../../src/engines/cluster/credentials.ts";
import { encodeSaved, type SavedRun } from "../../src/engines/cluster/saved-run.ts";
import { inheritance } from "../../src/engines/cluster/take-up.ts";
import {
  damageNewest,
  glissade,
  lastObject,
  signalAfter,
  temporaryFolder,
} from "../e2e/support.ts";
import { checkpointsOf, startCoordinator, startWorker } from "./support-runs.ts";

const data = "synthetic:news:rows=6000,columns=2000,seed=3";
const common = ["--l2", "1e-4", "--checkpoint-every", "0s", "--verbose", "--json"];
const modelIn = (folder: string) => readFileSync(join(folder, "model.safetensors"));

function argsOf(strategy: readonly string[], epochs: number): string[] {
  return [data, "--strategy", ...strategy, "--workers", "2", "--epochs", `${epochs}`, ...common];
}

/** As by `kill -9`: the run and what it started, once it has written its first checkpoint, as the others may never come. */
const death = signalAfter("SIGKILL", "checkpoint-", { whom: "all" });

/** A run and its members that were killed in the middle. */
async function killed(args: readonly string[], cwd: string): Promise<void> {
  expect((await glissade(args, { cwd, env: death })).signal).toBe("SIGKILL");
}

for (const strategy of [["bsp"], ["allreduce"], ["d-psgd", "--topology", "complete"]]) {
  test(`${strategy[0]}: train --resume goes on exactly, to the same model byte for byte`, async () => {
    const [whole, cut] = [temporaryFolder(), temporaryFolder()];
    const args = ["train", ...argsOf(strategy, 90), "--engine", "cluster"];
    const undisturbed = await glissade(args, { cwd: whole });
    expect(undisturbed.code, undisturbed.stderr).toBe(0);
    await killed(args, cut);
    const resumed = await glissade(["train", "--resume", "latest", "--json"], { cwd: cut });
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toMatch(/resuming \S+ after \d+ rows, exactly/);
    const [one, other] = [undisturbed, resumed].map(({ stdout }) => lastObject(stdout));
    expect(other).toMatchObject({ epochs: one.epochs, stopped: one.stopped, engine: "cluster" });
    expect(modelIn(cut).equals(modelIn(whole))).toBe(true);
    expect(checkpointsOf(cut).length).toBeLessThanOrEqual(2);
  });
}

test("asp: train --resume goes on from the model judged last, and says so; a damaged checkpoint is passed over", async () => {
  const cwd = temporaryFolder();
  const args = ["train", ...argsOf(["asp"], 90), "--engine", "cluster"];
  await killed(args, cwd);
  const before = damageNewest(checkpointsOf(cwd));
  const resumed = await glissade(["train", "--resume", "latest", "--json"], { cwd });
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(resumed.stderr).toContain(`its checksum is wrong: going back to ${before}`);
  expect(resumed.stderr).toMatch(/after \d+ rows, from the model that was judged last/);
  expect(lastObject(resumed.stdout).epochs).toBeCloseTo(90, 0);
});

test("coordinator --resume with new workers, where everything died: allreduce goes on exactly", async () => {
  const [whole, cut] = [temporaryFolder(), temporaryFolder()];
  const args = [...argsOf(["allreduce"], 90), "--listen", "127.0.0.1:0"];
  const run = async (cwd: string, given: readonly string[], env = {}) => {
    const coordinator = await startCoordinator(given, cwd, env);
    // Rows go with seats.
    const workers = [0, 1].map((rank) =>
      startWorker(coordinator.address, cwd, ["--rank", `${rank}`]),
    );
    return { coordinator, workers };
  };
  const undisturbed = await run(whole, args);
  expect((await undisturbed.coordinator.ended).code).toBe(0);
  const first = await run(cut, args, death);
  expect((await first.coordinator.ended).signal).toBe("SIGKILL");
  for (const { child } of first.workers) child.kill("SIGKILL");
  await Promise.all(first.workers.map(({ ended }) => ended));
  const wrong = await glissade(["train", "--resume", "latest"], { cwd: cut });
  expect([wrong.code, wrong.stderr]).toEqual([
    2,
    expect.stringContaining("glissade coordinator --resume latest"),
  ]);
  const again = await run(cut, ["--resume", "latest", "--json"]);
  expect(again.coordinator.address).toBe(first.coordinator.address);
  const ended = await again.coordinator.ended;
  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stderr).toMatch(/after \d+ rows, exactly/);
  for (const { ended: over } of again.workers) expect((await over).code).toBe(0);
  expect(modelIn(cut).equals(modelIn(whole))).toBe(true);
});

test("a coordinator's damaged state is told of with both names, and the one before it taken", async () => {
  const identity = { run: "r", settings: "s", data: "", split: "" };
  const left = (seconds: number) =>
    encodeSaved({ seconds, identity, roster: { entries: [] } } as unknown as SavedRun);
  const said: string[] = [];
  const read = async () => [
    { name: "cluster.json", text: left(77).replace("77", "78") },
    { name: "cluster-before.json", text: left(1) },
  ];
  const store = { read, write: async () => {}, warn: (line: string) => void said.push(line) };
  const asked = { settings: "s", credentials: noCredentials };
  expect(await inheritance(store, asked)).toMatchObject({ saved: { seconds: 1 }, alive: false });
  expect(said.join()).toMatch(/cluster\.json: .* damaged.*going back to cluster-before\.json/);
  await expect(inheritance(store, { ...asked, settings: "other" })).rejects.toThrow(/were others/);
});

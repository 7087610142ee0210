import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  damageNewest,
  glissade,
  lastObject,
  type Outcome,
  signalAfter,
  temporaryFolder,
} from "./support.ts";

const data = "synthetic:news:rows=20000,columns=5000,seed=3";
const killsMax = 3;

/** Ways of learning that repeat bit for bit, each long enough to be killed in the middle. */
const ways: readonly (readonly [string, readonly string[]])[] = [
  ["serial, l2 and step chosen", ["--stop", "epochs:250"]],
  ["serial, log loss, no validation", ["--loss", "log", "--l2", "1e-5", "--epochs", "200"]],
  ["adagrad", ["--step", "adagrad", "--l2", "1e-5", "--epochs", "60"]],
  ["updates of 50 rows", ["--rows-per-update", "50", "--l2", "1e-5", "--epochs", "80"]],
  ["two replicas", ["--strategy", "replicas", "--workers", "2", "--l2", "1e-4", "--epochs", "250"]],
  ["two workers, strategy auto", ["--workers", "2", "--l2", "1e-4", "--epochs", "250"]],
  ["dual ascent", ["--solver", "sdca", "--l2", "1e-6", "--epochs", "150", "--validation", "0"]],
  [
    "dual ascent on two replicas",
    [
      ...["--solver", "sdca", "--strategy", "replicas", "--workers", "2", "--l2", "1e-6"],
      ...["--epochs", "150", "--validation", "0"],
    ],
  ],
];

/** Strategies that exchange messages, in rounds: each with three workers. */
const rounds: typeof ways = [
  ["bsp", ["--strategy", "bsp"]],
  ["bsp with two servers, by the mean", ["--strategy", "bsp", "--servers", "2", "--merge", "mean"]],
  ["allreduce on a ring", ["--strategy", "allreduce", "--topology", "ring"]],
  ["allreduce on a tree", ["--strategy", "allreduce", "--topology", "tree"]],
  ["d-psgd", ["--strategy", "d-psgd", "--topology", "complete"]],
].map(([name, args]) => [
  name as string,
  [...(args as string[]), "--workers", "3", "--l2", "1e-4", "--epochs", "40"],
]);

const everyEvaluation = ["--checkpoint-every", "0s", "--verbose"];

describe("kill -9 at any moment, then --resume", () => {
  test.each([...ways, ...rounds])("%s: the same model, byte for byte", async (_, way) => {
    const [whole, cut] = [temporaryFolder(), temporaryFolder()];
    const args = ["train", data, ...way, ...everyEvaluation];
    expectDone(await glissade(args, { cwd: whole }));
    let outcome = await killed(args, cut);
    expect(outcome.signal).toBe("SIGKILL");
    // A resumed run may be over before it is killed again.
    for (let kills = 1; kills < killsMax && outcome.signal !== null; kills++) {
      const again = ["train", "--resume", "latest", "--verbose"];
      // Epochs pass while a checkpoint is being written: this kill falls into the middle of one.
      outcome = await glissade(again, {
        cwd: cut,
        env: signalAfter("SIGKILL", "epoch ", { times: 12 * kills }),
      });
    }
    if (outcome.signal !== null) {
      outcome = await glissade(["train", "--resume", "latest", "--json"], { cwd: cut });
      expect(lastObject(outcome.stdout).status).toBe("done");
    }
    expectDone(outcome);
    expect(modelIn(cut).equals(modelIn(whole))).toBe(true);
    expect(checkpointsIn(cut).length).toBeLessThanOrEqual(2);
  });

  test.each(["asp", "ssp", "dssp", "peer-to-peer", "ad-psgd"])(
    "%s: goes on from the model judged last, and reaches the loss of an unbroken run, within a hundredth",
    async (strategy) => {
      const [whole, cut] = [temporaryFolder(), temporaryFolder()];
      // Two unbroken runs end alike on a busy machine too: short updates, and a problem that is solved in 40 epochs.
      const way = ["--strategy", strategy, "--workers", "3", "--rows-per-update", "20"];
      const args = ["train", data, ...way, "--l2", "1e-3", "--epochs", "40", ...everyEvaluation];
      const unbroken = await glissade([...args, "--json"], { cwd: whole });
      expectDone(unbroken);
      expect((await killed(args, cut)).signal).toBe("SIGKILL");
      const resumed = await glissade(["train", "--resume", "latest", "--json"], { cwd: cut });
      expectDone(resumed);
      const [before, after] = [unbroken, resumed].map(({ stdout }) => lastObject(stdout));
      expect(after!.epochs).toBeGreaterThanOrEqual(40);
      for (const measure of ["objective", "loss"] as const) {
        const [then, now] = [before!.train[measure], after!.train[measure]];
        expect(now / then, `${measure} ${then}, ${now}`).toBeLessThan(1.01);
      }
      // Not from the start: the rows of the epochs before the kill are not learned again.
      expect(after!.updates.sent).toBeLessThan(before!.updates.sent);
    },
  );

  test("killed before the first checkpoint the run begins anew, and comes to the same model", async () => {
    const [whole, cut] = [temporaryFolder(), temporaryFolder()];
    const args = ["train", data, "--l2", "1e-5", "--epochs", "5"];
    expectDone(await glissade(args, { cwd: whole }));
    const { signal } = await glissade([...args, "--verbose"], {
      cwd: cut,
      env: signalAfter("SIGKILL", "strategy serial,"),
    });
    expect(signal).toBe("SIGKILL");
    const resumed = await glissade(["train", "--resume", "latest"], { cwd: cut });
    expectDone(resumed);
    expect(resumed.stderr).toContain("from the start");
    expect(modelIn(cut).equals(modelIn(whole))).toBe(true);
  });
});

test("an interrupted run goes on as if nothing had been", async () => {
  const [whole, cut] = [temporaryFolder(), temporaryFolder()];
  const args = ["train", data, "--l2", "1e-5", "--epochs", "60", "--verbose"];
  expectDone(await glissade(args, { cwd: whole }));
  const { code } = await glissade(args, {
    cwd: cut,
    env: signalAfter("SIGINT", "epoch 3,"),
  });
  expect(code).toBe(130);
  expectDone(await glissade(["train", "--resume", "latest"], { cwd: cut }));
  expect(modelIn(cut).equals(modelIn(whole))).toBe(true);
});

test("a damaged checkpoint is told of, and the one before it taken", async () => {
  const [whole, cut] = [temporaryFolder(), temporaryFolder()];
  const args = ["train", data, "--l2", "1e-5", "--epochs", "250", ...everyEvaluation];
  expectDone(await glissade(args, { cwd: whole }));
  expect((await killed(args, cut)).signal).toBe("SIGKILL");
  const before = damageNewest(checkpointsIn(cut));
  const resumed = await glissade(["train", "--resume", "latest"], { cwd: cut });
  expectDone(resumed);
  expect(resumed.stderr).toContain(`its checksum is wrong: going back to ${before}`);
  expect(modelIn(cut).equals(modelIn(whole))).toBe(true);
});

describe("--resume refuses with words", () => {
  test("a run that is done, one that is not there, and other settings", async () => {
    const cwd = temporaryFolder();
    expectDone(await glissade(["train", data, "--l2", "1e-5", "--epochs", "1"], { cwd }));
    const done = await glissade(["train", "--resume", "latest"], { cwd });
    expect([done.code, done.stderr]).toEqual([2, expect.stringContaining("is done")]);
    const missing = await glissade(["train", "--resume", "runs/nothing"], { cwd });
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining("no such run")]);
    await killed(["train", data, "--l2", "1e-5", "--epochs", "1000", ...everyEvaluation], cwd);
    const other = await glissade(["train", "--resume", "latest", "--l2", "1e-4"], { cwd });
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("leave out --l2")]);
  });

  test("data that have changed", async () => {
    const cwd = temporaryFolder();
    const rows = (count: number) => "+1 1:1 2:0.5\n-1 2:1 3:0.5\n".repeat(count);
    writeFileSync(join(cwd, "rows.svm"), rows(2000));
    const args = ["train", "rows.svm", "--l2", "1e-3", "--epochs", "100000", ...everyEvaluation];
    await killed(args, cwd);
    writeFileSync(join(cwd, "rows.svm"), rows(2001));
    const changed = await glissade(["train", "--resume", "latest"], { cwd });
    expect(changed.code).toBe(1);
    expect(changed.stderr).toContain("the data are not those it was learning from");
  });
});

/**
 * Runs until it said that it wrote its first checkpoint, then dies as by `kill -9`. The first always comes, as it is
 * begun after the first evaluation and waited for at the end; the run may be over before there is another, since none
 * is written while the one before is on its way to the disk.
 */
function killed(args: readonly string[], cwd: string): Promise<Outcome> {
  return glissade(args, { cwd, env: signalAfter("SIGKILL", "checkpoint-") });
}

function expectDone({ code, stderr }: Outcome): void {
  expect(code, stderr).toBe(0);
}

function modelIn(folder: string): Buffer {
  return readFileSync(join(folder, "model.safetensors"));
}

/** Paths of the latest run's checkpoints, the newest first. */
function checkpointsIn(folder: string): string[] {
  const run = readdirSync(join(folder, "runs")).sort().at(-1)!;
  return readdirSync(join(folder, "runs", run))
    .filter((name) => name.startsWith("checkpoint-"))
    .sort()
    .reverse()
    .map((name) => join(folder, "runs", run, name));
}

import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { glissade, lastObject, signalAfter, smallNews, temporaryFolder } from "./support.ts";

test.each(["bsp", "ssp", "peer-to-peer", "d-psgd"])(
  "--strategy %s trains on several workers, and no update is lost",
  async (strategy) => {
    const cwd = temporaryFolder();
    const args = ["train", smallNews, "--strategy", strategy, "--workers", "2", "--json"];
    const { code, stdout, stderr } = await glissade([...args, "--epochs", "3", "--l2", "1e-3"], {
      cwd,
    });
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(`strategy ${strategy}, engine threads, 2 workers (--workers)`);
    const result = lastObject(stdout);
    expect(result).toMatchObject({ status: "done", strategy, workers: 2, updates: { lost: 0 } });
    expect(result.updates.sent).toBeGreaterThan(0);
    const args2 = ["predict", "model.safetensors", "--quiet"];
    expect((await glissade(args2, { cwd, input: "1 1:1\n" })).code).toBe(0);
  },
);

test("without --workers there are as many as cores, and the summary says why", async () => {
  const args = ["train", smallNews, "--strategy", "bsp", "--epochs", "1", "--l2", "1e-3"];
  const { stdout, stderr, code } = await glissade(args, { cwd: temporaryFolder() });
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/\d+ workers? \((cores of this machine|CPU affinity|CPU quota).*\)/);
  if (!/ 1 worker /.test(stderr)) expect(stdout).toMatch(/bsp, \d+ workers \(cores|CPU/);
});

test("a signal stops the threads too: the best model so far, exit code 130", async () => {
  const cwd = temporaryFolder();
  const rows = "synthetic:news:rows=20000,columns=5000,seed=3";
  const args = ["train", rows, "--strategy", "asp", "--workers", "2", "--l2", "1e-5", "--json"];
  const env = signalAfter("SIGINT", "epoch 3");
  const run = [...args, "--stop", "epochs:100000"];
  const { code, stdout, stderr } = await glissade(run, { cwd, env });
  expect(code, stderr).toBe(130);
  expect(lastObject(stdout)).toMatchObject({ status: "interrupted", stopped: "interrupted" });
  expect(existsSync(join(cwd, "model.safetensors"))).toBe(true);
});

test("--values and --tolerance make updates small, say how small, and are refused with the reason where they can't", async () => {
  const cwd = temporaryFolder();
  const args = ["train", smallNews, "--workers", "2", "--epochs", "3", "--l2", "1e-3"];
  const sizeOf = async (...more: string[]) => {
    const run = ["--strategy", "peer-to-peer", "--json", ...more];
    const { code, stdout, stderr } = await glissade([...args, ...run], { cwd });
    expect(code, stderr).toBe(0);
    const { bytes, updates } = lastObject(stdout);
    expect(bytes.perUpdate).toBeCloseTo(bytes.sent / updates.sent, 6);
    return bytes.perUpdate as number;
  };
  const whole = await sizeOf();
  expect(await sizeOf("--values", "f16", "--tolerance", "0.3")).toBeLessThan(whole / 2);
  const refused = await glissade([...args, "--strategy", "bsp", "--top-k", "9"], { cwd });
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain("bsp sends everything, as its servers answer");
});

test("a run that diverges says so in one line, and saves the best model judged before", async () => {
  const cwd = temporaryFolder();
  const args = ["train", smallNews, "--strategy", "bsp", "--workers", "4", "--json"];
  const rash = ["--merge", "sum", "--rows-per-update", "100", "--step", "constant:eta0=2"];
  const rules = ["--evaluate-every", "400rows", "--stop", "epochs:50", "--loss", "log"];
  const { code, stdout, stderr } = await glissade([...args, ...rash, ...rules, "--l2", "1e-4"], {
    cwd,
  });
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/^glissade: training by bsp diverged/m),
  ]);
  expect(stderr).not.toMatch(/bug of glissade|^ +at /m);
  const error = { message: expect.stringContaining("diverged: after") };
  expect(lastObject(stdout)).toMatchObject({ status: "failed", stopped: "diverged", error });
  expect(existsSync(join(cwd, "model.safetensors"))).toBe(true);
});

import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cli, glissade, lastObject, signalAfter, temporaryFolder } from "./support.ts";

/** Rows enough, and epochs enough, for a signal to come in the middle. */
const long = [
  "train",
  "synthetic:news:rows=20000,columns=5000,seed=3",
  ...["--l2", "1e-5", "--stop", "epochs:1000000", "--json"],
];

describe("a signal while learning", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 143],
  ] as const)("%s saves the best model so far and exits with %d", async (name, exit) => {
    const cwd = temporaryFolder();
    const env = signalAfter(name, "epoch 3,");
    const { code, stdout, stderr } = await glissade(long, { cwd, env });
    expect(code, stderr).toBe(exit);
    const result = lastObject(stdout);
    expect(result).toMatchObject({ status: "interrupted", stopped: "interrupted", error: null });
    expect(result.epochs).toBeGreaterThanOrEqual(3);
    expect(existsSync(join(cwd, "model.safetensors"))).toBe(true);
    const scored = await glissade(["inspect", "model.safetensors", "--json"], { cwd });
    expect(scored.code, scored.stderr).toBe(0);
    const manifest = readFileSync(join(cwd, "runs", result.run, "manifest.json"), "utf8");
    expect(JSON.parse(manifest).result).toEqual(result);
  });
});

test("a signal while the run still chooses its settings: a model of what was learned until then", async () => {
  const cwd = temporaryFolder();
  // So many rows that choosing lasts longer than it takes the signal to be heard.
  const args = ["train", "synthetic:news:rows=150000,columns=5000,seed=3", "--json"];
  const env = signalAfter("SIGINT", "strategy ");
  const { code, stdout, stderr } = await glissade(args, { cwd, env });
  expect(code, stderr).toBe(130);
  const result = lastObject(stdout);
  expect(result).toMatchObject({ status: "interrupted", model: "model.safetensors" });
  expect(result.epochs).toBeLessThan(2);
  expect(existsSync(join(cwd, "model.safetensors"))).toBe(true);
});

test("a second signal leaves at once, and no half-written file stays", async () => {
  const cwd = temporaryFolder();
  let sent = 0;
  const { code } = await glissade([...long, "--grace", "60s"], {
    cwd,
    watch(child, said) {
      if (sent === 0 && said.includes("epoch 3,")) {
        sent = 1;
        child.kill("SIGINT");
      }
      // The first was understood; where the save is quicker than this one, it is done in full.
      if (sent === 1 && said.includes("again to leave at once")) {
        sent = 2;
        child.kill("SIGINT");
      }
    },
  });
  expect(code).toBe(130);
  expect(readdirSync(cwd).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

/** Beyond the time of a test: what ends within it ended by itself. */
const patient = ["--grace", "1h"];

test("a signal while reading ends the run as interrupted, without a model", async () => {
  const cwd = temporaryFolder();
  // Standard input that never ends: only the signal can.
  const child = spawn(process.execPath, [cli, "train", "-", "--json", ...patient], { cwd });
  let stdout = "";
  child.stdout.on("data", (text) => {
    stdout += text;
  });
  child.stdin.write("1 1:1\n");
  const folder = join(cwd, "runs");
  while (!existsSync(folder) || readdirSync(folder).length === 0) {
    await new Promise((resume) => setTimeout(resume, 20));
  }
  await new Promise((resume) => setTimeout(resume, 100));
  child.kill("SIGTERM");
  const code = await new Promise((resume) => child.on("close", resume));
  expect(code).toBe(143);
  expect(lastObject(stdout)).toMatchObject({ status: "interrupted", model: null, error: null });
  expect(existsSync(join(cwd, "model.safetensors"))).toBe(false);
});

test("a signal while a pipe has no writer yet ends the run at once", async () => {
  const cwd = temporaryFolder();
  execFileSync("mkfifo", [join(cwd, "pipe")]);
  const child = spawn(process.execPath, [cli, "train", "pipe", ...patient], { cwd });
  const ended = new Promise((resume) => child.on("close", resume));
  const folder = join(cwd, "runs");
  while (!existsSync(folder) || readdirSync(folder).length === 0) {
    await new Promise((resume) => setTimeout(resume, 20));
  }
  await new Promise((resume) => setTimeout(resume, 100));
  child.kill("SIGTERM");
  expect(await ended).toBe(143);
});

import { chmodSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { canMount, fill, mountMemory } from "./mount.ts";
import { cli, glissade, lastObject, runProcess, smallNews, temporaryFolder } from "./support.ts";

const root = process.getuid?.() === 0;

describe("folders that cannot be written are known before training starts", () => {
  test("a folder that is not there", async () => {
    const cwd = temporaryFolder();
    const { code, stderr } = await glissade(["train", smallNews, "-o", "no/such/m.safetensors"], {
      cwd,
    });
    expect(code).toBe(1);
    expect(stderr).toBe(
      "glissade: no/such/m.safetensors: its folder does not exist: create it or choose another path\n",
    );
    expect(readdirSync(cwd)).toEqual([]);
  });

  test("a folder in place of the file", async () => {
    const cwd = temporaryFolder();
    mkdirSync(join(cwd, "m"));
    const { code, stderr } = await glissade(["train", smallNews, "-o", "m"], { cwd });
    expect([code, stderr]).toEqual([
      1,
      "glissade: m: this is a folder, expected a file: add a file name\n",
    ]);
  });

  test.skipIf(root)(
    "a folder without permission (skipped for root, who may write anywhere)",
    async () => {
      const cwd = temporaryFolder();
      mkdirSync(join(cwd, "locked"));
      chmodSync(join(cwd, "locked"), 0o500);
      const { code, stderr } = await glissade(["train", smallNews, "-o", "locked/m"], { cwd });
      expect(code).toBe(1);
      expect(stderr).toContain("no permission to write there");
    },
  );

  test.skipIf(!canMount)(
    "a read-only file system (skipped where mounting is not allowed)",
    async () => {
      const cwd = temporaryFolder();
      const folder = mountMemory(join(cwd, "disk"), "size=1m,ro");
      const { code, stderr } = await glissade(["train", smallNews, "-o", `${folder}/m`], { cwd });
      expect(code).toBe(1);
      expect(stderr).toContain("the file system is read-only: choose a folder you may write to");
      const runs = await glissade(["train", smallNews, "--runs", `${folder}/runs`], { cwd });
      expect(runs.code).toBe(1);
      expect(runs.stderr).toContain("the file system is read-only");
    },
  );
});

describe.skipIf(!canMount)("a full disk (skipped where mounting is not allowed)", () => {
  test("full before training: said at the start", async () => {
    const cwd = temporaryFolder();
    const folder = mountMemory(join(cwd, "disk"), "size=64k");
    fill(folder);
    const { code, stderr } = await glissade(["train", smallNews, "-o", `${folder}/m`], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain("the disk is full: free some space or choose another disk");
    expect(existsSync(join(cwd, "runs"))).toBe(false);
  });

  test("full when the model is saved: the copy in the run's folder is named, nothing half stays", async () => {
    const cwd = temporaryFolder();
    const folder = mountMemory(join(cwd, "disk"), "size=64k");
    const wide = "synthetic:news:rows=2000,columns=50000,seed=3";
    const args = ["train", wide, "--epochs", "1", "--l2", "1e-4", "-o", `${folder}/m`, "--json"];
    const { code, stderr, stdout } = await glissade(args, { cwd });
    expect(code, stderr).toBe(1);
    expect(stderr).toContain("the disk is full");
    expect(stderr).toMatch(/the model is safe in runs\/.*\/model\.safetensors/);
    expect(lastObject(stdout)).toMatchObject({ status: "failed" });
    expect(readdirSync(folder)).toEqual([]);
  });
});

test("/dev/full takes no model: the run fails with words, not with a stack", async () => {
  const { code, stderr } = await glissade(["train", smallNews, "-o", "/dev/full"], {
    cwd: temporaryFolder(),
  });
  expect(code).toBe(1);
  expect(stderr).toContain("/dev/full: the disk is full");
  expect(stderr).not.toMatch(/^ {4}at /m);
});

test("standard output on a full disk: words and exit code 1, not a stack", async () => {
  const cwd = temporaryFolder();
  await glissade(["train", smallNews, "--epochs", "1"], { cwd });
  for (const args of [
    "runs",
    "inspect model.safetensors",
    "train synthetic:news --epochs 1 --json",
  ]) {
    const script = `"$0" "$1" ${args} > /dev/full`;
    const { code, stderr } = await runProcess("bash", ["-c", script, process.execPath, cli], {
      cwd,
    });
    expect(code, stderr).toBe(1);
    expect(stderr).toContain("glissade: standard output: the disk is full: free some space");
    expect(stderr).not.toMatch(/^ {4}at /m);
  }
});

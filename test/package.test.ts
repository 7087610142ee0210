/** The package as others get it: packed, laid into a folder of its own, loaded in both ways. */
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { runProcess, smallNews, temporaryFolder } from "./e2e/support.ts";
import { root } from "./tidy/sources.ts";

const installedBytesMax = 40_000_000;

interface LockEntry {
  readonly optionalDependencies?: Record<string, string>;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

const lock: { packages: Record<string, LockEntry> } = readJson(join(root, "package-lock.json"));
/** Folders of what the package needs at run time, in node_modules. */
const runtime = Object.entries(lock.packages).filter(([path, { dev }]) => path !== "" && !dev);

/** A folder with glissade and what it needs in node_modules, as an installation leaves it. */
async function install(folder: string): Promise<string> {
  const packed = await runProcess("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: root,
  });
  expect(packed.code, packed.stderr).toBe(0);
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
  const own = join(folder, "node_modules/glissade");
  mkdirSync(own, { recursive: true });
  const args = ["-xzf", join(folder, filename), "--strip-components=1", "-C", own];
  expect((await runProcess("tar", args)).code).toBe(0);
  for (const [path] of runtime) cpSync(join(root, path), join(folder, path), { recursive: true });
  return own;
}

test("the lock file knows the optional packages of all platforms, else npm ci refuses it", () => {
  const missing = Object.values(lock.packages)
    .flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
    .filter((name) => !Object.keys(lock.packages).some((path) => path.endsWith(`/${name}`)));
  expect(missing).toEqual([]);
});

describe("the packed package", () => {
  let folder = "";
  let own = "";

  beforeAll(async () => {
    const { mkdtempSync, rmSync } = await import("node:fs");
    const { tmpdir } = await import("node:os");
    folder = mkdtempSync(join(tmpdir(), "glissade-package-"));
    own = await install(folder);
    return () => rmSync(folder, { recursive: true, force: true });
  });

  test("with all it needs at run time it is smaller than 40 MB", () => {
    expect(bytesIn(join(folder, "node_modules"))).toBeLessThan(installedBytesMax);
  });

  test("nothing runs at installation, neither of ours nor of what it needs", () => {
    const { scripts } = readJson(join(own, "package.json"));
    for (const name of ["preinstall", "install", "postinstall", "prepare"]) {
      expect(scripts).not.toHaveProperty(name);
    }
    const scripted = runtime.filter(([, { hasInstallScript }]) => hasInstallScript);
    expect(scripted.map(([path]) => path)).toEqual([]);
  });

  test("without the package that clusters need, a cluster is refused with what to install", async () => {
    const args = ["worker", "--join", "127.0.0.1:9"];
    const { code, stderr } = await runProcess(
      process.execPath,
      [join(own, "dist/cli/main.js"), ...args],
      { cwd: folder },
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/npm install @grpc\/grpc-js/);
    expect(stderr).not.toMatch(/bug of glissade/);
  });

  test("no tests and no sources of kernels are in it, but the kernels are", () => {
    const files = readdirSync(own, { recursive: true }).map(String);
    expect(files.filter((name) => /\.test\.|assembly/.test(name))).toEqual([]);
    expect(files).toContain("dist/kernels/kernels.wasm");
    expect(files).toContain("LICENSE");
  });

  test("import and require give the same functions", async () => {
    writeFileSync(
      join(folder, "both.cjs"),
      `const required = require("glissade");
       import("glissade").then((imported) => {
         console.log(required.train === imported.train, Object.keys(required).sort().join(" "));
       });`,
    );
    const { stdout, stderr, code } = await node("both.cjs");
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^true .*\bloadDataset\b.*\btrain\b/);
  });

  test("CommonJS trains a model from rows in memory", async () => {
    writeFileSync(
      join(folder, "train.cjs"),
      `const { loadDataset, train } = require("glissade");
       async function main() {
         const rows = Array.from({ length: 100 }, (_, i) => (
           { label: i % 2, index: [1 + (i % 2), 3], value: [1, 0.5] }));
         const run = train(await loadDataset(rows), { l2: 1e-3, validation: 0, epochs: 5 });
         const { status, rows: count } = await run.result;
         console.log(status, count);
       }
       main();`,
    );
    const { stdout, stderr, code } = await node("train.cjs");
    expect(code, stderr).toBe(0);
    expect(stdout).toBe("done 100\n");
  });

  test("its types satisfy a strict TypeScript program", async () => {
    writeFileSync(
      join(folder, "user.mts"),
      `import { loadDataset, train, type RunEvent } from "glissade";
       const run = train(await loadDataset("rows.svm"), { loss: "log", l2: 1e-4 });
       for await (const event of run) report(event);
       function report(event: RunEvent): void {
         if (event.kind === "evaluated") process.stdout.write(String(event.loss));
       }
       export const accuracy: number | null | undefined = (await run.result).validation?.accuracy;\n`,
    );
    const compiler = join(root, "node_modules/.bin/tsc");
    const strict = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023"];
    const types = ["--types", "node", "--typeRoots", join(root, "node_modules/@types")];
    const args = [...strict, ...types, "--skipLibCheck", "user.mts"];
    const { stdout, code } = await runProcess(compiler, args, { cwd: folder });
    expect(code, stdout).toBe(0);
  });

  test("its command trains, predicts and leaves nothing but model and record", async () => {
    const cwd = temporaryFolder();
    const command = join(own, "dist/cli/main.js");
    const trained = await runProcess(process.execPath, [command, "train", smallNews], { cwd });
    expect(trained.code, trained.stderr).toBe(0);
    expect(readdirSync(cwd).sort()).toEqual(["model.safetensors", "runs"]);
    expect(readFileSync(command, "utf8").startsWith("#!/usr/bin/env node\n")).toBe(true);
  });

  function node(file: string) {
    return runProcess(process.execPath, [file], { cwd: folder });
  }
});

function bytesIn(path: string): number {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.size;
  return readdirSync(path).reduce((total, name) => total + bytesIn(join(path, name)), 0);
}

function readJson(path: string) {
  return JSON.parse(readFileSync(path, "utf8"));
}

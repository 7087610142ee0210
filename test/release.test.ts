/** What is released: made of what the lock file says, the same whoever builds it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runProcess } from "./e2e/support.ts";
import { root } from "./tidy/sources.ts";

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
}

interface LockEntry {
  readonly version: string;
}

function script(name: string) {
  return runProcess(process.execPath, [join(root, "scripts", name)], { cwd: root });
}

test("the SBOM names every package of the lock file, and no other", async () => {
  const { code, stdout, stderr } = await script("sbom.mjs");
  expect(code, stderr).toBe(0);
  const bom = JSON.parse(stdout) as { bomFormat: string; components: Component[] };
  expect(bom.bomFormat).toBe("CycloneDX");
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, LockEntry>;
  };
  const locked = Object.entries(lock.packages)
    .filter(([path]) => path !== "")
    .map(([path, { version }]) => `${path.split("node_modules/").at(-1)}@${version}`);
  const named = bom.components.map(({ purl }) =>
    decodeURIComponent(purl.replace(/^pkg:npm\//, "")).replace(/\?.*$/, ""),
  );
  expect([...new Set(named)].toSorted()).toEqual([...new Set(locked)].toSorted());
});

test("no package is below the version in which a known fault was mended", async () => {
  // Code 2: the registry in use answers no questions of npm audit; the floors are looked at all the same.
  const { code, stdout } = await script("audit.mjs");
  expect([0, 2], stdout).toContain(code);
  expect(stdout).toMatch(/npm audit/);
});

test("two builds in two folders are the same tarball, byte for byte", async () => {
  const { code, stdout, stderr } = await script("reproduce.mjs");
  expect(code, stdout + stderr).toBe(0);
  expect(stdout).toMatch(/^the same, byte for byte$/m);
});

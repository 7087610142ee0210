#!/usr/bin/env node
/**
 * Builds the package twice, in two folders, and compares the tarballs byte for byte. With --install each folder
 * gets its packages anew by `npm ci`, as a release does; without it both use those of this checkout.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = new URL("..", import.meta.url).pathname;
const install = process.argv.includes("--install");
const left = ["node_modules", "dist", ".git", "runs"];
const folders = ["a", "another-name"].map((name) =>
  mkdtempSync(join(tmpdir(), `glissade-${name}-`)),
);
try {
  const sums = folders.map(packIn);
  console.log(sums.join("\n"));
  const same = sums[0] === sums[1];
  console.log(same ? "the same, byte for byte" : "they differ");
  process.exitCode = same ? 0 : 1;
} finally {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

function packIn(folder) {
  for (const name of readdirSync(root)) {
    if (left.includes(name)) continue;
    cpSync(join(root, name), join(folder, name), {
      recursive: true,
      filter: (path) => !path.endsWith("kernels.wasm"),
    });
  }
  const run = (command, args) => execFileSync(command, args, { cwd: folder, stdio: "pipe" });
  if (install) run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
  else symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  run(process.execPath, ["scripts/build.mjs"]);
  const [{ filename }] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts"]));
  return `${createHash("sha256")
    .update(readFileSync(join(folder, filename)))
    .digest("hex")}  ${filename}`;
}

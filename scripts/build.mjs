#!/usr/bin/env node
/**
 * Builds dist/: the kernels (AssemblyScript to WebAssembly) and the library (tsc). Both are skipped
 * when nothing they read is newer than what they wrote. The kernels are written beside their loader in
 * src/ too, so that tests can run from source.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { bundleProgram } from "./bundle.mjs";

const root = new URL("..", import.meta.url).pathname;
const wasm = join(root, "src/kernels/kernels.wasm");
const stamp = join(root, "dist/index.js");

if (newest("src/kernels/assembly") > modified(wasm)) buildKernels();
if (newest("src") > modified(stamp) || newest("tsconfig.json") > modified(stamp)) {
  buildLibrary();
  await bundleProgram(join(root, "dist"));
}
mkdirSync(join(root, "dist/kernels"), { recursive: true });
copyFileSync(wasm, join(root, "dist/kernels/kernels.wasm"));

function buildKernels() {
  run("asc", [
    "src/kernels/assembly/index.ts",
    ...["--outFile", wasm],
    ...["--runtime", "stub", "--optimizeLevel", "3", "--shrinkLevel", "0", "--noAssert"],
    ...["--enable", "simd", "--enable", "threads", "--enable", "bulk-memory"],
    ...["--importMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
  ]);
}

function buildLibrary() {
  rmSync(join(root, "dist"), { recursive: true, force: true });
  run("tsc", ["-p", "tsconfig.json"]);
}

function run(command, args) {
  const result = spawnSync(join(root, "node_modules/.bin", command), args, {
    cwd: root,
    stdio: "inherit",
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

function newest(path) {
  const full = join(root, path);
  if (!existsSync(full)) return 0;
  const stats = statSync(full);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(0, ...readdirSync(full).map((name) => newest(join(path, name))));
}

function modified(path) {
  return existsSync(path) ? statSync(path).mtimeMs : -1;
}

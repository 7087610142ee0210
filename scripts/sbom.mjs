#!/usr/bin/env node
/** Writes what glissade is made of, as CycloneDX, from the lock file: `npm run --silent sbom > sbom.json`. */
import { spawnSync } from "node:child_process";

const args = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
const { stdout, stderr, status } = spawnSync("npm", args, {
  cwd: new URL("..", import.meta.url).pathname,
  encoding: "utf8",
  maxBuffer: 2 ** 28,
});
process.stdout.write(stdout);
if (status !== 0) process.stderr.write(stderr);
process.exitCode = status ?? 1;

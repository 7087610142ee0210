/** Runs programs and measures them from outside: seconds, processor time, peak resident memory. */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "./cache.mjs";
import { meter } from "./programs.mjs";

/** The number in the middle, or between the two middle ones. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * A folder for what timed programs write; their working folder, so that run records land there too.
 */
export const scratch = cacheFolder("scratch");

/**
 * Runs a command to its end; its standard output goes to the file `output` where one is given.
 * @returns {{ ok: boolean, seconds: number, processor: number, megabytes: number, stdout: string,
 * stderr: string }}
 */
export function run(command, args, { env = {}, output = null } = {}) {
  const target = output === null ? "pipe" : openSync(output, "w");
  const report = join(scratch, "meter.json");
  const ended = spawnSync(meter(), [report, command, ...args], {
    cwd: scratch,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1", ...env },
    maxBuffer: 1 << 26,
    stdio: ["ignore", target, "pipe"],
  });
  if (target !== "pipe") closeSync(target);
  const ok = ended.status === 0;
  const { seconds, processor, megabytes } = JSON.parse(readFileSync(report, "utf8"));
  return { ok, seconds, processor, megabytes, stdout: ended.stdout, stderr: ended.stderr };
}

/** The last line of standard output, as JSON. */
export function lastJson({ stdout }) {
  return JSON.parse(stdout.trimEnd().split("\n").at(-1));
}

/** The twin on four processes beside `replicas` on four threads: time to the serial validation loss. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "./measure.mjs";

const cli = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const workers = 4;
const sendsPerEpoch = 16;
const common = ["--l2", "1e-4", "--loss", "hinge", "--epochs", "3", "--json"];

export async function benchTwin(data) {
  const folder = mkdtempSync(join(tmpdir(), "glissade-bench-"));
  try {
    const serial = train(folder, data, ["--strategy", "serial"]);
    const goal = 1.01 * serial.result.validation.loss;
    const rows = Math.ceil(serial.result.train.rows / workers / sendsPerEpoch);
    const times = { replicas: [], bsp: [], allreduce: [] };
    for (let round = 0; round < 3; round++) {
      for (const strategy of Object.keys(times)) {
        const engine = strategy === "replicas" ? "threads" : "cluster";
        const flags = ["--strategy", strategy, "--engine", engine, "--workers", `${workers}`];
        if (engine === "cluster") flags.push("--rows-per-update", `${rows}`);
        times[strategy].push(secondsTo(goal, train(folder, data, flags).events));
      }
    }
    const replicas = median(times.replicas);
    return ["bsp", "allreduce"].map((strategy) => {
      const seconds = median(times[strategy]);
      return {
        what: `twin to ${goal.toFixed(4)} on validation rows, ${strategy}, ${workers} processes`,
        target: "at most 2x replicas on threads",
        found: `${seconds.toFixed(2)} s, replicas ${replicas.toFixed(2)} s: ${(seconds / replicas).toFixed(2)}x`,
        met: seconds <= 2 * replicas,
      };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function train(folder, data, flags) {
  const args = [cli, "train", data, ...common, ...flags, "-o", join(folder, "model.safetensors")];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...args, "--runs", folder], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  const result = JSON.parse(stdout.trim().split("\n").at(-1));
  const run = readdirSync(folder).find((name) => name === result.run);
  const lines = readFileSync(join(folder, run, "events.jsonl"), "utf8")
    .trim()
    .split("\n");
  return { result, events: lines.map((line) => JSON.parse(line)) };
}

/** Seconds of learning until a snapshot was good enough; start-up and judging do not count. */
function secondsTo(goal, events) {
  const reached = events.find(({ kind, loss }) => kind === "evaluated" && loss <= goal);
  return reached ? reached.trainSeconds : Number.POSITIVE_INFINITY;
}

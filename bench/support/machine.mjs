/** The machine that a measurement was made on, in one line. */
import { spawnSync } from "node:child_process";
import { availableParallelism, cpus, totalmem } from "node:os";

export function describeMachine() {
  const compiler = spawnSync("gcc", ["-dumpfullversion"], { encoding: "utf8" }).stdout?.trim();
  const memory = Math.round(totalmem() / 2 ** 30);
  const model = cpus()[0]?.model.replace(/\s+/g, " ").trim() ?? "unknown processor";
  const programs = `Node ${process.version}, gcc ${compiler}`;
  return `${availableParallelism()} cores, ${model}, ${memory} GiB, ${programs}`;
}

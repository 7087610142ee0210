/**
 * The coordinator of a chaos run on the task that counts, in a process of its own: `node chaos-count.mjs PLAN`, where
 * PLAN is JSON. Killed and started again it takes the run up. Lines on its standard input tell of deaths.
 */
import { readFile, rename, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { runCluster } from "../../dist/engines/cluster/cluster.js";
import { noCredentials } from "../../dist/engines/cluster/credentials.js";
import { strategyOptions } from "../../dist/strategies/strategy.js";

const plan = JSON.parse(process.argv[2]);
const { strategy, workers, seed, epochs, rowsPerWorker, options, listen, seen } = plan;
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Members are started by others, which tell of their ends. */
async function launch(_orders, onEnd) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => onEnd(JSON.parse(line)));
  const end = async () => {
    lines.close();
    process.stdin.destroy();
  };
  return { processes: [], ended: Promise.resolve(), [Symbol.asyncDispose]: end };
}

const state = {
  async read() {
    const text = await readFile("cluster.json", "utf8").catch(() => null);
    return text === null ? [] : [{ name: "cluster.json", text }];
  },
  async write(text) {
    await writeFile("cluster.json.new", text);
    await rename("cluster.json.new", "cluster.json");
  },
  warn: (line) => process.stderr.write(`${line}\n`),
};

const { model, telemetry } = await runCluster({
  ...{ strategy: { name: strategy }, workers, seed, epochs },
  options: strategyOptions(options),
  task: { kind: "ledger", spec: { workers, rowsPerWorker } },
  cluster: {
    ...{ listen, credentials: noCredentials, launch: seen ? launch : null, state },
    onEvent: say,
  },
});
const members = telemetry.members.map(({ updates, lost, finishedSeconds }) => {
  return { updates, lost, finished: finishedSeconds > 0 };
});
const drops = Object.fromEntries(telemetry.drops);
await writeFile("result.json", JSON.stringify({ values: [...model.values], members, drops }));

import { formatRate } from "../report/format.ts";
import { measureCosts } from "../run/measured-costs.ts";
import { type CommandContext, type CommandDefinition, exitCode } from "./command.ts";

export const measureCommand: CommandDefinition = {
  name: "measure",
  description:
    "Measure what learning a row and sending a message between threads cost on this machine, for glissade simulate --costs.",
  arguments: [],
  settings: ["quiet", "color"],
  examples: ["glissade measure > costs.json"],
  run: measure,
};

async function measure({ output }: CommandContext): Promise<number> {
  const costs = await measureCosts();
  output.note(
    `${formatRate(1 / costs.learnSecondsPerRow)} rows/s a worker, ${(1e6 * costs.latencySeconds).toFixed(1)} us a message, ${(costs.bytesPerSecond / 1e9).toPrecision(3)} GB/s`,
  );
  output.result(JSON.stringify(costs));
  return exitCode.done;
}

import { checkStrategy, reportLines } from "../engines/simulator/check.ts";
import { loadStrategy, strategySource } from "../engines/strategy-source.ts";
import { type CommandContext, type CommandDefinition, exitCode, UsageError } from "./command.ts";

export const checkCommand: CommandDefinition = {
  name: "check",
  description:
    "Check a strategy in the simulator: every law under many random schedules. The first seed that breaks a law is shown with the command that replays it.",
  arguments: [{ syntax: "<strategy>", description: "a file such as ./mine.ts, or a name" }],
  settings: ["schedules", "seed", "json", "quiet", "verbose", "color"],
  examples: [
    "glissade check ./mine.ts",
    "glissade check ./mine.ts --seed 184 --schedules 1",
    "glissade check dssp --schedules 10000",
  ],
  run: check,
};

async function check({ arguments: args, settings, output }: CommandContext): Promise<number> {
  const [source] = args;
  if (source === undefined) throw new UsageError("check needs a strategy, as in ./mine.ts");
  const strategy = await loadStrategy(strategySource(source));
  const { schedules, seed } = settings;
  const report = checkStrategy(strategy, { schedules, seed, source });
  if (output.json) {
    const status = report.passed ? "done" : "failed";
    output.result(JSON.stringify({ glissade: "1", command: "check", status, ...report }));
  } else {
    for (const line of reportLines(report)) output.result(line);
  }
  return report.passed ? exitCode.done : exitCode.failed;
}

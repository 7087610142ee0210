import { checkStrategy, reportLines } from "../engines/simulator/check.ts";
import { checkUnderFaults } from "../engines/simulator/fault-laws.ts";
import { loadStrategy, strategySource } from "../engines/strategy-source.ts";
import { type CommandContext, type CommandDefinition, exitCode, UsageError } from "./command.ts";
import { jsonObject } from "./output.ts";

export const checkCommand: CommandDefinition = {
  name: "check",
  description:
    "Check a strategy in the simulator: every law under many random schedules, or with --fault-seed the laws of members that come and go under random faults. The first seed that breaks a law is shown with the command that replays it.",
  arguments: [{ syntax: "<strategy>", description: "a file such as ./mine.ts, or a name" }],
  settings: ["schedules", "seed", "faultSeed", "json", "quiet", "verbose", "color"],
  examples: [
    "glissade check ./mine.ts",
    "glissade check ./mine.ts --seed 184 --schedules 1",
    "glissade check dssp --schedules 10000",
    "glissade check bsp --fault-seed 1 --schedules 200",
  ],
  run: check,
};

async function check({ arguments: args, settings, output }: CommandContext): Promise<number> {
  const [source] = args;
  if (source === undefined) throw new UsageError("check needs a strategy, as in ./mine.ts");
  const strategy = await loadStrategy(strategySource(source));
  const { schedules, seed, faultSeed } = settings;
  const report =
    faultSeed === null
      ? checkStrategy(strategy, { schedules, seed, source })
      : checkUnderFaults(strategy, { schedules, seed: faultSeed, source });
  if (output.json) {
    const wrong = report.passed ? null : reportLines(report).join("; ");
    output.result(jsonObject("check", { ...report }, wrong));
  } else {
    for (const line of reportLines(report)) output.result(line);
  }
  return report.passed ? exitCode.done : exitCode.failed;
}

import { existsSync, writeFileSync } from "node:fs";
import { basename, extname } from "node:path";
import { strategyTemplate } from "../engines/strategy-template.ts";
import { type CommandContext, type CommandDefinition, exitCode, UsageError } from "./command.ts";

export const newCommand: CommandDefinition = {
  name: "new",
  description:
    "Write a strategy of your own to begin with: rounds among peers, in one file, which `glissade check` passes.",
  arguments: [
    { syntax: "<what>", description: "strategy" },
    { syntax: "[file]", description: "where to; ./my-strategy.ts without it" },
  ],
  settings: ["quiet", "verbose", "color"],
  examples: ["glissade new strategy", "glissade new strategy ./push-sum.ts"],
  run: create,
};

async function create({ arguments: args, output }: CommandContext): Promise<number> {
  const [what, file = "./my-strategy.ts"] = args;
  if (what !== "strategy") throw new UsageError(`new writes a strategy, not ${what ?? "nothing"}`);
  if (extname(file) !== ".ts") {
    throw new UsageError(
      `expected a file that ends in .ts, found ${file}: try glissade new strategy ${file}.ts`,
    );
  }
  if (existsSync(file)) throw new UsageError(`${file} exists, and is left as it is`);
  writeFileSync(file, strategyTemplate(basename(file, ".ts")));
  output.result(file);
  output.note(`next: glissade check ${file}`);
  return exitCode.done;
}

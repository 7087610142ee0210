/** The command line: finds the command, reads its settings, runs it, turns failures into exit codes. */
import { Command, CommanderError } from "commander";
import { version } from "../version.ts";
import { type CommandDefinition, exitCode } from "./command.ts";
import { createOutput, jsonObject, type Output, watchOutput } from "./output.ts";

interface CommandEntry {
  readonly summary: string;
  /** Loads the command's own file, and with it what it needs, on first use. */
  readonly load: () => Promise<CommandDefinition>;
}

const commands: Readonly<Record<string, CommandEntry>> = {
  train: {
    summary: "train a model from files of rows",
    load: async () => (await import("./train.ts")).trainCommand,
  },
  predict: {
    summary: "predict rows with a model",
    load: async () => (await import("./predict.ts")).predictCommand,
  },
  evaluate: {
    summary: "judge a model on labelled rows",
    load: async () => (await import("./evaluate.ts")).evaluateCommand,
  },
  convert: {
    summary: "write rows as a block file, which is read many times faster",
    load: async () => (await import("./convert.ts")).convertCommand,
  },
  compare: {
    summary: "train with several strategies and compare them",
    load: async () => (await import("./compare.ts")).compareCommand,
  },
  simulate: {
    summary: "run strategies with many workers in virtual time",
    load: async () => (await import("./simulate.ts")).simulateCommand,
  },
  measure: {
    summary: "measure costs of this machine for simulate",
    load: async () => (await import("./measure.ts")).measureCommand,
  },
  inspect: {
    summary: "describe a data set or a model",
    load: async () => (await import("./inspect.ts")).inspectCommand,
  },
  check: {
    summary: "check a strategy of your own in the simulator",
    load: async () => (await import("./check.ts")).checkCommand,
  },
  new: {
    summary: "write a strategy of your own to begin with",
    load: async () => (await import("./new.ts")).newCommand,
  },
  coordinator: {
    summary: "coordinate a run whose members join from anywhere",
    load: async () => (await import("./coordinator.ts")).coordinatorCommand,
  },
  worker: {
    summary: "join a run as one of its members",
    load: async () => (await import("./worker.ts")).workerCommand,
  },
  status: {
    summary: "say how a run of a cluster goes",
    load: async () => (await import("./cluster-calls.ts")).statusCommand,
  },
  scale: {
    summary: "change how many workers a run of a cluster has",
    load: async () => (await import("./scale.ts")).scaleCommand,
  },
  stop: {
    summary: "end a run of a cluster in good order",
    load: async () => (await import("./cluster-calls.ts")).stopCommand,
  },
  cluster: {
    summary: "make certificates and tokens for a cluster",
    load: async () => (await import("./cluster-files.ts")).clusterCommand,
  },
  doctor: {
    summary: "find out whether this machine can join a run",
    load: async () => (await import("./doctor.ts")).doctorCommand,
  },
  runs: {
    summary: "list the records of runs, or show one",
    load: async () => (await import("./runs.ts")).runsCommand,
  },
};

/** Runs the command that these arguments ask for; returns the exit code. Never throws. */
export async function runProgram(args: readonly string[]): Promise<number> {
  watchOutput();
  let code: number = exitCode.done;
  const program = createProgram();
  try {
    const chosen = await loadChosen(args);
    for (const [name, entry] of Object.entries(commands)) {
      const command = program.command(name).summary(entry.summary).description(entry.summary);
      if (chosen?.name === name) {
        await configure(command, chosen, async (definition, context) => {
          code = await runCommand(definition, context);
        });
      }
    }
    if (args.length === 0) {
      program.outputHelp({ error: true });
      return exitCode.wrongUse;
    }
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return exitCode.done;
      const output = failureOutput(args);
      const words = error.message.replace(/^error: /, "").replaceAll("\n", " ");
      if (output.json) output.result(jsonObject(args[0] ?? "", {}, words));
      return exitCode.wrongUse;
    }
    const { reportFailure } = await import("./failure.ts");
    return reportFailure(error, failureOutput(args), { command: args[0] ?? "" });
  }
}

function createProgram(): Command {
  return new Command("glissade")
    .description(
      "Distributed stochastic gradient descent for sparse data: linear models from millions of rows.",
    )
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .configureHelp({
      sortSubcommands: false,
      showGlobalOptions: false,
      // Descriptions have their defaults in them.
      optionDescription: ({ description }) => description,
    })
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, "glissade: ")),
    })
    .showSuggestionAfterError(true)
    .exitOverride()
    .addHelpText(
      "after",
      `
Examples:
  glissade train news.svm.gz
  glissade predict model.safetensors new.svm > predictions.txt
  glissade help train

Results go to standard output, all else to standard error.
Exit codes: 0 done, 1 failed, 2 wrong use, 3 a --require not met, 4 a worker whose coordinator
never came back, 130 ctrl-C, 143 SIGTERM; a worker that leaves in good order when asked: 0.`,
    );
}

async function loadChosen(args: readonly string[]): Promise<CommandDefinition | null> {
  const name = args[0] === "help" ? args[1] : args[0];
  const entry = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  return entry === undefined ? null : entry.load();
}

interface Invocation {
  readonly positional: readonly string[];
  readonly flags: Readonly<Record<string, unknown>>;
}

type Invoke = (definition: CommandDefinition, invocation: Invocation) => Promise<void>;

async function configure(
  command: Command,
  definition: CommandDefinition,
  invoke: Invoke,
): Promise<void> {
  const { addCommonOptions, addSettingOptions } = await import("./options.ts");
  command.description(definition.description);
  for (const { syntax, description } of definition.arguments) {
    command.argument(syntax, description);
  }
  addSettingOptions(command, definition.settings, definition.wordings);
  addCommonOptions(command);
  const examples = definition.examples.map((line) => `  ${line}\n`).join("");
  command.addHelpText(
    "after",
    `\nExamples:\n${examples}
Every setting can also stand in glissade.yaml (rows-per-update: 64) or in the environment
(GLISSADE_ROWS_PER_UPDATE=64); a flag wins over the environment, that over the file.`,
  );
  command.action(async (...received: unknown[]) => {
    const positional = received.slice(0, definition.arguments.length).flat();
    await invoke(definition, {
      positional: positional.filter((value) => value !== undefined) as string[],
      flags: command.opts(),
    });
  });
}

async function runCommand(
  definition: CommandDefinition,
  { positional, flags }: Invocation,
): Promise<number> {
  const { printConfig, resolveSettings } = await import("../run/settings-origin.ts");
  const { readConfigFile } = await import("../run/config-file.ts");
  const config = await readConfigFile((flags.config as string | undefined) ?? null);
  const resolved = resolveSettings({ flags, environment: process.env, config });
  const output = createOutput(resolved.settings);
  if (flags.printConfig === true) {
    process.stdout.write(printConfig(resolved, definition.settings));
    return exitCode.done;
  }
  try {
    const { settings } = resolved;
    return await definition.run({ arguments: positional, settings, resolved, output });
  } catch (error) {
    const { reportFailure } = await import("./failure.ts");
    return reportFailure(error, output, { command: definition.name });
  }
}

/** Output for a failure before the settings are known: only the arguments can say how. */
function failureOutput(args: readonly string[]): Output {
  return createOutput({
    quiet: false,
    verbose: args.includes("--verbose") || args.includes("-v"),
    color: !args.includes("--no-color"),
    json: args.includes("--json"),
  });
}

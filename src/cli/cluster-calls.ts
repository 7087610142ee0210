/** `glissade status` and `glissade stop`: calls to the coordinator, or a member, of a run. */
import { credentialSettings, credentialsFor } from "./cluster-credentials.ts";
import { type CommandContext, type CommandDefinition, exitCode, UsageError } from "./command.ts";
import { jsonObject } from "./output.ts";
import { statusJson, statusLines } from "./status-text.ts";
import { resultColumns } from "./wrap.ts";

const common = ["join", ...credentialSettings, "json", "quiet", "verbose", "color"] as const;

export const statusCommand: CommandDefinition = {
  name: "status",
  description:
    "Say how a run goes: its members, what each does, and for whom, since when and until when it waits.",
  arguments: [],
  settings: common,
  examples: ["glissade status --join 10.0.0.5:7650 --credentials secrets/observe"],
  run: showStatus,
};

export const stopCommand: CommandDefinition = {
  name: "stop",
  description:
    "End a run in good order (join: its coordinator), or have one member leave it (join: that member).",
  arguments: [],
  settings: common,
  examples: ["glissade stop --join 10.0.0.5:7650 --credentials secrets/admin"],
  run: stopRun,
};

async function showStatus({ settings, output }: CommandContext): Promise<number> {
  const { askStatus } = await import("../engines/cluster/public.ts");
  const status = await askStatus(await targetOf(settings, "status"));
  if (output.json) output.result(statusJson(status));
  else for (const line of statusLines(status, resultColumns())) output.result(line);
  return exitCode.done;
}

async function stopRun({ settings, output }: CommandContext): Promise<number> {
  const { askStop } = await import("../engines/cluster/public.ts");
  const { state } = await askStop(await targetOf(settings, "stop"), "asked by glissade stop");
  if (output.json) output.result(jsonObject("stop", { state }));
  else output.result(state);
  return exitCode.done;
}

async function targetOf(settings: CommandContext["settings"], command: string) {
  const { join } = settings;
  if (join !== null)
    return { address: join, credentials: await credentialsFor(settings, join, "call") };
  throw new UsageError(`${command}: expected --join HOST:PORT of the run, found none`);
}

/** `glissade cluster`: makes the certificates and tokens of a cluster, and new certificates later. */
import { join } from "node:path";
import { type CommandContext, type CommandDefinition, exitCode, UsageError } from "./command.ts";
import { jsonObject } from "./output.ts";

export const clusterCommand: CommandDefinition = {
  name: "cluster",
  description:
    "Make what the processes of a cluster need to know each other on a network: an authority, certificates, tokens.",
  arguments: [
    { syntax: "[action]", description: "init: make a folder; renew: new certificates in it" },
    { syntax: "[folder]", description: "where; keep its part authority/ to yourself" },
  ],
  settings: ["json", "quiet", "color"],
  examples: ["glissade cluster init secrets", "glissade cluster renew secrets"],
  run: make,
};

async function make({ arguments: given, output }: CommandContext): Promise<number> {
  const [action, folder] = given;
  if ((action !== "init" && action !== "renew") || folder === undefined) {
    throw new UsageError(
      `cluster: expected init FOLDER or renew FOLDER, found "${given.join(" ")}"`,
    );
  }
  const { initCluster, renewCluster } = await import("../deploy/authority.ts");
  await (action === "init" ? initCluster(folder) : renewCluster(folder));
  if (output.json) {
    output.result(jsonObject("cluster", { folder }));
    return exitCode.done;
  }
  for (const line of action === "init" ? madeLines(folder) : renewedLines(folder)) {
    output.result(line);
  }
  return exitCode.done;
}

function madeLines(folder: string): string[] {
  const part = (name: string) => join(folder, name);
  return [
    `made ${folder}; give each process its part, and keep ${part("authority")} to yourself:`,
    `  coordinator, scale, stop  --credentials ${part("admin")}`,
    `  workers, doctor           --credentials ${part("work")}`,
    `  status                    --credentials ${part("observe")}`,
    `next: glissade coordinator FILES --credentials ${part("admin")}`,
  ];
}

function renewedLines(folder: string): string[] {
  return [
    `made new certificates in ${folder}; copy them over those in use: processes take them within seconds`,
  ];
}

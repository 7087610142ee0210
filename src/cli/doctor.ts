/** `glissade doctor`: whether this machine can join a run, one line for each thing that can be wrong. */
import { lookup } from "node:dns/promises";
import { cpus } from "node:os";
import type { Credentials } from "../engines/cluster/credentials.ts";
import type { StatusReply } from "../engines/cluster/public.ts";
import { describeMachine } from "../run/machine.ts";
import { version } from "../version.ts";
import { credentialSettings, credentialsFor } from "./cluster-credentials.ts";
import { type CommandContext, type CommandDefinition, exitCode } from "./command.ts";

export const doctorCommand: CommandDefinition = {
  name: "doctor",
  description:
    "Find out whether this machine can join a run: Node, cores, memory, proxy, limits; with --join also name, port, version and token.",
  arguments: [],
  settings: ["join", ...credentialSettings, "json", "quiet", "verbose", "color"],
  examples: ["glissade doctor", "glissade doctor --join 10.0.0.5:7650 --credentials secrets/work"],
  run: examine,
};

/** One thing that was looked at. */
interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly text: string;
}

async function examine({ settings, output }: CommandContext): Promise<number> {
  const { join } = settings;
  const findings = [...ownFindings()];
  if (join !== null)
    findings.push(...(await findingsOf(join, await credentialsFor(settings, join, "call"))));
  const ok = findings.every((finding) => finding.ok);
  if (output.json)
    output.result(JSON.stringify({ glissade: "1", command: "doctor", ok, findings }));
  else {
    for (const { name, ok: fine, text } of findings) {
      output.result(`${fine ? "ok    " : "wrong "} ${name}: ${text}`);
    }
  }
  return ok ? exitCode.done : exitCode.failed;
}

function ownFindings(): Finding[] {
  const { cores, memoryBytes, memoryReason } = describeMachine();
  const proxy = Object.keys(process.env).find((name) => /^https?_proxy$|^grpc_proxy$/i.test(name));
  return [
    { name: "glissade", ok: true, text: `${version}, Node ${process.versions.node}` },
    {
      name: "processor",
      ok: true,
      text: `${cpus()[0]?.model ?? "unknown"}, ${cores.count} ${cores.reason}`,
    },
    { name: "memory", ok: true, text: `${Math.round(memoryBytes / 2 ** 20)} MiB, ${memoryReason}` },
    {
      name: "proxy",
      ok: true,
      text:
        proxy === undefined ? "none" : `${proxy} is set; members do not use it among themselves`,
    },
  ];
}

/** Name, port, version, token and clock, in this order: what fails first explains the rest. */
async function findingsOf(join: string, credentials: Credentials): Promise<Finding[]> {
  const host = join.replace(/^dns:/, "").replace(/:\d+$/, "");
  const name = await lookup(host).then(
    ({ address }) => ({ name: "name", ok: true, text: `${host} is ${address}` }),
    (error: Error) => ({ name: "name", ok: false, text: `${host}: ${error.message}` }),
  );
  if (!name.ok) return [name];
  const { askStatus } = await import("../engines/cluster/public.ts");
  const began = performance.now();
  try {
    const status = await askStatus({ address: join, credentials });
    const text = `answers in ${(performance.now() - began).toFixed(0)} ms: ${status.role}, ${status.state}`;
    return [name, { name: "coordinator", ok: true, text }, versionFinding(status)];
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return [name, { name: "coordinator", ok: false, text }];
  }
}

function versionFinding({ handshake }: StatusReply): Finding {
  const theirs = handshake?.version ?? "unknown";
  const text = theirs === version ? theirs : `${theirs} there, ${version} here: install the same`;
  return { name: "version", ok: theirs === version, text };
}

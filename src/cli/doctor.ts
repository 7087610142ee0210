/** `glissade doctor`: whether this machine can join a run, one line for each thing that can be wrong. */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { describeMachine } from "../run/machine.ts";
import { version } from "../version.ts";
import { credentialSettings, credentialsFor } from "./cluster-credentials.ts";
import { type CommandContext, type CommandDefinition, exitCode } from "./command.ts";
import { jsonObject } from "./output.ts";
import { resultColumns, wrapLine } from "./wrap.ts";

export const doctorCommand: CommandDefinition = {
  name: "doctor",
  description:
    "Find out whether this machine can join a run: Node, cores, memory, proxy, open files; with --join also names, ports both ways, token, version and clock.",
  arguments: [],
  settings: [
    ...(["join", "listen", "advertise", "portRange", "interface"] as const),
    ...credentialSettings,
    ...(["json", "quiet", "verbose", "color"] as const),
  ],
  examples: ["glissade doctor", "glissade doctor --join 10.0.0.5:7650 --credentials secrets/work"],
  run: examine,
};

/** One thing that was looked at. */
export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly text: string;
}

/** A member has a connection to each other one, and files of its own. */
const openFilesMin = 1024;

async function examine({ settings, output }: CommandContext): Promise<number> {
  const { join } = settings;
  const findings = [...ownFindings()];
  if (join !== null) {
    const { joinFindings } = await import("./doctor-join.ts");
    const credentials = await credentialsFor(settings, join, "call");
    findings.push(...(await joinFindings(join, settings, credentials)));
  }
  const ok = findings.every((finding) => finding.ok);
  if (output.json) output.result(jsonObject("doctor", { ok, findings }, wrongOf(findings)));
  else {
    for (const { name, ok: fine, text } of findings) {
      const line = `${fine ? "ok    " : "wrong "} ${name}: ${text}`;
      for (const part of wrapLine(line, resultColumns(), "       ")) output.result(part);
    }
  }
  return ok ? exitCode.done : exitCode.failed;
}

/** What is wrong, in one line; null where nothing is. */
function wrongOf(findings: readonly Finding[]): string | null {
  const wrong = findings.filter(({ ok }) => !ok).map(({ name, text }) => `${name}: ${text}`);
  return wrong.length === 0 ? null : wrong.join("; ");
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
    ...openFiles(),
  ];
}

/** The limit of the process, where the system tells it. */
function openFiles(): Finding[] {
  try {
    const line = /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    if (!line) return [];
    const most = line[1] === "unlimited" ? Number.POSITIVE_INFINITY : Number(line[1]);
    const ok = most >= openFilesMin;
    const advice = `: allow at least ${openFilesMin} by "ulimit -n ${openFilesMin}"`;
    return [{ name: "open files", ok, text: `at most ${line[1]}${ok ? "" : advice}` }];
  } catch {
    return [];
  }
}

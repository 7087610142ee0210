/** `glissade scale`: more or fewer workers for a run that goes, as processes of this machine. */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Credentials } from "../engines/cluster/credentials.ts";
import type { MemberStatus } from "../engines/cluster/public.ts";
import { credentialSettings, credentialsFor } from "./cluster-credentials.ts";
import { type CommandContext, type CommandDefinition, exitCode, UsageError } from "./command.ts";

export const scaleCommand: CommandDefinition = {
  name: "scale",
  description:
    "Change how many workers a run has: starts workers on this machine for seats that are free, or asks those of the highest ranks to leave.",
  arguments: [{ syntax: "<workers>", description: "workers the run is to have" }],
  settings: ["join", ...credentialSettings, "runs", "json", "quiet", "verbose", "color"],
  examples: ["glissade scale 2 --join 10.0.0.5:7650 --credentials secrets/admin"],
  run: scale,
};

/** Workers have joined, or left, within this time. */
const scaleSecondsMax = 60;
const lookAgainMs = 200;
const goneStates: readonly string[] = ["left", "dead", "silent"];

interface Started {
  readonly process: number;
  readonly log: string;
  /** Null while it runs. */
  code: number | null;
}

interface Target {
  readonly address: string;
  readonly credentials: Credentials;
}

async function scale(context: CommandContext): Promise<number> {
  const { output } = context;
  const { wanted, target } = await readRequest(context);
  const before = await workersOf(target);
  const leaving = before.slice(wanted);
  await askToLeave(leaving, target, (line) => output.note(line));
  const started: Started[] = [];
  for (let k = before.length; k < wanted; k++) started.push(await startWorker(context, target, k));
  for (const one of started)
    output.note(`started process ${one.process}; what it says: ${one.log}`);
  const workers = await settle(target, { wanted, stay: before.length - leaving.length, started });
  const left = leaving.map(({ rank }) => rank);
  const found = { before: before.length, workers, wanted, started, left };
  if (output.json) output.result(JSON.stringify({ glissade: "1", command: "scale", ...found }));
  else output.result(`${workers} workers, ${before.length} before`);
  if (workers === wanted) return exitCode.done;
  output.error(`asked for ${wanted} workers, there are ${workers}${lastWords(started)}`);
  return exitCode.failed;
}

async function readRequest({ settings, arguments: [text] }: CommandContext) {
  const { join: address } = settings;
  if (address === null) {
    throw new UsageError("scale: expected --join HOST:PORT of the run, found none");
  }
  const wanted = Number(text);
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 4096) {
    throw new UsageError(`scale: expected a number of workers from 1 to 4096, found "${text}"`);
  }
  const target: Target = { address, credentials: await credentialsFor(settings, address, "call") };
  return { wanted, target };
}

/** Workers that take part, by rank. */
async function workersOf(target: Target): Promise<MemberStatus[]> {
  const { askStatus } = await import("../engines/cluster/public.ts");
  const { role, members } = await askStatus(target);
  if (role !== "coordinator") {
    throw new UsageError(`scale: expected --join to be the run's coordinator, found a ${role}`);
  }
  return members.filter((member) => member.role === "worker" && !goneStates.includes(member.state));
}

async function askToLeave(
  members: readonly MemberStatus[],
  { credentials }: Target,
  note: (line: string) => void,
): Promise<void> {
  const { askStop } = await import("../engines/cluster/public.ts");
  for (const { rank, address } of members) {
    note(`asking worker ${rank} at ${address} to leave`);
    await askStop({ address, credentials }, "asked by glissade scale");
  }
}

/** A worker that outlives this command, as it belongs to the run. */
async function startWorker(
  { settings }: CommandContext,
  { address, credentials }: Target,
  number: number,
): Promise<Started> {
  const { environmentFor } = await import("../engines/cluster/credentials.ts");
  const folder = join(settings.runs, "scale");
  mkdirSync(folder, { recursive: true });
  const log = join(folder, `worker-${Date.now()}-${number}.log`);
  const file = openSync(log, "w");
  const program = fileURLToPath(new URL("./main.js", import.meta.url));
  const child = spawn(process.execPath, [program, "worker", "--join", address], {
    detached: true,
    env: { ...process.env, ...environmentFor(credentials) },
    stdio: ["ignore", "ignore", file],
  });
  closeSync(file);
  const started: Started = { process: child.pid ?? 0, log, code: null };
  child.on("error", () => {
    started.code = exitCode.failed;
  });
  child.on("exit", (code) => {
    started.code = code ?? exitCode.failed;
  });
  child.unref();
  return started;
}

/** Looks until there are as many as wanted, nobody is left who could come, or the time is over. */
async function settle(
  target: Target,
  { wanted, stay, started }: { wanted: number; stay: number; started: readonly Started[] },
): Promise<number> {
  const until = Date.now() + 1000 * scaleSecondsMax;
  for (;;) {
    const isOver = Date.now() > until;
    const { length } = await workersOf(target);
    // All that did not end are there, or nobody is left who could come.
    const alive = started.filter(({ code }) => code === null).length;
    const isHopeless = alive < started.length && (alive === 0 || length >= stay + alive);
    if (length === wanted || isOver || isHopeless) return length;
    await delay(lookAgainMs);
  }
}

/** What those that ended said last. */
function lastWords(started: readonly Started[]): string {
  const ended = started.find(({ code }) => code !== null);
  if (!ended) return "";
  return `: ${readFileSync(ended.log, "utf8").trimEnd().split("\n").at(-1) ?? ""}`;
}

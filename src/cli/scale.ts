/** `glissade scale`: more or fewer workers for a run that goes, as processes of this machine. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Credentials } from "../engines/cluster/credentials.ts";
import type { MemberStatus, StatusReply } from "../engines/cluster/public.ts";
import { usableCores } from "../run/machine.ts";
import { credentialSettings, credentialsFor } from "./cluster-credentials.ts";
import { type CommandContext, type CommandDefinition, exitCode, UsageError } from "./command.ts";
import { jsonObject } from "./output.ts";
import { Signals } from "./signals.ts";
import { startInGroups } from "./start-groups.ts";

export const scaleCommand: CommandDefinition = {
  name: "scale",
  description:
    "Change how many workers a run has: starts workers on this machine for seats that are free, or asks those of the highest ranks to leave.",
  arguments: [{ syntax: "<workers>", description: "workers the run is to have" }],
  settings: [
    "join",
    "startLimit",
    ...credentialSettings,
    ...(["runs", "json", "quiet", "verbose", "color"] as const),
  ],
  examples: ["glissade scale 2 --join 10.0.0.5:7650 --credentials secrets/admin"],
  run: scale,
};

/** Those that were started together have joined, and those that were asked have left, within this time. */
const scaleSecondsMax = 60;
const lookAgainMs = 200;
/** Processes that did not get in are asked to end, and after this time ended. */
const endSecondsMax = 3;
/** So many start at the same time, and the next once these are in: starting takes more of a machine than learning. */
const startsTogetherMax = 4;
/** Small machines may start so many, to try things out. */
const startLimitMin = 4;
const goneStates: readonly string[] = ["left", "dead", "silent"];
const insideStates: readonly string[] = ["ready", "running", "finished"];

interface Started {
  readonly process: number;
  readonly log: string;
  readonly child: ChildProcess;
  /** Null while it runs. */
  code: number | null;
  /** It takes part in the run, and lives on. */
  isInside: boolean;
}

interface Target {
  readonly address: string;
  readonly credentials: Credentials;
}

async function scale(context: CommandContext): Promise<number> {
  const { output, settings } = context;
  const { wanted, target } = await readRequest(context);
  const status = await statusOf(target);
  const before = workersOf(status);
  refuseTooMany(wanted, { status, before: before.length, limit: startLimit(settings) });
  const leaving = before.slice(wanted);
  await askToLeave(leaving, target, (line) => output.note(line));
  const started: Started[] = [];
  const missing = Math.max(0, wanted - before.length);
  using signals = new Signals({
    graceSeconds: settings.grace,
    onFirst: () => output.note("ends those that did not get in, and leaves"),
  });
  try {
    await signals.race(startAll(missing, { context, target, started, signal: signals.signal }));
    await signals.race(settle(target, wanted));
  } catch (error) {
    if (signals.received === null) throw error;
    return signals.exitCode;
  } finally {
    await endOutsiders(started, (line) => output.note(line));
  }
  const workers = workersOf(await statusOf(target)).length;
  const left = leaving.map(({ rank }) => rank);
  const found = { before: before.length, workers, wanted, started: started.map(shownOf), left };
  const short = `asked for ${wanted} workers, there are ${workers}${lastWords(started)}`;
  const wrong = workers === wanted ? null : short;
  if (output.json) output.result(jsonObject("scale", found, wrong));
  else output.result(`${workers} workers, ${before.length} before`);
  if (wrong === null) return exitCode.done;
  output.error(wrong);
  return exitCode.failed;
}

function shownOf({ process, log, code }: Started) {
  return { process, log, code };
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

async function statusOf(target: Target): Promise<StatusReply> {
  const { askStatus } = await import("../engines/cluster/public.ts");
  const status = await askStatus(target);
  if (status.role === "coordinator") return status;
  throw new UsageError(
    `scale: expected --join to be the run's coordinator, found a ${status.role}`,
  );
}

/** Workers that take part, by rank. */
function workersOf({ members }: StatusReply): MemberStatus[] {
  return members.filter((member) => member.role === "worker" && !goneStates.includes(member.state));
}

/** How many processes this machine may start at most, and why. */
function startLimit({ startLimit: asked }: Pick<CommandContext["settings"], "startLimit">) {
  if (asked !== "auto") return { most: asked, reason: "--start-limit" };
  const { count, reason } = usableCores();
  return { most: Math.max(startLimitMin, count), reason: `${count} ${reason}` };
}

/**
 * Nothing is started that could not get in, or that this machine could not bear.
 * @throws UsageError that says how many there may be.
 */
function refuseTooMany(
  wanted: number,
  of: {
    readonly status: Pick<StatusReply, "workerSeats" | "state">;
    readonly before: number;
    readonly limit: { readonly most: number; readonly reason: string };
  },
): void {
  const { status, before, limit } = of;
  const { workerSeats, state } = status;
  if (wanted > Math.max(workerSeats, before)) {
    const until = state === "gathering" ? " until it begins" : "";
    throw new UsageError(
      `scale: expected at most ${workerSeats} workers, as many as this run has seats for${until}, found ${wanted}: nothing was started. A run that is begun with more --workers has more seats`,
    );
  }
  const missing = wanted - before;
  if (missing <= limit.most) return;
  throw new UsageError(
    `scale: ${wanted} workers are ${missing} more than the ${before} there are, and this machine starts at most ${limit.most} (${limit.reason}): nothing was started. Ask for at most ${before + limit.most}, allow more by --start-limit ${missing}, or start glissade worker --join on other machines`,
  );
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

/** Starts so many, a few at a time, for as long as those before got in and nobody asked to stop. */
async function startAll(
  missing: number,
  of: {
    readonly context: CommandContext;
    readonly target: Target;
    readonly started: Started[];
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { context, target, started, signal } = of;
  const { environmentFor } = await import("../engines/cluster/credentials.ts");
  const environment = { ...process.env, ...environmentFor(target.credentials) };
  await startInGroups({
    ...{ count: missing, together: startsTogetherMax, signal },
    start: (number) => {
      const one = startWorker(context, { address: target.address, environment, number });
      context.output.note(`started process ${one.process}; what it says: ${one.log}`);
      started.push(one);
      return one;
    },
    letIn: (group) => letIn(group, target, signal),
  });
}

/** Looks until each takes part, or has ended, or the time is over, or `signal` is aborted. */
async function letIn(
  group: readonly Started[],
  target: Target,
  signal: AbortSignal,
): Promise<void> {
  const until = Date.now() + 1000 * scaleSecondsMax;
  while (!signal.aborted) {
    const { members } = await statusOf(target);
    if (signal.aborted) return;
    const here = members.filter(
      ({ state, host }) => host === hostname() && insideStates.includes(state),
    );
    for (const one of group) {
      one.isInside = one.code === null && here.some(({ process }) => process === one.process);
    }
    const isOver = group.every(({ isInside, code }) => isInside || code !== null);
    if (isOver || Date.now() > until) return;
    await delay(lookAgainMs);
  }
}

/** Who was started and has no part in the run does not live on. */
async function endOutsiders(
  started: readonly Started[],
  note: (line: string) => void,
): Promise<void> {
  const outside = started.filter(({ isInside, code }) => !isInside && code === null);
  const alive = () => outside.filter(({ code }) => code === null);
  for (const { child, process } of outside) {
    note(`process ${process} did not get in: it is ended`);
    child.kill("SIGTERM");
  }
  const until = Date.now() + 1000 * endSecondsMax;
  while (alive().length > 0 && Date.now() < until) await delay(lookAgainMs);
  for (const { child } of alive()) child.kill("SIGKILL");
}

/** A worker that outlives this command, as it belongs to the run. */
function startWorker(
  { settings }: CommandContext,
  of: {
    readonly address: string;
    readonly environment: NodeJS.ProcessEnv;
    readonly number: number;
  },
): Started {
  const { address, environment, number } = of;
  const folder = join(settings.runs, "scale");
  mkdirSync(folder, { recursive: true });
  const log = join(folder, `worker-${Date.now()}-${number}.log`);
  const file = openSync(log, "w");
  const program = fileURLToPath(new URL("./main.js", import.meta.url));
  const child = spawn(process.execPath, [program, "worker", "--join", address], {
    detached: true,
    env: environment,
    stdio: ["ignore", "ignore", file],
  });
  closeSync(file);
  const started: Started = { process: child.pid ?? 0, log, child, code: null, isInside: false };
  child.on("error", () => {
    started.code = exitCode.failed;
  });
  child.on("exit", (code) => {
    started.code = code ?? exitCode.failed;
  });
  child.unref();
  return started;
}

/** Looks until those that were asked to leave have left, or the time is over. */
async function settle(target: Target, wanted: number): Promise<void> {
  const until = Date.now() + 1000 * scaleSecondsMax;
  while (workersOf(await statusOf(target)).length > wanted && Date.now() < until) {
    await delay(lookAgainMs);
  }
}

/** What those that ended said last, without the name of this program and of the call. */
function lastWords(started: readonly Started[]): string {
  const ended = started.find(({ code }) => code !== null);
  if (!ended) return "";
  const line = readFileSync(ended.log, "utf8").trimEnd().split("\n").at(-1) ?? "";
  return `: ${line.replace(/^glissade: /, "").replace(/^Join at \S+: /, "")} (${ended.log})`;
}

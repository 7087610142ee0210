/** Runs of a cluster as their user starts them, and ways to hurt their processes. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import type { EngineResult } from "../../src/engines/engine.ts";
import { cli, glissade, lastObject } from "../e2e/support.ts";

/**
 * Of the ledger task, whose k-th worker's updates each add 1 to the k-th entry of the model: every update of all lives of
 * these workers is in the model once or told as lost; where replicas are averaged, some of each, and no more than there were.
 */
export function expectLedger(
  { model, telemetry }: Pick<EngineResult, "model" | "telemetry">,
  ranks: readonly number[],
  sums: boolean,
): void {
  for (const rank of ranks) {
    const { updates, lost } = telemetry.members[rank]!;
    const value = model.values[rank]!;
    if (sums) expect(value, `worker ${rank}`).toBe(updates - lost);
    expect(value, `worker ${rank}`).toBeGreaterThan(0);
    expect(value, `worker ${rank}`).toBeLessThanOrEqual(updates);
  }
}

type Environment = Record<string, string>;

/** What processes of a run have in their environments: those that rule it, and those that work for it. */
export interface Secrets {
  readonly of: string;
  readonly admin: Environment;
  readonly work: Environment;
}

/** A run without tokens, and one with a token for each role. */
export const noTokens: Secrets = { of: "without tokens", admin: {}, work: {} };
export const withTokens: Secrets = {
  of: "with tokens",
  admin: { GLISSADE_TOKEN: "observe: observe-0123456,work: work-0123456,admin: admin-0123456" },
  work: { GLISSADE_TOKEN: "work: work-0123456" },
};

/** A process of glissade that was started and goes on. */
export interface Started {
  readonly child: ChildProcess;
  /** What it said on standard error so far. */
  readonly said: () => string;
  readonly ended: Promise<Ended>;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts glissade in that folder, with `more` in its environment; it is killed when the test is over. */
export function start(args: readonly string[], cwd: string, more: Environment = {}): Started {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [cli, ...args], { cwd, env: { PATH, HOME, ...more } });
  onTestFinished(() => void child.kill("SIGKILL"));
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, ended, said: () => stderr };
}

/**
 * Waits until that is so; fails with these words when it is not within the time. Whoever waits for what must come
 * claims nothing of its time: the bound is there so that words are left, before the test's own time is over.
 */
export async function until<T>(
  what: () => Promise<T | false | null | undefined> | T | false | null | undefined,
  words: () => string,
  secondsMax = 180,
): Promise<T> {
  const end = Date.now() + 1000 * secondsMax;
  for (;;) {
    const found = await what();
    if (found) return found;
    if (Date.now() > end) throw new Error(`Waited ${secondsMax} s in vain: ${words()}`);
    await delay(50);
  }
}

/** Waits until a process has said that; returns what the first group of the pattern found. */
export function heard({ said, child }: Started, pattern: RegExp): Promise<string> {
  return until(
    () => {
      const found = pattern.exec(said());
      if (found) return found[1] ?? found[0];
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(said());
      return null;
    },
    () => `${pattern} in: ${said()}`,
  );
}

/** A coordinator that waits for members, and where they join. */
export async function startCoordinator(
  args: readonly string[],
  cwd: string,
  more: Environment = {},
): Promise<Started & { readonly address: string }> {
  const started = start(["coordinator", ...args], cwd, more);
  return { ...started, address: await heard(started, /worker --join (\S+:\d+)/) };
}

export function startWorker(
  address: string,
  cwd: string,
  args: readonly string[] = [],
  more: Environment = {},
): Started {
  return start(["worker", "--join", address, ...args], cwd, more);
}

/** Processes that this one started. */
export function childrenOf({ pid }: ChildProcess): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.trim().split(" ").filter(Boolean).map(Number);
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The folder of the only run that was made there. */
export function runFolder(cwd: string): string {
  const [run] = readdirSync(join(cwd, "runs"));
  return join(cwd, "runs", run!);
}

/** Paths of a run's checkpoints, the newest first. */
export function checkpointsOf(cwd: string): string[] {
  const folder = runFolder(cwd);
  return readdirSync(folder)
    .filter((name) => name.startsWith("checkpoint-"))
    .sort()
    .reverse()
    .map((name) => join(folder, name));
}

/** Processes that work in this folder: a run that was started there, and what it started. */
export function processesIn(folder: string): string[] {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/cwd`) === folder;
    } catch {
      // It is somebody else's, or has just ended.
      return false;
    }
  });
}

/** What the coordinator says of its members. */
export interface Seen {
  readonly state: string;
  readonly members: readonly {
    rank: number;
    incarnation: number;
    state: string;
    updates: number;
    rows: number;
  }[];
}

/** Waits until so many members of the run there learn, and all have made updates. */
export async function learning(
  address: string,
  count: number,
  env: Environment = {},
): Promise<Seen> {
  let seen: Seen | null = null;
  return until(
    async () => {
      seen = await statusAt(address, env);
      const running = seen?.members.filter(({ state }) => state === "running") ?? [];
      return running.length === count && running.every(({ updates }) => updates > 0) && seen;
    },
    () => `${count} members learn at ${address}: ${JSON.stringify(seen)}`,
  );
}

/** The status that `glissade status` gives of the run there; null when nobody answers. */
export async function statusAt(address: string, env: Environment = {}): Promise<Seen | null> {
  const { code, stdout } = await glissade(["status", "--join", address, "--json"], { env });
  return code === 0 ? lastObject(stdout) : null;
}

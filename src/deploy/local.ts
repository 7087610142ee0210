/**
 * Local processes: one for each seat of a run, each with its log file, none left behind. A process ends with
 * its parent: it holds a channel to it, and leaves when that closes, however the parent ended.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Launch, Launched, MemberOrder, ProcessEnd } from "../engines/cluster/launcher.ts";
import { endSecondsMax } from "../engines/cluster/limits.ts";

/** How local processes are started. */
export interface LocalOptions {
  /** Path of the program that has the command `worker`. */
  readonly program: string;
  /** Folder of log files, one a rank; null: what processes say is only kept for when they fail. */
  readonly logs: string | null;
}

/** Lines of a process kept to be shown when it fails, and their length. */
const tailLinesMax = 20;
const lineLengthMax = 500;
/** What a process said last arrives within this time of its end. */
const lastLinesMsMax = 200;

interface Started {
  readonly rank: number;
  readonly child: ChildProcess;
  readonly tail: string[];
  readonly log: WriteStream | null;
  readonly ended: Promise<void>;
}

/** Starts members as processes of this machine. */
export function launchLocal({ program, logs }: LocalOptions): Launch {
  return async (orders, onEnd) => {
    if (logs !== null) await mkdir(logs, { recursive: true });
    let stopping = false;
    const started = orders.map((order) =>
      startMember(order, { program, logs }, (end) => {
        if (!stopping) onEnd(end);
      }),
    );
    const ended = Promise.all(started.map((one) => one.ended)).then(() => {});
    return {
      processes: started.map(({ child }) => child.pid),
      ended,
      async [Symbol.asyncDispose]() {
        stopping = true;
        await endAll(started, ended);
      },
    } satisfies Launched;
  };
}

function startMember(
  { join: address, token, rank }: MemberOrder,
  { program, logs }: LocalOptions,
  onEnd: (end: ProcessEnd) => void,
): Started {
  const child = spawn(
    process.execPath,
    [program, "worker", "--join", address, "--rank", String(rank), "--listen", "127.0.0.1:0"],
    {
      // The token is no argument: those can be seen by every user of the machine.
      env: { ...process.env, GLISSADE_TOKEN: token },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    },
  );
  const log = logs === null ? null : createWriteStream(join(logs, `rank-${rank}.log`));
  const tail: string[] = [];
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    log?.write(text);
    for (const line of text.split("\n")) if (line.trim() !== "") tail.push(line);
    tail.splice(0, tail.length - tailLinesMax);
  });
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      onEnd({ rank, reason: `could not be started: ${error.message}` });
      resolve();
    });
    // Not "close": that never comes where the channel was closed before the process had opened it.
    child.once("exit", async (code, signal) => {
      await Promise.race([once(child.stderr!, "close"), setTimeout(lastLinesMsMax)]);
      child.stderr!.destroy();
      log?.end();
      if (code !== 0) onEnd({ rank, reason: reasonOf({ code, signal, tail }) });
      resolve();
    });
  });
  return { rank, child, tail, log, ended };
}

function reasonOf(end: {
  code: number | null;
  signal: string | null;
  tail: readonly string[];
}): string {
  const { code, signal, tail } = end;
  const how = signal === null ? `ended with code ${code}` : `was killed by ${signal}`;
  const last = tail.slice(-3).map((line) => line.slice(0, lineLengthMax));
  return last.length === 0 ? how : `${how}; its last lines:\n  ${last.join("\n  ")}`;
}

/** Asks those that still run to leave, and ends them when they do not. */
async function endAll(started: readonly Started[], ended: Promise<void>): Promise<void> {
  for (const { child } of started) if (child.connected) child.disconnect();
  const patience = new AbortController();
  const { signal } = patience;
  await Promise.race([ended, setTimeout(1000 * endSecondsMax, null, { signal }).catch(() => {})]);
  patience.abort();
  for (const { child } of started) {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  }
  await ended;
}

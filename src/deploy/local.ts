/**
 * Local processes: one for each seat of a run, each with its log file, none left behind. A process ends with
 * its parent: it holds a channel to it, and leaves when that closes, however the parent ended.
 */
import { spawn } from "node:child_process";
import type { Launch, MemberOrder, ProcessEnd } from "../engines/cluster/launcher.ts";
import { launchEach, type MemberProcess, watchProcess } from "./member-process.ts";

/** How local processes are started. */
export interface LocalOptions {
  /** Path of the program that has the command `worker`. */
  readonly program: string;
  /** Folder of log files, one a rank; null: what processes say is only kept for when they fail. */
  readonly logs: string | null;
}

/** Starts members as processes of this machine. */
export function launchLocal({ program, logs }: LocalOptions): Launch {
  return launchEach({
    logs,
    start: (order, onEnd) => startMember(order, { program, logs }, onEnd),
    end: (child) => child.connected && child.disconnect(),
  });
}

function startMember(
  { join, environment, rank }: MemberOrder,
  { program, logs }: LocalOptions,
  onEnd: (end: ProcessEnd) => void,
): MemberProcess {
  const child = spawn(
    process.execPath,
    [program, "worker", "--join", join, "--rank", String(rank), "--listen", "127.0.0.1:0"],
    {
      // Tokens are no arguments: those can be seen by every user of the machine.
      env: { ...process.env, ...environment },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    },
  );
  return watchProcess(child, { rank, logs, onEnd });
}

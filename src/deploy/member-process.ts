/** A process that is to be a member: what it says is kept and logged, and its end is told in words. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Launch, MemberOrder, ProcessEnd } from "../engines/cluster/launcher.ts";
import { endSecondsMax } from "../engines/cluster/limits.ts";

/** Lines of a process kept to be shown when it fails, and their length. */
const tailLinesMax = 20;
const tailLinesShown = 3;
const lineLengthMax = 500;
/** What a process said last arrives within this time of its end. */
const lastLinesMsMax = 200;

/** A process that was started, and its end. */
export interface MemberProcess {
  readonly rank: number;
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
}

/** How a process is watched. */
export interface WatchOptions {
  readonly rank: number;
  /** Folder of log files, one a rank; null: what it says is only kept for when it fails. */
  readonly logs: string | null;
  /** Takes each line it says. */
  readonly say?: (line: string) => void;
  /** Words for exit codes that have a meaning of their own; null: none. */
  readonly explain?: (code: number) => string | null;
  /** Called when it ends otherwise than well. */
  readonly onEnd: (end: ProcessEnd) => void;
}

/** Watches a process whose standard error is a pipe. */
export function watchProcess(child: ChildProcess, options: WatchOptions): MemberProcess {
  const { rank, logs, say, explain, onEnd } = options;
  const log = logs === null ? null : createWriteStream(join(logs, `rank-${rank}.log`));
  const tail: string[] = [];
  const lines = new LineCutter((line) => {
    say?.(line);
    if (line.trim() !== "") tail.push(line);
    tail.splice(0, tail.length - tailLinesMax);
  });
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    log?.write(text);
    lines.take(text);
  });
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      const how = `could not be started: ${error.message}`;
      onEnd({ rank, how, reason: how, lines: [] });
      resolve();
    });
    // Not "close": that never comes where the channel was closed before the process had opened it.
    child.once("exit", async (code, signal) => {
      await Promise.race([once(child.stderr!, "close"), setTimeout(lastLinesMsMax)]);
      child.stderr!.destroy();
      lines.end();
      log?.end();
      if (code !== 0) {
        const meaning = code === null ? null : (explain?.(code) ?? null);
        const how = howEnded({ code, signal, meaning });
        onEnd({ rank, how, reason: reasonOf(how, tail), lines: tail });
      }
      resolve();
    });
  });
  return { rank, child, ended };
}

/** Cuts text into lines, whatever pieces it arrives in. */
class LineCutter {
  readonly #take: (line: string) => void;
  #rest = "";

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!.slice(0, lineLengthMax);
    for (const line of lines) this.#take(line.slice(0, lineLengthMax));
  }

  end(): void {
    if (this.#rest !== "") this.#take(this.#rest);
    this.#rest = "";
  }
}

function howEnded(end: {
  code: number | null;
  signal: string | null;
  meaning: string | null;
}): string {
  const { code, signal, meaning } = end;
  return meaning ?? (signal === null ? `ended with code ${code}` : `was killed by ${signal}`);
}

function reasonOf(how: string, tail: readonly string[]): string {
  const last = tail.slice(-tailLinesShown);
  return last.length === 0 ? how : `${how}; its last lines:\n  ${last.join("\n  ")}`;
}

/** How members of one kind are started and asked to end. */
export interface EachMember {
  /** Folder of log files, one a rank; null: none are kept. */
  readonly logs: string | null;
  start(order: MemberOrder, onEnd: (end: ProcessEnd) => void): MemberProcess;
  end(child: ChildProcess): unknown;
}

/** Starts a process for each order; ends that were asked for are not told. */
export function launchEach({ logs, start, end }: EachMember): Launch {
  return async (orders, onEnd) => {
    if (logs !== null) await mkdir(logs, { recursive: true });
    let stopping = false;
    const started = orders.map((order) =>
      start(order, (ended) => {
        if (!stopping) onEnd(ended);
      }),
    );
    return {
      processes: started.map(({ child }) => child.pid),
      ended: Promise.all(started.map((one) => one.ended)).then(() => {}),
      async [Symbol.asyncDispose]() {
        stopping = true;
        await endProcesses(started, end);
      },
    };
  };
}

/** Asks those that still run to end, waits, and kills those that did not. */
async function endProcesses(
  processes: readonly MemberProcess[],
  ask: (child: ChildProcess) => unknown,
): Promise<void> {
  const ended = Promise.all(processes.map((one) => one.ended));
  for (const { child } of processes) ask(child);
  const patience = new AbortController();
  const { signal } = patience;
  await Promise.race([ended, setTimeout(1000 * endSecondsMax, null, { signal }).catch(() => {})]);
  patience.abort();
  for (const { child } of processes) {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  }
  await ended;
}

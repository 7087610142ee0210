/**
 * Members on other hosts, each started over an ssh connection of its own. Nothing is installed or copied: the
 * host has glissade, and ssh gets there without a question. A member ends with its connection: the shell at
 * the host waits for the end of its input, and that comes however this process ends.
 */
import { spawn } from "node:child_process";
import type { Launch, MemberOrder } from "../engines/cluster/launcher.ts";
import { endSecondsMax } from "../engines/cluster/limits.ts";
import { launchEach, type MemberProcess, watchProcess } from "./member-process.ts";

/** How members are started on hosts. */
export interface SshOptions {
  /** Where the member of each rank runs. */
  readonly hostOf: (rank: number) => string;
  /** The ssh command and its options: `ssh -p 2222`. */
  readonly ssh: string;
  /** What glissade is called at the hosts: `npx glissade`. */
  readonly remoteCommand: string;
  /** Folder of certificates at the hosts; null: they know by themselves, or need none. */
  readonly remoteCredentials: string | null;
  readonly logs: string | null;
  /** Takes what members say, each line with rank and host before it. */
  readonly say: (line: string) => void;
}

/** No questions, as nobody is there to answer them; a host that went away is noticed. */
const sshFlags = ["BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=5"];

/** Starts members over ssh. */
export function launchOverSsh(options: SshOptions): Launch {
  return launchEach({
    logs: options.logs,
    start: (order, onEnd) => startMember(order, options, onEnd),
    end: (child) => child.stdin!.end(),
  });
}

function startMember(
  order: MemberOrder,
  options: SshOptions,
  onEnd: Parameters<Launch>[1],
): MemberProcess {
  const { hostOf, logs, say } = options;
  const { rank } = order;
  const host = hostOf(rank);
  const [program, ...given] = splitWords(options.ssh);
  const flags = sshFlags.flatMap((flag) => ["-o", flag]);
  const child = spawn(program!, [...given, ...flags, "--", host, remoteLine(order, options)], {
    // A group of its own: ctrl-C is for the coordinator, which ends its members in good order.
    detached: true,
    stdio: ["pipe", "ignore", "pipe"],
  });
  child.stdin!.on("error", () => {});
  // The token goes by the input: arguments can be seen by every user of either machine.
  child.stdin!.write(`${order.environment.GLISSADE_TOKEN}\n`);
  return watchProcess(child, {
    ...{ rank, logs, onEnd },
    say: (line) => say(`[${rank} ${host}] ${line}`),
    explain: (code) => meaningOf(code, host, options),
  });
}

/** Codes that are not glissade's own. */
function meaningOf(code: number, host: string, { ssh, remoteCommand }: SshOptions): string | null {
  if (code === 255) {
    return `could not be started as ssh did not get through to ${host}: try "${ssh} -o BatchMode=yes ${host} true"`;
  }
  if (code === 127 || code === 126) {
    return `could not be started as ${host} can't run "${remoteCommand}": install glissade there, or say what it is called by --remote-command`;
  }
  return null;
}

/**
 * What the shell of the host runs: reads the token, runs the member beside a reader of the rest of the input,
 * and ends the member when that is over. Under `sh` whatever the user's own shell is.
 */
export function remoteLine(
  { join, rank, environment }: MemberOrder,
  { remoteCommand, remoteCredentials }: Pick<SshOptions, "remoteCommand" | "remoteCredentials">,
): string {
  const member = [...splitWords(remoteCommand), "worker", "--join", join, "--rank", String(rank)];
  if (environment.GLISSADE_INSECURE !== undefined) member.push("--insecure");
  if (remoteCredentials !== null) member.push("--credentials", remoteCredentials);
  const script = [
    "IFS= read -r GLISSADE_TOKEN",
    "export GLISSADE_TOKEN",
    "exec 3<&0",
    '"$@" </dev/null 3<&- & member=$!',
    `{ cat <&3; kill $member; sleep ${endSecondsMax}; kill -9 $member; } >/dev/null 2>&1 & reader=$!`,
    "exec 3<&-",
    "wait $member",
    "code=$?",
    // Else it would end a process that got the number of one that is gone.
    "kill $reader 2>/dev/null",
    "exit $code",
  ].join("; ");
  return ["sh", "-c", script, "glissade", ...member].map(shellWord).join(" ");
}

/** A word that every POSIX shell reads as it stands. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * Splits a command at blanks; quotes hold words together.
 * @throws RangeError for no words, or a quote without an end.
 */
export function splitWords(command: string): string[] {
  const words = command.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
  const unquoted = words.map((word) => word.replaceAll(/"([^"]*)"|'([^']*)'/g, "$1$2"));
  const rest = command.replaceAll(/"[^"]*"|'[^']*'/g, "");
  if (unquoted.length === 0 || /["']/.test(rest)) {
    throw new RangeError(
      `Cannot run "${command}" as a command must have words, and an end for each quote`,
    );
  }
  return unquoted;
}

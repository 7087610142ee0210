/** `glissade worker`: one member of a run, in this process. */
import { resolve } from "node:path";
import { isLoopback } from "../engines/cluster/open-address.ts";
import type { MemberEnd, MemberOptions, ModelSaver } from "../engines/cluster/seat.ts";
import { credentialSettings, credentialsFor } from "./cluster-credentials.ts";
import { type CommandContext, type CommandDefinition, exitCode, UsageError } from "./command.ts";

export const workerCommand: CommandDefinition = {
  name: "worker",
  description:
    "Join a run as one of its members. Settings, strategy and rows come with the seat: where to join is all that is needed.",
  arguments: [],
  settings: [
    ...([
      "join",
      "listen",
      "advertise",
      "portRange",
      "interface",
      "rank",
      "grace",
      "limits",
    ] as const),
    ...credentialSettings,
    ...(["quiet", "verbose", "color"] as const),
  ],
  examples: [
    "glissade worker --join 10.0.0.5:7650 --credentials secrets/work",
    "glissade worker --join dns:coordinator:7650 --credentials secrets/work --advertise 10.0.0.9",
  ],
  run: work,
};

async function work(context: CommandContext): Promise<number> {
  const join = context.settings.join ?? (await joinFromOutside());
  if (join !== null) return workFor(join, context);
  throw new UsageError("worker: expected --join HOST:PORT of the coordinator, found none");
}

/** Where the process of rank 0 is, among tasks that were started together. */
async function joinFromOutside(): Promise<string | null> {
  const { joinOf, taskOf } = await import("../deploy/scheduler.ts");
  const task = taskOf(process.env);
  return task && joinOf(task);
}

/** Joins there, and learns until its part is over; returns the exit code. */
export async function workFor(
  join: string,
  { settings, output }: Pick<CommandContext, "settings" | "output">,
): Promise<number> {
  const { grace, limits, portRange } = settings;
  const credentials = await credentialsFor(settings, join, "join");
  const [{ ClusterMember }, { findRun }, { placeFor }, { openSharedBlocks }] = await Promise.all([
    import("../engines/cluster/member.ts"),
    import("../engines/cluster/find.ts"),
    import("./listen-place.ts"),
    import("../run/loading/shared-blocks.ts"),
  ]);
  const log = (line: string) => output.note(`${new Date().toISOString()} ${line}`);
  const options: MemberOptions = {
    ...{ credentials: { ...credentials, messageMax: limits.message }, limits, portRange, log },
    ...placeFor(settings, 0, isLoopback(join) ? "127.0.0.1" : "0.0.0.0"),
    join: await findRun({ join, credentials, log }),
    rankHint: settings.rank ?? rankFromOutside(process.env),
    openShared: openSharedBlocks,
    save: orphanSaver,
  };
  await using member = new ClusterMember(options);
  using ends = new Ends(member, grace, (line) => output.error(line));
  let hasStarted = false;
  const started = member.start().then(() => {
    hasStarted = true;
    return member.ended;
  });
  // Who still waits for a coordinator has no part to end, and leaves at once.
  const end = await Promise.race([started, member.ended]);
  if (!hasStarted && ends.received !== null && !process.connected) {
    output.error("was asked to leave before it had a part in the run");
    return ends.exitCode;
  }
  return codeOf(end, (line) => output.error(line));
}

/** The model of a run whose coordinator is gone: in the folder the worker was started in. */
const orphanSaver: ModelSaver = {
  async check(run) {
    const { checkWritable } = await import("../run/files.ts");
    await checkWritable(orphanPath(run));
  },
  async write(model, run) {
    const { saveModel } = await import("../run/model-file.ts");
    const path = orphanPath(run);
    await saveModel(model, path);
    return path;
  },
};

function orphanPath(run: string): string {
  return resolve(`glissade-${run.slice(0, 8)}.safetensors`);
}

function codeOf(end: MemberEnd, say: (line: string) => void): number {
  if (end.kind === "done" || end.kind === "left") return exitCode.done;
  say(end.message);
  return end.kind === "orphaned" ? exitCode.orphaned : exitCode.failed;
}

/** Ranks from outside are hints for a seat, never an identity. */
function rankFromOutside(environment: NodeJS.ProcessEnv): number {
  const names = [
    ...["RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "JOB_COMPLETION_INDEX"],
  ];
  const found = names.map((name) => environment[name]).find((value) => /^\d+$/.test(value ?? ""));
  return found === undefined ? -1 : Number(found);
}

interface Leaver {
  leave(): void;
}

/**
 * What ends a member from outside: SIGTERM asks it to leave within the grace time, a second one ends it. A
 * member that a parent started ends with the parent, and leaves ctrl-C, which reaches both, to it.
 */
class Ends {
  readonly #member: Leaver;
  readonly #graceSeconds: number;
  readonly #say: (line: string) => void;
  #received: string | null = null;

  constructor(member: Leaver, graceSeconds: number, say: (line: string) => void) {
    this.#member = member;
    this.#say = say;
    this.#graceSeconds = graceSeconds;
    process.on("SIGTERM", this.#leave);
    process.on("SIGINT", process.connected ? ignore : this.#leave);
    process.on("SIGHUP", process.connected ? ignore : this.#leave);
    if (process.connected) process.once("disconnect", endAtOnce);
  }

  [Symbol.dispose](): void {
    process.off("disconnect", endAtOnce);
    if (process.connected) process.disconnect();
    for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]) process.removeAllListeners(name);
  }

  /** The signal that asked it to leave, or null. */
  get received(): string | null {
    return this.#received;
  }

  /** Of one that ends by a signal: 130 for ctrl-C, else 143. */
  get exitCode(): number {
    return this.#received === "SIGINT" ? exitCode.interrupted : exitCode.terminated;
  }

  readonly #leave = (name: string): void => {
    if (this.#received !== null) this.#endWith("was asked to leave once more: ends at once");
    this.#received = name;
    const late = `did not get away in good order within --grace ${this.#graceSeconds} s: ends now`;
    setTimeout(() => this.#endWith(late), 1000 * this.#graceSeconds).unref();
    this.#member.leave();
  };

  #endWith(why: string): never {
    this.#say(`${why}. What it learned last may be in no model`);
    process.exit(this.exitCode);
  }
}

function ignore(): void {}

/** The parent is gone, or wants no more of this process. */
function endAtOnce(): void {
  process.exit(exitCode.done);
}

/** Where the members of a cluster are: started here or on other hosts by the run itself, or joining from anywhere. */
import { randomBytes } from "node:crypto";
import { readFile, rename } from "node:fs/promises";
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import { launchLocal } from "../deploy/local.ts";
import { joinOf, type Task, taskOf } from "../deploy/scheduler.ts";
import type { Credentials } from "../engines/cluster/credentials.ts";
import type { ClusterEvent } from "../engines/cluster/events.ts";
import type { Launch } from "../engines/cluster/launcher.ts";
import { isLoopback } from "../engines/cluster/open-address.ts";
import type { StateStore } from "../engines/cluster/saved-run.ts";
import { tryListening } from "../engines/cluster/server.ts";
import { writeFileAtomic } from "../run/files.ts";
import { type HostShare, readHosts } from "../run/hosts.ts";
import type { LoadedDataset } from "../run/load.ts";
import { clusterStateFile, type RunRecord } from "../run/record.ts";
import type { ClusterPlace } from "../run/run-on-engine.ts";
import type { Settings } from "../run/settings.ts";
import { credentialsFor } from "./cluster-credentials.ts";
import { type CommandContext, UsageError } from "./command.ts";
import { FirstFailure } from "./first-failure.ts";
import { ownAddresses, placeFor } from "./listen-place.ts";
import type { Job, TrainVariant } from "./train.ts";

/** Port of a coordinator that others are to find. */
export const coordinatorPort = 7650;

/** What is started to be a member of this machine. */
const program = fileURLToPath(new URL("./main.js", import.meta.url));

/**
 * Finds out before anything is read whether the run may listen where it is to.
 * @throws UsageError when it may not, in words that say what to do.
 */
export async function checkPlace(
  settings: Settings,
  { resumes, ...variant }: TrainVariant & { readonly resumes: boolean },
): Promise<void> {
  const listen = listenAt(settings, variant);
  const { certificates } = await credentialsFor(settings, listen, "listen at");
  certificates?.[Symbol.dispose]();
  // Members that live look for who resumes their run, and tasks for the first of them: nobody else may answer there.
  if (resumes || clusterTask(settings) !== null) return;
  await tryListening({ listen, portRange: settings.portRange });
}

/** Where the run listens: only members that strangers can be told from are let in from elsewhere. */
function listenAt(settings: Settings, { waitsForMembers }: TrainVariant): string {
  const { insecure, credentials, tlsCert, hosts } = settings;
  if (waitsForMembers) {
    const isOpen = insecure || credentials !== null || tlsCert !== null;
    return placeFor(settings, coordinatorPort, isOpen ? "0.0.0.0" : "127.0.0.1").listen;
  }
  if (hosts !== null) return placeFor(settings, 0).listen;
  const task = clusterTask(settings);
  if (task === null) return settings.listen ?? "127.0.0.1:0";
  const join = joinOf(task);
  const host = join !== null && isLoopback(join) ? "127.0.0.1" : "0.0.0.0";
  return placeFor(settings, task.port, host).listen;
}

/** The place of this job's members, for rows of this data set. */
export async function clusterPlace(
  job: Job,
  { fingerprint }: LoadedDataset,
  workers: number,
): Promise<ClusterPlace> {
  const { settings, output } = job.context;
  const { validation, splitSeed, portRange, limits, orphanLimit } = settings;
  const listen = listenAt(settings, job);
  const given = await credentialsFor(settings, listen, "listen at");
  const split = `${validation}:${splitSeed}`;
  const common = {
    ...{ listen, portRange, limits, data: fingerprint, split },
    orphanSeconds: orphanLimit,
  };
  if (!job.waitsForMembers) {
    warnOfHosts(job.context, given);
    const { launch, hostOf, ...rest } = await startedMembers(job, workers);
    const first = new FirstFailure(job.record.path("logs"), hostOf);
    job.firstFailure = first;
    const watched: Launch = (orders, onEnd) => {
      job.progress.end();
      output.note(`starting ${membersInWords(orders.length, workers)}`);
      return launch(orders, (end) => {
        first.ended(end);
        onEnd(end);
      });
    };
    const onEvent = (event: ClusterEvent) => first.heard(event);
    return {
      ...{ ...common, ...rest, ...(await credentialsOfStarted(given)) },
      ...{ launch: watched, onEvent },
    };
  }
  const { advertise } = placeFor(settings, coordinatorPort);
  const joining = joiningWith(settings, given);
  const first = new FirstFailure(job.record.path("logs"));
  job.firstFailure = first;
  return {
    ...{ ...common, credentials: given, launch: null },
    state: storeAt(job.record, (line) => output.warn(line)),
    onEvent: (event) => {
      first.heard(event);
      tell(event, { joining, advertise, workers, note: (line) => output.note(line) });
    },
  };
}

/** Members of runs without a record: processes of this machine, for which a token is made up. */
export async function localPlace(
  { portRange, limits, validation, splitSeed, orphanLimit }: Settings,
  { fingerprint }: LoadedDataset,
): Promise<ClusterPlace> {
  return {
    ...{ listen: "127.0.0.1:0", portRange, limits, data: fingerprint },
    ...{ split: `${validation}:${splitSeed}`, orphanSeconds: orphanLimit },
    ...(await credentialsOfStarted({ tokens: {}, certificates: null, insecure: false })),
    launch: launchLocal({ program, logs: null }),
  };
}

/** What processes show that the run starts by itself, and the variables by which they get it. */
async function credentialsOfStarted(given: Credentials) {
  const { environmentFor, tokenForAll } = await import("../engines/cluster/credentials.ts");
  const hasToken = Object.keys(given.tokens).length > 0;
  // Nobody else is to join: the token is known to no one but the processes that are started.
  const tokens = hasToken ? given.tokens : tokenForAll(randomBytes(18).toString("base64url"));
  const credentials = { ...given, tokens };
  return { credentials, environment: environmentFor(credentials) };
}

/** The coordinator's state in the folder of the run, from which `--resume` takes the run up; and the one before. */
function storeAt(record: RunRecord, warn: (line: string) => void): StateStore {
  const [newest, before] = [record.path(clusterStateFile), record.path("cluster-before.json")];
  const textOf = async (name: string) => {
    const text = await readFile(name, "utf8").catch(() => null);
    return text === null ? [] : [{ name, text }];
  };
  return {
    read: async () => [...(await textOf(newest)), ...(await textOf(before))],
    async write(text) {
      await rename(newest, before).catch(() => {});
      await writeFileAtomic(newest, text);
    },
    warn,
  };
}

/** Members that this process starts, and where each runs. */
interface StartedMembers {
  readonly launch: Launch;
  readonly reachedAt?: readonly string[];
  readonly hostOf?: (rank: number) => string;
}

/** Members that this process starts, here or elsewhere; tasks that a scheduler started come by themselves. */
async function startedMembers(job: Job, workers: number): Promise<StartedMembers> {
  const { settings } = job.context;
  const logs = job.record.path("logs");
  const local = launchLocal({ program, logs });
  if (settings.hosts !== null) return membersOnHosts(job, readHosts(settings.hosts), workers);
  const task = clusterTask(settings);
  if (task === null) return { launch: local };
  const launch: Launch = (orders, onEnd) =>
    local(
      orders.filter(({ rank }) => rank === 0 || rank >= task.size),
      onEnd,
    );
  return { launch };
}

/** Says lines of members; a failure that several of them have is said once. */
function sayOnce(say: (line: string) => void): (line: string) => void {
  const failures = new Set<string>();
  return (line) => {
    const failure = /^\[\d+ [^\]]*\] (glissade: .*)$/s.exec(line)?.[1];
    if (failure !== undefined && failures.has(failure)) return;
    if (failure !== undefined) failures.add(failure);
    say(line);
  };
}

/** Certificates of this machine are no good at others, and do not travel. */
function warnOfHosts({ settings, output }: CommandContext, { certificates }: Credentials): void {
  const { hosts, remoteCredentials, remoteCommand } = settings;
  if (hosts === null || certificates === null || remoteCredentials !== null) return;
  if (/GLISSADE_(CREDENTIALS|TLS)|--(credentials|tls-)/.test(remoteCommand)) return;
  output.warn(
    "certificates do not travel: copy secrets/work of glissade cluster init to each host, and say where it is there by --remote-credentials FOLDER",
  );
}

async function membersOnHosts(
  job: Job,
  shares: readonly HostShare[],
  workers: number,
): Promise<StartedMembers> {
  const { settings, output } = job.context;
  const { ssh, remoteCommand, remoteCredentials } = settings;
  const say = sayOnce((line) => output.note(line));
  const places = shares.flatMap(({ host, workers: count }) => Array<string>(count).fill(host));
  const { launchOverSsh } = await import("../deploy/ssh.ts");
  const hostOf = (rank: number) =>
    rank < workers ? places[rank]! : shares[(rank - workers) % shares.length]!.host;
  const launch = launchOverSsh({
    ...{ ssh, remoteCommand, remoteCredentials, hostOf, say },
    logs: job.record.path("logs"),
  });
  const { advertise } = placeFor(settings, 0);
  const own = advertise === null ? ownAddresses() : [advertise];
  // Where all hosts are this machine no address need be one that others reach.
  const reachedAt = own.length > 0 ? own : ["127.0.0.1"];
  return { launch, reachedAt, hostOf };
}

/** The task of a scheduler that this process is, where the run is one of such tasks. */
export function clusterTask({ engine, hosts }: Pick<Settings, "engine" | "hosts">): Task | null {
  return engine === "cluster" && hosts === null ? taskOf(process.env) : null;
}

/**
 * Where this process joins, if it is one of several tasks and not the first; null: it runs everything itself.
 * @throws UsageError when the tasks can't find each other.
 */
export function joinAsTask({ settings, output }: CommandContext): string | null {
  const task = clusterTask(settings);
  if (task === null) return null;
  const { by, rank, size } = task;
  if (settings.token === null && settings.tokenFile === null && settings.credentials === null) {
    throw new UsageError(
      `${by} started ${size} tasks, which need a token in common: export GLISSADE_TOKEN=... or GLISSADE_CREDENTIALS=FOLDER before it`,
    );
  }
  const join = joinOf(task);
  if (join === null) {
    throw new UsageError(
      `${by} does not say at which host task 0 of ${size} is: export MASTER_ADDR=HOST (and MASTER_PORT) before it`,
    );
  }
  output.note(
    `task ${rank} of ${size}, by ${by}: ${rank === 0 ? "coordinates" : `joins at ${join}`}`,
  );
  return rank === 0 ? null : join;
}

/**
 * Workers that the place itself says, and why; null where it says nothing.
 * @throws UsageError when --workers says otherwise.
 */
export function workersOfPlace(settings: Settings): { workers: number; reason: string } | null {
  const { hosts, workers: asked } = settings;
  if (settings.engine !== "cluster") return null;
  const task = clusterTask(settings);
  if (hosts === null && task === null) return null;
  const found = hosts
    ? { workers: readHosts(hosts).reduce((sum, one) => sum + one.workers, 0), reason: "--hosts" }
    : { workers: task!.size, reason: `tasks of ${task!.by}` };
  if (asked === "auto" || asked === found.workers) return found;
  throw new UsageError(
    `--workers: expected ${found.workers}, as ${found.reason} give, or none; found ${asked}`,
  );
}

/** What a worker must be given to join; a token is never shown. */
function joiningWith(settings: Settings, { tokens, certificates, insecure }: Credentials): string {
  if (settings.credentials !== null) return " --credentials FOLDER/work";
  const files = certificates === null ? "" : " --tls-ca FILE --tls-cert FILE --tls-key FILE";
  const token = Object.keys(tokens).length === 0 ? "" : " --token-file FILE";
  return `${files}${token}${insecure ? " --insecure" : ""}`;
}

/** `3 members (2 workers, 1 server)`: how many to start, and that servers are among them. */
function membersInWords(members: number, workers: number): string {
  const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;
  const servers = members - workers;
  if (servers <= 0) return counted(members, "worker");
  return `${counted(members, "member")} (${counted(workers, "worker")}, ${counted(servers, "server")})`;
}

function tell(
  event: ClusterEvent,
  {
    joining,
    advertise,
    workers,
    note,
  }: {
    joining: string;
    advertise: string | null;
    workers: number;
    note: (line: string) => void;
  },
): void {
  if (event.kind === "listening") {
    const [, host, port] = /^(.*):(\d+)$/.exec(event.address)!;
    const shown = advertise ?? (host === "0.0.0.0" ? hostname() : host);
    const waiting = `waiting for ${membersInWords(event.members, workers)}; start each with:`;
    note(event.takenUp ? "members of the run live and go on; more may join by:" : waiting);
    note(`  glissade worker --join ${shown}:${port}${joining}`);
  }
  if (event.kind === "joined") note(`${event.name} joined from ${event.address}`);
  if (event.kind === "left") note(`${event.name} left`);
}

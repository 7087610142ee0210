/** Where the members of a cluster are: started here or on other hosts by the run itself, or joining from anywhere. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import { launchLocal } from "../deploy/local.ts";
import { joinOf, type Task, taskOf } from "../deploy/scheduler.ts";
import type { ClusterEvent } from "../engines/cluster/events.ts";
import type { Launch } from "../engines/cluster/launcher.ts";
import { type HostShare, readHosts } from "../run/hosts.ts";
import type { LoadedDataset } from "../run/load.ts";
import type { ClusterPlace } from "../run/run-on-engine.ts";
import type { Settings } from "../run/settings.ts";
import { type CommandContext, UsageError } from "./command.ts";
import { ownAddresses, placeFor } from "./listen-place.ts";
import type { Job } from "./train.ts";

/** Port of a coordinator that others are to find. */
export const coordinatorPort = 7650;

/** The place of this job's members, for rows of this data set. */
export async function clusterPlace(
  job: Job,
  { fingerprint }: LoadedDataset,
  workers: number,
): Promise<ClusterPlace> {
  const { settings, output } = job.context;
  const { validation, splitSeed, portRange } = settings;
  const token = settings.token ?? randomBytes(12).toString("base64url");
  const common = { token, portRange, data: fingerprint, split: `${validation}:${splitSeed}` };
  if (!job.waitsForMembers) return { ...common, ...(await startedMembers(job, workers)) };
  const { listen, advertise } = placeFor(settings, coordinatorPort);
  return {
    ...{ ...common, listen, launch: null },
    onEvent: (event) => tell(event, { token, advertise, note: (line) => output.note(line) }),
  };
}

/** Members that this process starts, here or elsewhere; tasks that a scheduler started come by themselves. */
async function startedMembers(
  job: Job,
  workers: number,
): Promise<Pick<ClusterPlace, "listen" | "launch" | "reachedAt">> {
  const { settings } = job.context;
  const program = fileURLToPath(new URL("./main.js", import.meta.url));
  const logs = job.record.path("logs");
  const local = launchLocal({ program, logs });
  if (settings.hosts !== null) return membersOnHosts(job, readHosts(settings.hosts), workers);
  const task = clusterTask(settings);
  if (task === null) return { listen: settings.listen ?? "127.0.0.1:0", launch: local };
  const launch: Launch = (orders, onEnd) =>
    local(
      orders.filter(({ rank }) => rank === 0 || rank >= task.size),
      onEnd,
    );
  return { listen: placeFor(settings, task.port).listen, launch };
}

async function membersOnHosts(
  job: Job,
  shares: readonly HostShare[],
  workers: number,
): Promise<Pick<ClusterPlace, "listen" | "launch" | "reachedAt">> {
  const { settings, output } = job.context;
  const { ssh, remoteCommand } = settings;
  const places = shares.flatMap(({ host, workers: count }) => Array<string>(count).fill(host));
  const { launchOverSsh } = await import("../deploy/ssh.ts");
  const launch = launchOverSsh({
    ...{ ssh, remoteCommand, logs: job.record.path("logs") },
    hostOf: (rank) =>
      rank < workers ? places[rank]! : shares[(rank - workers) % shares.length]!.host,
    say: (line) => output.note(line),
  });
  const { listen, advertise } = placeFor(settings, 0);
  const own = advertise === null ? ownAddresses() : [advertise];
  // Where all hosts are this machine no address need be one that others reach.
  const reachedAt = own.length > 0 ? own : ["127.0.0.1"];
  return { listen, launch, reachedAt };
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
  if (settings.token === null) {
    throw new UsageError(
      `${by} started ${size} tasks, which need a token in common: export GLISSADE_TOKEN=... before it`,
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

function tell(
  event: ClusterEvent,
  {
    token,
    advertise,
    note,
  }: { token: string; advertise: string | null; note: (line: string) => void },
): void {
  if (event.kind === "listening") {
    const [, host, port] = /^(.*):(\d+)$/.exec(event.address)!;
    const shown = advertise ?? (host === "0.0.0.0" ? hostname() : host);
    note(`waiting for ${event.members} members; start each with:`);
    note(`  GLISSADE_TOKEN=${token} glissade worker --join ${shown}:${port}`);
  }
  if (event.kind === "joined") note(`${event.name} joined from ${event.address}`);
  if (event.kind === "left") note(`${event.name} left`);
}

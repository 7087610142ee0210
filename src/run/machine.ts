/**
 * What this machine or container allows. Node 20 knows nothing of the CPU quota of a cgroup, and counts
 * the host's memory: both are read here, version 1 and 2.
 */
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { dirname, join } from "node:path";

export interface Cores {
  readonly count: number;
  /** What set the limit, for the summary, as in "cores of this machine". */
  readonly reason: string;
}

export interface Machine {
  readonly cores: Cores;
  readonly memoryBytes: number;
  readonly memoryReason: string;
}

/** Reads a file of the system, or null when it is not there; tests give their own. */
export type ReadSystemFile = (path: string) => string | null;

/** Cores and memory that this process may use. */
export function describeMachine(read: ReadSystemFile = readSystemFile): Machine {
  return { cores: usableCores(read), ...usableMemory(read) };
}

/** Cores: the least of cgroup CPU quota (rounded up), affinity and cores of the machine. */
export function usableCores(read: ReadSystemFile = readSystemFile): Cores {
  const cores = cpus().length || 1;
  // libuv asks sched_getaffinity, so this is the affinity mask where there is one.
  const affinity = availableParallelism();
  const quota = cpuQuota(read);
  if (quota !== null && Math.ceil(quota) < affinity) {
    const count = Math.max(1, Math.ceil(quota));
    return { count, reason: `CPU quota of this container, ${Number(quota.toFixed(2))}` };
  }
  if (affinity < cores) return { count: affinity, reason: "CPU affinity of this process" };
  return { count: affinity, reason: "cores of this machine" };
}

/** Memory in bytes: the least of the cgroup's limits and the machine's. */
export function usableMemory(read: ReadSystemFile = readSystemFile) {
  const limit = memoryLimit(read);
  if (limit !== null && limit < totalmem()) {
    return { memoryBytes: limit, memoryReason: "memory limit of this container" };
  }
  return { memoryBytes: totalmem(), memoryReason: "memory of this machine" };
}

/** For the manifest: what ran this. */
export function machineFacts() {
  const { cores, memoryBytes } = describeMachine();
  return {
    platform: `${process.platform} ${release()} ${process.arch}`,
    processor: cpus()[0]?.model ?? "unknown",
    cores: cores.count,
    coresReason: cores.reason,
    memoryBytes,
    node: process.versions.node,
  };
}

/** CPU quota in cores, the tightest on the way from this process's cgroup to the root; null: none. */
function cpuQuota(read: ReadSystemFile): number | null {
  const quotas: number[] = [];
  for (const folder of cgroupFolders(read, "")) {
    const [quota, period] = (read(join(folder, "cpu.max")) ?? "max").trim().split(/\s+/);
    if (quota !== "max" && Number(quota) > 0) quotas.push(Number(quota) / Number(period ?? 100000));
  }
  for (const folder of cgroupFolders(read, "cpu")) {
    const quota = Number(read(join(folder, "cpu.cfs_quota_us")) ?? -1);
    const period = Number(read(join(folder, "cpu.cfs_period_us")) ?? 100000);
    if (quota > 0 && period > 0) quotas.push(quota / period);
  }
  return quotas.length === 0 ? null : Math.min(...quotas);
}

function memoryLimit(read: ReadSystemFile): number | null {
  const texts = [
    ...cgroupFolders(read, "").map((folder) => read(join(folder, "memory.max"))),
    ...cgroupFolders(read, "memory").map((folder) => read(join(folder, "memory.limit_in_bytes"))),
  ];
  // Version 1 writes "no limit" as a number near 2^63.
  const limits = texts.map((text) => Number(text?.trim() || Number.NaN));
  const real = limits.filter((limit) => limit > 0 && limit < 2 ** 60);
  return real.length === 0 ? null : Math.min(...real);
}

/**
 * The folders of this process's cgroup and of all above it. `controller` is empty for version 2. Inside a
 * container the path of /proc/self/cgroup may be the host's: the mount's root is always tried too.
 */
function cgroupFolders(read: ReadSystemFile, controller: string): string[] {
  const mount = controller === "" ? "/sys/fs/cgroup" : `/sys/fs/cgroup/${controller}`;
  const line = (read("/proc/self/cgroup") ?? "")
    .split("\n")
    .map((text) => text.split(":"))
    .find(([, names = ""]) =>
      controller === "" ? names === "" : names.split(",").includes(controller),
    );
  const folders = [mount];
  for (let path = line?.slice(2).join(":") ?? "/"; path.length > 1; path = dirname(path)) {
    folders.push(join(mount, path));
  }
  return folders;
}

function readSystemFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

import { availableParallelism, totalmem } from "node:os";
import { describe, expect, test } from "vitest";
import { usableCores, usableMemory } from "./machine.ts";

/** A system that has just these files. */
function system(files: Record<string, string>) {
  return (path: string) => files[path] ?? null;
}

describe("cores", () => {
  test("without a quota: those of the machine, or of the affinity mask", () => {
    const { count, reason } = usableCores(system({}));
    expect(count).toBe(availableParallelism());
    expect(["cores of this machine", "CPU affinity of this process"]).toContain(reason);
  });

  test.each([
    ["50000 100000", 1],
    ["10000 100000", 1],
    ["100000 100000", 1],
  ])("cgroup 2, cpu.max %s: %d", (quota, count) => {
    const read = system({
      "/proc/self/cgroup": "0::/\n",
      "/sys/fs/cgroup/cpu.max": `${quota}\n`,
    });
    expect(usableCores(read).count).toBe(Math.min(count, availableParallelism()));
  });

  test("the tightest quota on the way to the root counts", () => {
    const read = system({
      "/proc/self/cgroup": "0::/a/b\n",
      "/sys/fs/cgroup/cpu.max": "max 100000\n",
      "/sys/fs/cgroup/a/cpu.max": "50000 100000\n",
      "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
    });
    expect(usableCores(read)).toEqual(
      availableParallelism() > 1
        ? { count: 1, reason: "CPU quota of this container, 0.5" }
        : usableCores(system({})),
    );
  });

  test("cgroup 1: quota over period, -1 is none", () => {
    const base = { "/proc/self/cgroup": "3:cpu,cpuacct:/\n" };
    const quota = (us: string) => ({
      ...base,
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": us,
      "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    });
    expect(usableCores(system(quota("20000"))).count).toBe(1);
    expect(usableCores(system(quota("-1"))).count).toBe(availableParallelism());
  });

  test("a quota above the machine's cores changes nothing", () => {
    const read = system({ "/sys/fs/cgroup/cpu.max": "100000000 100000" });
    expect(usableCores(read).count).toBe(availableParallelism());
  });
});

describe("memory", () => {
  test("the container's limit, version 2 and 1", () => {
    const v2 = system({ "/sys/fs/cgroup/memory.max": "1048576\n" });
    expect(usableMemory(v2)).toEqual({
      memoryBytes: 1048576,
      memoryReason: "memory limit of this container",
    });
    const v1 = system({
      "/proc/self/cgroup": "4:memory:/docker/x\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
      "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": "2097152",
    });
    expect(usableMemory(v1).memoryBytes).toBe(2097152);
  });

  test("no limit is the machine's memory", () => {
    expect(usableMemory(system({ "/sys/fs/cgroup/memory.max": "max\n" }))).toEqual({
      memoryBytes: totalmem(),
      memoryReason: "memory of this machine",
    });
  });
});

/** Small disks for tests: memory that is mounted, where that is allowed. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** Mounting needs more than being root: some containers refuse it. */
export const canMount: boolean = process.getuid?.() === 0 && tryMount();

/** Mounts memory at a folder that is not there yet, until the test ends. */
export function mountMemory(folder: string, options: string): string {
  mkdirSync(folder);
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]);
  onTestFinished(() => void execFileSync("umount", [folder]));
  return folder;
}

/** Fills a disk to its last block. */
export function fill(folder: string): void {
  try {
    for (let i = 0; ; i++) writeFileSync(join(folder, `fill-${i}`), Buffer.alloc(4096));
  } catch {
    // Full, as was wanted.
  }
}

function tryMount(): boolean {
  const folder = join("/tmp", `glissade-mount-${process.pid}`);
  try {
    mkdirSync(folder);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], { stdio: "ignore" });
    execFileSync("umount", [folder]);
    return true;
  } catch {
    return false;
  } finally {
    execFileSync("rmdir", [folder]);
  }
}

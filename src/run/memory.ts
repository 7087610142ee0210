/** How much of the memory that a run may use is for blocks. */
import { usableMemory } from "./machine.ts";

/** Node itself, threads, weights and lists of rows. */
const besideBytes = 96 * 2 ** 20;
/** Share of a machine's or container's memory that a run takes without being asked to. */
const unaskedShare = 0.8;
/** What kernels can address, less what is not blocks. */
const blockBytesMax = 3.75 * 2 ** 30;
const memoryBytesMin = 128 * 2 ** 20;

/**
 * Bytes for blocks under `--memory`.
 * @throws RangeError for a size in which nothing can be learned.
 */
export function blockMemory(memory: number | "auto"): number {
  if (memory !== "auto" && memory < memoryBytesMin) {
    throw new RangeError(
      `Cannot train in this memory as --memory must be at least 128MiB: current value is ${memory} bytes`,
    );
  }
  const bytes = memory === "auto" ? unaskedShare * usableMemory().memoryBytes : memory;
  return Math.min(blockBytesMax, Math.max(bytes - besideBytes, bytes / 4));
}

/** XXH64 over data that comes in pieces, by the kernel of assembly/xxh64.ts. */
import type { Arena } from "./arena.ts";
import type { ReadingKernels } from "./exports-parse.ts";

export interface Checksum {
  start(): void;
  /** Adds bytes from anywhere; they are copied into the arena. */
  add(bytes: Uint8Array): void;
  /** The 64 bits of the hash of all that was added since `start`. */
  finish(): bigint;
}

const stateBytes = 128;
const copyBytes = 128 * 1024;

/** A checksum with state of its own in the arena; seed 0. */
export function createChecksum(arena: Arena, kernels: ReadingKernels): Checksum {
  const state = arena.allocate(stateBytes);
  const room = arena.allocate(copyBytes);
  kernels.xxh64Start(state, 0n);
  return {
    start: () => kernels.xxh64Start(state, 0n),
    add(bytes) {
      for (let at = 0; at < bytes.length; at += copyBytes) {
        const piece = bytes.subarray(at, at + copyBytes);
        arena.bytesAt(room, piece.length).set(piece);
        kernels.xxh64Add(state, room, piece.length);
      }
    },
    finish: () => BigInt.asUintN(64, kernels.xxh64Finish(state, 0n)),
  };
}

/** The checksum of a block: XXH64 of its bytes with the checksum field itself 0. */
import { type Block, headerField } from "../data/block.ts";
import type { Arena } from "./arena.ts";
import type { ReadingKernels } from "./exports-parse.ts";

const stateBytes = 128;

export interface BlockChecksum {
  /** Computes the checksum and writes it into the block's header. */
  seal(block: Block): void;
  /** Whether the block's bytes are those that were sealed. */
  holds(block: Pick<Block, "byteOffset" | "byteLength">): boolean;
}

/** Checksums of blocks in this arena; it owns its state there, so it belongs to one thread. */
export function createBlockChecksum(arena: Arena, kernels: ReadingKernels): BlockChecksum {
  const state = arena.allocate(stateBytes);
  const fieldOf = (byteOffset: number) =>
    new BigUint64Array(arena.buffer, byteOffset + headerField.checksum, 1);
  const compute = (byteOffset: number, byteLength: number) => {
    const field = fieldOf(byteOffset);
    field[0] = 0n;
    kernels.xxh64Start(state, 0n);
    kernels.xxh64Add(state, byteOffset, byteLength);
    return BigInt.asUintN(64, kernels.xxh64Finish(state, 0n));
  };
  return {
    seal({ byteOffset, byteLength }) {
      fieldOf(byteOffset)[0] = compute(byteOffset, byteLength);
    },
    holds({ byteOffset, byteLength }) {
      const stored = fieldOf(byteOffset)[0]!;
      const found = compute(byteOffset, byteLength);
      fieldOf(byteOffset)[0] = stored;
      return found === stored;
    },
  };
}

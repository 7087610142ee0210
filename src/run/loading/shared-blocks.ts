/**
 * A block file that several processes learn of: its training rows, block by block. Its name comes from the coordinator: only a
 * file on this machine's own disks or mounts is opened. A pipe would be waited for, for ever, and the name of another machine
 * makes Windows tell that machine who asks.
 */
import { statSync } from "node:fs";
import type { Block } from "../../data/block.ts";
import { viewBlock } from "../../data/block.ts";
import { rowIdsOf } from "../../data/block-source.ts";
import type { SharedReader, SharedRows } from "../../engines/cluster/shared-rows.ts";
import { Arena } from "../../kernels/arena.ts";
import { loadKernels } from "../../kernels/loader.ts";
import { splitRows } from "../../learner/split.ts";
import { withConstantColumn } from "../constant-column.ts";
import { openBlockFile } from "./block-open.ts";
import { BlockLoad } from "./block-reader.ts";
import { slotBytes } from "./block-slots.ts";

const namesMachine = /^[\\/]{2}/;

/** @throws Error when the file is not there, damaged, or not the one that is meant. */
export function openSharedBlocks(rows: SharedRows): SharedReader {
  if (namesMachine.test(rows.path)) throw new Error("the path names another machine");
  if (!statSync(rows.path).isFile()) throw new Error("what is there is no file");
  const arena = new Arena();
  const kernels = loadKernels(arena);
  const file = openBlockFile(arena, rows.path);
  const { manifest, manifestChecksum, descriptor } = file;
  const isMeant =
    manifestChecksum === rows.manifestChecksum && manifest.blocks.length === rows.trainRows.length;
  if (!isMeant) {
    file.close();
    throw new Error("the file there is another one");
  }
  const address = arena.allocate(slotBytes(file));
  const load = new BlockLoad(arena, descriptor, new Uint8Array(manifest.blocks.length));
  let wider: Block | null = null;
  return {
    read(number) {
      if (wider) arena.release(wider.byteOffset, wider.byteLength);
      wider = null;
      const problem = load.read(number, manifest.blocks[number]!, address);
      if (problem !== null) throw new Error(`block ${number}: ${problem}`);
      const block = viewBlock(arena.buffer, address);
      const { training } = splitRows(arena, kernels, rowIdsOf(block), rows.split);
      if (rows.constantColumn === null) return { block, rows: training };
      wider = withConstantColumn(arena, block, rows.constantColumn);
      return { block: wider, rows: training };
    },
    [Symbol.dispose]: () => file.close(),
  };
}

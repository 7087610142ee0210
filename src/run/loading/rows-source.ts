/** Rows that come one by one, from memory or made: packed into blocks. */
import type { Block } from "../../data/block.ts";
import type { ParsedChunk } from "../../data/chunk.ts";
import {
  badRow,
  type CsrArrays,
  memorySourceName,
  type Row,
  RowPacker,
  rowsOfCsr,
} from "../../data/rows.ts";
import type { Reading } from "./read.ts";

type Rows = Iterable<Row> | AsyncIterable<Row>;

export function readMemory(source: CsrArrays | Rows, reading: Reading): AsyncGenerator<Block> {
  return readRows(memorySourceName, rowsOf(source), reading);
}

/** The blocks of rows that `name` stands for in errors and in the list of sources. */
export async function* readRows(
  name: string,
  rows: Rows,
  { collector, blockArena, parsing, fingerprint, options }: Reading,
): AsyncGenerator<Block> {
  const packer = new RowPacker(blockArena, parsing);
  collector.openSource(name);
  let bytes = 0;
  function take(chunk: ParsedChunk | undefined): Block | undefined {
    options.signal?.throwIfAborted();
    const block = chunk && collector.absorb(chunk);
    if (!block) return undefined;
    bytes += block.byteLength;
    fingerprint.addBlock(block);
    return block;
  }
  // Waiting for rows that are there takes longer than packing them.
  for (const row of Symbol.iterator in rows ? rows : []) {
    const block = take(packer.add(row));
    if (block) yield block;
  }
  for await (const row of Symbol.asyncIterator in rows ? rows : []) {
    const block = take(packer.add(row));
    if (block) yield block;
  }
  const last = take(packer.flush());
  if (last) yield last;
  collector.closeSource(bytes);
}

function rowsOf(source: CsrArrays | Rows): Rows {
  if ("rowStart" in source) return rowsOfCsr(source);
  if (Symbol.asyncIterator in source || Symbol.iterator in source) return source;
  throw badRow(0, "a value that is no list of rows", "file names, CSR arrays or rows");
}

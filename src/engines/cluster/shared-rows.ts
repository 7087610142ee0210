/**
 * Rows at a path that members share: a member whose machine has the very block file that the coordinator learned of
 * its rows from reads its segments there, and needs nobody for that. Who does not find it gets them from the
 * coordinator.
 */
import type { BlockRows } from "../../learner/rows.ts";
import { partsOfSegments, type SegmentRows } from "./row-parts.ts";

/** Where the rows are, and how to find the same ones there. */
export interface SharedRows {
  /** Of a block file. */
  readonly path: string;
  /** Which file it is, by XXH64 in hex: when it was made, of what, and where its blocks lie. */
  readonly manifestChecksum: string;
  /** Which rows are for training. */
  readonly split: { readonly share: number; readonly seed: number };
  /** Training rows of each of its blocks. */
  readonly trainRows: readonly number[];
  /** The id at which each row gets a 1 more; null for none. */
  readonly constantColumn: number | null;
}

/** Blocks of an open file, with their training rows; each is valid until the next is read. */
export interface SharedReader extends Disposable {
  /** @throws Error when the block is damaged. */
  read(number: number): BlockRows;
}

/** Opens the file. @throws Error when it is not there, or is another. */
export type OpenShared = (rows: SharedRows) => SharedReader;

/** The rows of some segments, block by block. @throws Error when the file is not what it should be. */
export function* sharedSegments(
  rows: SharedRows,
  open: OpenShared,
  { segments, wanted }: { segments: number; wanted: ReadonlySet<number> },
): Generator<SegmentRows> {
  using reader = open(rows);
  const parts = rows.trainRows.map((count, number) => ({
    count,
    acquire() {
      const part = reader.read(number);
      if (part.rows.length === count) return part;
      throw new Error(`block ${number} has ${part.rows.length} training rows, not ${count}`);
    },
  }));
  yield* partsOfSegments(parts, segments, wanted);
}

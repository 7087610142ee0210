// Lists of rows, and copies of listed rows.

import {
  blockAt,
  endOf,
  indexOf,
  labelOf,
  rowAt,
  rowStartAt,
  setLabel,
  setRowId,
  startOf,
  valueOf,
} from "./rows";

/** Lists `count` rows of a block that follow each other, and their places (u32), which count from `before`, if any. */
export function listRun(rows: usize, positions: usize, block: usize, first: u32, count: u32, before: u32): void {
  for (let k: u32 = 0; k < count; k++) {
    store<u32>(rows + (<usize>k << 3), <u32>block);
    store<u32>(rows + (<usize>k << 3), first + k, 4);
  }
  if (positions == 0) return;
  for (let k: u32 = 0; k < count; k++) store<u32>(positions + (<usize>k << 2), before + first + k);
}

/**
 * Copies the rows of a list, in its order, to a block whose header is written and has room for just these. They may
 * come from many blocks, so their ids are their places in the copy.
 */
export function copyRows(rows: usize, count: u32, to: usize): void {
  let at: usize = 0;
  store<u32>(rowStartAt(to, 0), 0);
  for (let k: u32 = 0; k < count; k++) {
    const from = blockAt(rows, k);
    const row = rowAt(rows, k);
    const place = <usize>k << 2;
    const start = startOf(from, row);
    const bytes = endOf(from, row) - start;
    memory.copy(indexOf(to) + at, indexOf(from) + start, bytes);
    memory.copy(valueOf(to) + at, valueOf(from) + start, bytes);
    at += bytes;
    store<u32>(rowStartAt(to, place + 4), <u32>(at >> 2));
    setLabel(to, place, labelOf(from, row));
    setRowId(to, place, k);
  }
}

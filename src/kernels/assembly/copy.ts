// Copies rows from one block to another, whose header is written already and has room for just these.

import {
  endOf,
  indexOf,
  labelOf,
  rowIdOf,
  rowStartAt,
  setLabel,
  setRowId,
  startOf,
  valueOf,
} from "./rows";

/** Copies the rows of these numbers, in the order given. */
export function copyRows(from: usize, numbers: usize, count: u32, to: usize): void {
  const index = indexOf(from);
  const value = valueOf(from);
  let at: usize = 0;
  store<u32>(rowStartAt(to, 0), 0);
  for (let k: u32 = 0; k < count; k++) {
    const row = <usize>load<u32>(numbers + (<usize>k << 2)) << 2;
    const place = <usize>k << 2;
    const start = startOf(from, row);
    const bytes = endOf(from, row) - start;
    memory.copy(indexOf(to) + at, index + start, bytes);
    memory.copy(valueOf(to) + at, value + start, bytes);
    at += bytes;
    store<u32>(rowStartAt(to, place + 4), <u32>(at >> 2));
    setLabel(to, place, labelOf(from, row));
    setRowId(to, place, rowIdOf(from, row));
  }
}

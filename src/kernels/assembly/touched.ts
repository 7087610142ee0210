// Few rows on a wide model: what they touch is copied and compared, not the whole vector.

import { blockAt, endOf, indexOf, rowAt, startOf } from "./rows";

/** Non-zeros of all rows of a list. */
export function countEntries(rows: usize, count: u32): u32 {
  let bytes: usize = 0;
  for (let k: u32 = 0; k < count; k++) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    bytes += endOf(block, row) - startOf(block, row);
  }
  return <u32>(bytes >> 2);
}

/** to[j] = from[j] for every coordinate j that the rows have. */
export function copyTouched(rows: usize, count: u32, from: usize, to: usize): void {
  for (let k: u32 = 0; k < count; k++) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    const index = indexOf(block);
    const end = endOf(block, row);
    for (let e = startOf(block, row); e < end; e += 4) {
      const at = <usize>load<u32>(index + e) << 2;
      store<f32>(to + at, load<f32>(from + at));
    }
  }
}

/**
 * Lists after[j] - before[j], where it is not 0, of the coordinates j that the rows have: ascending, each once.
 * `bits`: a bit a coordinate, all 0 before and after; `words` of 64 bits.
 */
export function listTouched(
  rows: usize,
  count: u32,
  after: usize,
  before: usize,
  bits: usize,
  words: u32,
  index: usize,
  value: usize,
): u32 {
  for (let k: u32 = 0; k < count; k++) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    const indices = indexOf(block);
    const end = endOf(block, row);
    for (let e = startOf(block, row); e < end; e += 4) {
      const j = load<u32>(indices + e);
      const word = bits + (<usize>(j >> 6) << 3);
      store<u64>(word, load<u64>(word) | ((<u64>1) << (<u64>j & 63)));
    }
  }
  let at: usize = 0;
  for (let w: usize = 0; w < <usize>words; w++) {
    let word = load<u64>(bits + (w << 3));
    if (word == 0) continue;
    store<u64>(bits + (w << 3), 0);
    for (; word != 0; word &= word - 1) {
      const j = (<u32>w << 6) + <u32>ctz(word);
      const change = load<f32>(after + (<usize>j << 2)) - load<f32>(before + (<usize>j << 2));
      if (change == 0) continue;
      store<u32>(index + at, j);
      store<f32>(value + at, change);
      at += 4;
    }
  }
  return <u32>(at >> 2);
}

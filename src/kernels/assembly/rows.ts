// Rows of a block, as the kernels see them. Layout: docs/block-format.md, src/data/block.ts.
// A list of rows is a list of pairs (u32 address of a block, u32 number of a row in it), so one call may cross
// blocks in any order.
// v: weight vector (f32), x: a row's values, p = v.x its prediction before scaling. A row is named by its block and
// its place in it: every function finds what it needs from these, which costs nothing that could be measured.

const ROW_START: usize = 64;
const INDEX: usize = 68;
const VALUE: usize = 72;
const LABEL: usize = 76;
const ROW_ID: usize = 80;

/** Address of the block of the k-th row of a list. */
// @ts-ignore: decorator
@inline
export function blockAt(rows: usize, k: u32): usize {
  return <usize>load<u32>(rows + (<usize>k << 3));
}

/** Where the k-th row of a list stands in the columns of its block that have one entry a row, in bytes. */
// @ts-ignore: decorator
@inline
export function rowAt(rows: usize, k: u32): usize {
  return <usize>load<u32>(rows + (<usize>k << 3), 4) << 2;
}

/** Where a row's non-zeros start in index and value, in bytes. */
// @ts-ignore: decorator
@inline
export function startOf(block: usize, row: usize): usize {
  return <usize>load<u32>(block + load<u32>(block + ROW_START) + row) << 2;
}

/** Where they end. */
// @ts-ignore: decorator
@inline
export function endOf(block: usize, row: usize): usize {
  return <usize>load<u32>(block + load<u32>(block + ROW_START) + row, 4) << 2;
}

// @ts-ignore: decorator
@inline
export function indexOf(block: usize): usize {
  return block + load<u32>(block + INDEX);
}

// @ts-ignore: decorator
@inline
export function valueOf(block: usize): usize {
  return block + load<u32>(block + VALUE);
}

// @ts-ignore: decorator
@inline
export function labelOf(block: usize, row: usize): f32 {
  return load<f32>(block + load<u32>(block + LABEL) + row);
}

/** Address of the entry of rowStart that stands `row` bytes from its first. */
// @ts-ignore: decorator
@inline
export function rowStartAt(block: usize, row: usize): usize {
  return block + load<u32>(block + ROW_START) + row;
}

// @ts-ignore: decorator
@inline
export function setLabel(block: usize, row: usize, label: f32): void {
  store<f32>(block + load<u32>(block + LABEL) + row, label);
}

// @ts-ignore: decorator
@inline
export function setRowId(block: usize, row: usize, id: u32): void {
  store<u32>(block + load<u32>(block + ROW_ID) + row, id);
}

/**
 * v.x: four partial sums in f32, one a lane, added in lane order, then the last up to three terms in order.
 * The order is part of the contract: reference/rows.ts adds in the same one.
 */
// @ts-ignore: decorator
@inline
export function dotRow(v: usize, block: usize, row: usize): f32 {
  const index = indexOf(block);
  const value = valueOf(block);
  const end = endOf(block, row);
  let sum0: f32 = 0;
  let sum1: f32 = 0;
  let sum2: f32 = 0;
  let sum3: f32 = 0;
  let k = startOf(block, row);
  for (; k + 16 <= end; k += 16) {
    sum0 += load<f32>(v + (<usize>load<u32>(index + k) << 2)) * load<f32>(value + k);
    sum1 += load<f32>(v + (<usize>load<u32>(index + k, 4) << 2)) * load<f32>(value + k, 4);
    sum2 += load<f32>(v + (<usize>load<u32>(index + k, 8) << 2)) * load<f32>(value + k, 8);
    sum3 += load<f32>(v + (<usize>load<u32>(index + k, 12) << 2)) * load<f32>(value + k, 12);
  }
  let sum: f32 = sum0 + sum1 + sum2 + sum3;
  for (; k < end; k += 4) {
    sum += load<f32>(v + (<usize>load<u32>(index + k) << 2)) * load<f32>(value + k);
  }
  return sum;
}

/** v += factor * x. */
// @ts-ignore: decorator
@inline
export function addScaledRow(factor: f32, block: usize, row: usize, v: usize): void {
  const index = indexOf(block);
  const value = valueOf(block);
  const end = endOf(block, row);
  let k = startOf(block, row);
  for (; k + 16 <= end; k += 16) {
    const at0 = v + (<usize>load<u32>(index + k) << 2);
    const at1 = v + (<usize>load<u32>(index + k, 4) << 2);
    const at2 = v + (<usize>load<u32>(index + k, 8) << 2);
    const at3 = v + (<usize>load<u32>(index + k, 12) << 2);
    store<f32>(at0, load<f32>(at0) + factor * load<f32>(value + k));
    store<f32>(at1, load<f32>(at1) + factor * load<f32>(value + k, 4));
    store<f32>(at2, load<f32>(at2) + factor * load<f32>(value + k, 8));
    store<f32>(at3, load<f32>(at3) + factor * load<f32>(value + k, 12));
  }
  for (; k < end; k += 4) {
    const at = v + (<usize>load<u32>(index + k) << 2);
    store<f32>(at, load<f32>(at) + factor * load<f32>(value + k));
  }
}

/** v_j += (factor * x_j) * sigma_j over the row's non-zeros. */
// @ts-ignore: decorator
@inline
export function addCountedRow(factor: f32, block: usize, row: usize, sigma: usize, v: usize): void {
  const index = indexOf(block);
  const value = valueOf(block);
  const end = endOf(block, row);
  for (let k = startOf(block, row); k < end; k += 4) {
    const j = <usize>load<u32>(index + k) << 2;
    store<f32>(v + j, load<f32>(v + j) + factor * load<f32>(value + k) * load<f32>(sigma + j));
  }
}

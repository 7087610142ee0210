// Rows of a block, as the kernels see them. Layout: docs/block-format.md, src/data/block.ts.
// A list of rows is a list of pairs (u32 address of a block, u32 number of a row in it), so one call may cross
// blocks in any order.
// v: weight vector (f32), x: a row's values, j: its indices, p = v.x its prediction before scaling.

const ROW_START: usize = 64;
const INDEX: usize = 68;
const VALUE: usize = 72;
const LABEL: usize = 76;

// @ts-ignore: decorator
@inline
export function rowStartOf(block: usize): usize {
  return block + load<u32>(block + ROW_START);
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
export function labelOf(block: usize): usize {
  return block + load<u32>(block + LABEL);
}

/**
 * v.x over non-zeros [start, end), byte offsets into index and value: four partial sums in f32, one a
 * lane, added in lane order, then the last up to three terms in order. The order is part of the contract:
 * reference/rows.ts adds in the same one.
 */
// @ts-ignore: decorator
@inline
export function dot(v: usize, index: usize, value: usize, start: usize, end: usize): f32 {
  let sum0: f32 = 0;
  let sum1: f32 = 0;
  let sum2: f32 = 0;
  let sum3: f32 = 0;
  let k = start;
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

/** v += factor * x over non-zeros [start, end). */
// @ts-ignore: decorator
@inline
export function addScaledRow(
  factor: f32,
  index: usize,
  value: usize,
  start: usize,
  end: usize,
  v: usize,
): void {
  let k = start;
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

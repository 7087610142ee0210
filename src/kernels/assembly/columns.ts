// Learning by columns: the slopes at margins that other members have added to, applied to the own columns.

import { anyClass, anySlope } from "./losses";
import { addScaledRow, blockAt, labelOf, rowAt } from "./rows";

/** write -= coefficient[k] * slope(margins[k], y) * x for the k-th row of the list; margins are f32. */
export function adjustRows(
  loss: i32,
  rows: usize,
  count: u32,
  margins: usize,
  coefficient: usize,
  threshold: f32,
  write: usize,
): void {
  for (let k: u32 = 0; k < count; k++) {
    const block = blockAt(rows, k);
    const row = rowAt(rows, k);
    const y = anyClass(loss, labelOf(block, row), threshold);
    const slope = anySlope(loss, <f64>load<f32>(margins + (<usize>k << 2)), y);
    if (slope == 0.0) continue;
    addScaledRow(<f32>(-slope * load<f64>(coefficient + (<usize>k << 3))), block, row, write);
  }
}

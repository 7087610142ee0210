/** Slow twins of the kernels that threads share, where their outcome does not depend on timing. */
import type { Loss } from "../../model/losses.ts";
import { classOf, dot, type RowOf } from "./rows.ts";

/** base + sum of (v_r - base), there divided by sigma where steps counted so often, or the mean weighted by shares; in f64 and rank order. */
export function mergeReplicas(
  replicas: readonly Float32Array[],
  how: { shares: readonly number[] } | { base: Float32Array; sigma?: Float32Array },
): Float32Array {
  return replicas[0]!.map((first, j) => {
    if ("shares" in how) {
      return replicas.reduce((sum, v, rank) => sum + how.shares[rank]! * v[j]!, 0);
    }
    const before = how.base[j]!;
    const sigma = how.sigma?.[j];
    if (sigma !== undefined)
      return replicas.reduce((sum, v) => sum + (v[j]! - before) / sigma, before);
    return replicas.slice(1).reduce((sum, v) => sum + (v[j]! - before), first);
  });
}

/** Decay of touched coordinates, row after row: w_u *= 1 - eta*l2*n/d_u, then the step; w changes. */
export function touchedRows(
  loss: Loss,
  rows: readonly RowOf[],
  w: Float32Array,
  options: { rate: (t: number) => number; l2: number; rarity: Float32Array; threshold: number },
): void {
  const { rate, l2, rarity, threshold } = options;
  rows.forEach((at, k) => {
    const { block, row } = at;
    const slope = loss.slope(dot(w, at), classOf(loss, block.label[row]!, threshold));
    const eta = rate(k + 1);
    for (let e = block.rowStart[row]!; e < block.rowStart[row + 1]!; e++) {
      const u = block.index[e]!;
      const decay = Math.max(0, 1 - eta * l2 * rarity[u]!);
      w[u] = w[u]! * decay - eta * slope * block.value[e]!;
    }
  });
}

/**
 * Who may send less than everything (wire/carry.ts says how). A strategy that keeps its laws all the same takes
 * the options `values`, `topK` and `tolerance`; any other says in words why it does not.
 */
import type { Thinning } from "../wire/carry.ts";

/** Everything, as it is. */
export const wholeUpdates: Thinning = { values: "f32", topK: 0, tolerance: 0 };

/** Whether less than everything is asked for. */
export function isThin({ values, topK, tolerance }: Thinning): boolean {
  return values !== "f32" || topK > 0 || tolerance > 0;
}

/** Why a strategy sends everything; null where nothing else is asked for. */
export function refusesThinning(strategy: string, why: string, asked: Thinning): string | null {
  if (!isThin(asked)) return null;
  const { values, topK, tolerance } = asked;
  return `${strategy} sends everything, as ${why}: values must be f32, top-k and tolerance 0, current values are ${values}, ${topK} and ${tolerance}`;
}

/** Learning that ran away: it ends, and the best model judged before is what it came to. */
import type { BestWeights } from "./best.ts";
import type { Verdict } from "./stopping.ts";

/**
 * Ends the run with what was judged before.
 * @throws RangeError with the same words where nothing was.
 */
export function diverged(best: Pick<BestWeights, "hasBest">, detail: string): Verdict {
  if (best.hasBest()) return { rule: "diverged", detail };
  throw new RangeError(`Cannot save a model as no good one was judged before: ${detail}`);
}

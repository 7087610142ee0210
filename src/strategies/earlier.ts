/**
 * Earlier lives of a member: one that was expelled though it lived had made updates that others may have, or not.
 * Only those who went on know which; they tell the newcomer that it is now, and it tells the rest as lost.
 *
 * Invariant: of every life that was expelled and came back, each update is applied or told as lost.
 */
import type { EarlierLife, Outbox } from "./strategy.ts";

/** Tells what lives made beyond what counts of them (`countedOf`; undefined: not known); each life once. */
export function tellLost(
  earlier: EarlierLife[],
  rank: number,
  countedOf: (incarnation: number) => number | undefined,
  out: Outbox<never>,
): void {
  for (const { incarnation, clock } of earlier.splice(0)) {
    const counted = countedOf(incarnation);
    if (counted === undefined) earlier.push({ incarnation, clock });
    else if (clock > counted) {
      out.push({ kind: "report", report: { kind: "lost", from: rank, updates: clock - counted } });
    }
  }
}

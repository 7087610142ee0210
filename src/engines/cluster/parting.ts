/**
 * The end of a member that leaves. The others take what it sent for on its way until they have all of it; a process
 * that ends before takes it along, and they wait for ever. So it is counted out only once they have it: until then it
 * is a member like any other, whose death they see.
 */
import type { View } from "../../strategies/strategy.ts";
import { isMemberOf } from "../../topology/view.ts";
import { becomeParted, beginsToPart } from "../membered.ts";
import { partMsMax } from "./limits.ts";
import type { Links } from "./links.ts";

/** What the parting concerns. */
interface Port {
  readonly state: unknown;
  readonly links: Links;
  readonly view: () => View | null;
  /** To be called when it may be counted out. */
  readonly wake: () => void;
}

/** To be asked after every step: begins when the strategy has left. Who goes out of the view meanwhile is not waited for. */
export function partIfLeft({ state, links, view, wake }: Port): void {
  if (!beginsToPart(state)) return;
  void links
    .settle(partMsMax, (rank) => isMemberOf(view(), rank))
    .then(() => {
      becomeParted(state);
      wake();
    });
}

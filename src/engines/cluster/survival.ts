/**
 * What the loss of a member means to a strategy, as data. Servers of the parameter-server strategies hold the
 * only copy of their range, and the synchronous strategies without servers can't close a round without one.
 *
 * peer-to-peer and ad-psgd settle a loss at a change of view in the simulator (test/simulation), but on real processes
 * one in some dozen runs of peer-to-peer never ended after a kill. Until the cause is found a cluster says that it
 * lost the worker and ends, rather than wait for ever.
 */
import type { AnyStrategy, Role } from "../../strategies/strategy.ts";

/** `counts-out`: servers go on without a worker that is lost or says goodbye. `views`: a new view settles it. */
export type Survival = "counts-out" | "views";

const survivals: Readonly<Record<string, Survival>> = {
  bsp: "counts-out",
  asp: "counts-out",
  ssp: "counts-out",
  dssp: "counts-out",
};

/** How the others go on without a member of that role; null when they can't. */
export function survivalOf({ name }: AnyStrategy, role: Role): Survival | null {
  return role === "worker" ? (survivals[name] ?? null) : null;
}

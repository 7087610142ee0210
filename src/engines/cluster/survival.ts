/**
 * What the loss of a member means to a strategy, as data. Servers of the parameter-server strategies hold the
 * only copy of their range, and the synchronous strategies without servers can't close a round without one.
 */
import type { AnyStrategy, Role } from "../../strategies/strategy.ts";

/** `counts-out`: servers go on without a worker that is lost or says goodbye. `views`: a new view settles it. */
export type Survival = "counts-out" | "views";

const survivals: Readonly<Record<string, Survival>> = {
  bsp: "counts-out",
  asp: "counts-out",
  ssp: "counts-out",
  dssp: "counts-out",
  "peer-to-peer": "views",
  "ad-psgd": "views",
};

/** How the others go on without a member of that role; null when they can't. */
export function survivalOf({ name }: AnyStrategy, role: Role): Survival | null {
  return role === "worker" ? (survivals[name] ?? null) : null;
}

/**
 * Bipartite topologies: active members begin an exchange, passive ones answer, and an edge joins one of
 * each, so that no cycle of waiting exists. Even places are active, odd ones passive.
 *
 * ring: the next and the one before. exponential: hops of 1 and of 2^i + 1, i >= 1, below n, both ways; all
 * hops are odd. With odd n an edge that wraps around may join two of one side; it is dropped.
 *
 * Source: Lian et al. 2018, arXiv 1710.06952, section 3; algorithms.md, sections 7 and 12 (the survey's i = 0
 * gives 2 hops, which joins two active members).
 * Invariant: every edge joins an active and a passive member.
 * Invariant: partnership is symmetric, and everybody can be reached.
 */
import type { TopologyName } from "./topology.ts";

/** The topologies that have a bipartite form. */
export const bipartiteNames = ["ring", "exponential"] as const satisfies readonly TopologyName[];

export type BipartiteName = (typeof bipartiteNames)[number];

/** Whether that topology has a bipartite form. */
export function isBipartite(name: TopologyName): name is BipartiteName {
  return name === "ring" || name === "exponential";
}

/** Whether the member at this place begins exchanges. */
export function isActive(place: number): boolean {
  return place % 2 === 0;
}

/** Places that the one at `place` exchanges with, ascending. */
export function partnersOf(name: BipartiteName, place: number, n: number): number[] {
  const partners = new Set<number>();
  for (const hop of name === "ring" ? [1] : exponentialHops(n)) {
    for (const other of [(place + hop) % n, (place - hop + n) % n]) {
      if (isActive(other) !== isActive(place)) partners.add(other);
    }
  }
  return [...partners].sort((a, b) => a - b);
}

function exponentialHops(n: number): number[] {
  const hops = [1];
  for (let power = 2; power + 1 < n; power *= 2) hops.push(power + 1);
  return hops;
}

/**
 * Who owns which segment of rows in a view: what the first dealing-out gives, moved as little as the view needs.
 * Always reckoned from the first one: a member that slept through a view, or is new, comes to the same owners
 * as the others without a word.
 *
 * Invariant: every segment has exactly one owner, a worker of the view.
 */
import { nextOwners } from "../../membership/segments.ts";
import type { View } from "../../strategies/strategy.ts";

/** Segments that are cut, and the workers that the run was planned with. */
export interface Dealing {
  readonly segments: number;
  readonly workers: number;
}

/** The owner of each segment, by rank; `view` null: before the first one. */
export function ownersIn(view: View | null, { segments, workers }: Dealing): Int32Array {
  const first = Int32Array.from({ length: segments }, (_, segment) => segment % workers);
  const ranks = view?.members.filter(({ role }) => role === "worker").map(({ rank }) => rank);
  return ranks && ranks.length > 0 ? nextOwners(first, ranks) : first;
}

/** The segments that a rank owns. */
export function segmentsOf(owners: Int32Array, rank: number): number[] {
  return [...owners.keys()].filter((segment) => owners[segment] === rank);
}

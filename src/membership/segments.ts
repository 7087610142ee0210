/**
 * Who owns which segment of rows. Each segment has exactly one owner in every view; `nextOwners` moves as few as
 * possible: what the departed owned, and from the fullest what newcomers need for an equal share.
 *
 * An engine reckons always from the first dealing-out (`ownersIn`): a member that slept through a view, or is new,
 * comes to the same owners as the others without a word. The price: least movement is that from the first dealing, so
 * while some are away a further change may move more than it must, among eight workers at most a seventh of all rows
 * more (a test tries every such change).
 *
 * Source: algorithms.md, section 10.
 * Invariant: every segment has exactly one owner, a worker of the view.
 * Invariant: members' shares differ by at most one segment.
 * Invariant: no assignment with such shares moves fewer segments from the owners it is given.
 */

import { type View, workerRanks } from "../topology/view.ts";

/** Segments that rows are cut into, and the workers that the run was planned with. */
export interface Dealing {
  readonly segments: number;
  readonly workers: number;
}

/** The owner of each segment, by rank, in a view; `null`: before the first one. */
export function ownersIn(view: View | null, { segments, workers }: Dealing): Int32Array {
  const planned = Array.from({ length: workers }, (_, rank) => rank);
  const first = firstOwners(segments, planned);
  const ranks = view ? workerRanks(view) : [];
  return ranks.length > 0 ? nextOwners(first, ranks) : first;
}

/** The segments that a rank owns, ascending. */
export function segmentsOf(owners: Int32Array, rank: number): number[] {
  return [...owners.keys()].filter((segment) => owners[segment] === rank);
}

/** The owner, by rank, of every segment at the start: dealt out in turns. */
export function firstOwners(segments: number, ranks: readonly number[]): Int32Array {
  return Int32Array.from({ length: segments }, (_, segment) => ranks[segment % ranks.length]!);
}

/** The owners in a view of these ranks, given those before. */
export function nextOwners(before: Int32Array, ranks: readonly number[]): Int32Array {
  if (ranks.length === 0) throw new RangeError("Cannot assign segments as there are no members");
  const owners = before.slice();
  const shares = sharesOf(before, ranks);
  const orphans: number[] = [];
  const counts = new Map(ranks.map((rank) => [rank, 0]));
  for (let segment = 0; segment < owners.length; segment++) {
    const owner = owners[segment]!;
    const held = counts.get(owner);
    if (held === undefined || held >= shares.get(owner)!) orphans.push(segment);
    else counts.set(owner, held + 1);
  }
  for (const rank of ranks) {
    for (let missing = shares.get(rank)! - counts.get(rank)!; missing > 0; missing--) {
      owners[orphans.pop()!] = rank;
    }
  }
  return owners;
}

/** Equal shares; the odd segments go to those that own most already, so that they need not move. */
function sharesOf(before: Int32Array, ranks: readonly number[]): Map<number, number> {
  const owned = new Map(ranks.map((rank) => [rank, 0]));
  for (const owner of before) {
    const count = owned.get(owner);
    if (count !== undefined) owned.set(owner, count + 1);
  }
  const share = Math.floor(before.length / ranks.length);
  const odd = before.length - share * ranks.length;
  const fullest = [...ranks].sort((a, b) => owned.get(b)! - owned.get(a)! || a - b);
  return new Map(fullest.map((rank, place) => [rank, share + (place < odd ? 1 : 0)]));
}

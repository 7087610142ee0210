/**
 * Numbers for the processes that have had a seat, one after the other. Coordinator and members may give the same seat
 * at the same time when they do not hear of each other: each giver has numbers of its own, so that the two processes
 * are two lives of the rank, and the later one replaces the other.
 *
 * Invariant: no two givers give a rank the same number.
 */

/** Numbers from a multiple of this on: one for each member that may give, and the last for the coordinator. */
const block = 8192;
const coordinatorPlace = block - 1;

/** The number for a seat whose processes had numbers up to `highest`; `giver` is a member's rank, null the coordinator. */
export function nextProcess(highest: number, giver: number | null): number {
  if (giver === null && highest < block - 1) return highest + 1;
  return (Math.floor(highest / block) + 1) * block + (giver ?? coordinatorPlace);
}

/** Numbers of processes that may have come to nothing between one that is known and the next. */
const unknownMax = 32 * block;

/** Whether a seat may have a process of that number now, whose processes had numbers up to `highest` as far as is known. */
export function mayFollow(process: number, highest: number): boolean {
  return process >= highest && process - highest <= unknownMax;
}

/** The rank of the member that gave that number; null for the coordinator. */
export function giverOf(process: number): number | null {
  const place = process % block;
  return process >= block && place !== coordinatorPlace ? place : null;
}

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

/** Whether a member gave that number. */
export function isByMember(process: number): boolean {
  return process >= block && process % block !== coordinatorPlace;
}

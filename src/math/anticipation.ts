/**
 * Anticipation: concurrent updates are summed, and a worker learns as if it saw the others' steps. On its
 * private copy its own steps count sigma_j times in coordinate j; what it hands out holds them once.
 *
 *     sigma_j = 1 + (n - 1) * N_j / (N_j + 200),    N_j = n * rows of an update * share of rows that have j
 *
 * N_j is how many rows that have feature j all n workers learn at the same time. Where they are few, their steps
 * hardly add up before the next merge, and sigma is 1: plain summing, whose progress is that of one worker that
 * learned all rows. Where they are many, sigma is nearly n: a worker's copy moves as the sum will, so that the sum does
 * not overshoot. Inside the copy T, by which weights decay, advances a row by how often its non-zeros count on average:
 * what is not anticipated is taken to be at rest, its decay as well as its steps. The 200 was chosen by docs/merging.md's
 * study, which also has what did worse.
 *
 * Where nobody waits for anybody, more than one update of each worker may be under way: n is their number then, so many
 * times the workers (peer-to-peer: twice).
 *
 * Source: algorithms.md, sections 0 and 12 (there by the rows of one's own update, c/(c + 3)); CoCoA+'s safe
 * summing of local steps (Ma et al. 2015, arXiv 1502.03508) is sigma = n everywhere.
 * Invariant: sigma is 1 for one worker, and from 1 to n for n.
 */

/** Who learns at the same time: so many workers, each that many rows an update. */
export interface Concurrency {
  readonly workers: number;
  readonly rowsPerUpdate: number;
}

/** Rows with a feature, learned at the same time, at which half of the others' steps are anticipated. */
const halfwayRows = 200;

/** How often a worker's own steps count, for a feature that this share of rows have; rounded to f32. */
export function stepsCounted(share: number, { workers, rowsPerUpdate }: Concurrency): number {
  const rows = workers * rowsPerUpdate * share;
  return Math.fround(1 + (workers - 1) * (rows / (rows + halfwayRows)));
}

/** How far T advances a row inside the copy: sigma's mean over the non-zeros of all rows, a whole number. */
export function strideCounted(shares: ArrayLike<number>, sigma: Float32Array): number {
  let counted = 0;
  let plain = 0;
  for (let j = 0; j < sigma.length; j++) {
    counted += shares[j]! * sigma[j]!;
    plain += shares[j]!;
  }
  return plain > 0 ? Math.max(1, Math.round(counted / plain)) : 1;
}

/**
 * The split into training and validation rows: row `id` (its ordinal over all files given) is a validation row
 * when hash(seed, id) / 2^64 is below the share. The hash is splitmix64's finaliser (Steele, Lea, Flood 2014)
 * of id + seed * golden gamma, in 64-bit arithmetic, so the split is the same on every member and machine, and
 * for every number of workers. This is the definition and slow twin of assembly/split.ts.
 */
const mask = 0xffff_ffff_ffff_ffffn;
const goldenGamma = 0x9e37_79b9_7f4a_7c15n;

export function rowHash(seed: number, rowId: number): bigint {
  let z = (BigInt(rowId) + (BigInt(seed) + 1n) * goldenGamma) & mask;
  z = ((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & mask;
  z = ((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn) & mask;
  return z ^ (z >> 31n);
}

/** Whether a row is kept for validation; the hash's upper 53 bits are compared with the share, exactly. */
export function isValidationRow(share: number, { seed, rowId }: { seed: number; rowId: number }) {
  return Number(rowHash(seed, rowId) >> 11n) < share * 2 ** 53;
}

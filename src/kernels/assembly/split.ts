// The split by hash; definition and slow twin: src/data/split.ts.

const GOLDEN_GAMMA: u64 = 0x9e3779b97f4a7c15;

/** Hashes that draw samples have nothing to do with those that split, whatever the seeds. */
const DRAWING: u64 = 0xd1b54a32d192ed03;

/** The upper 53 bits of a row's hash: below share * 2^53 the row belongs to the share. */
// @ts-ignore: decorator
@inline
function hashOf(id: u64, salt: u64): f64 {
  let z = id + salt;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z = z ^ (z >> 31);
  return <f64>(z >> 11);
}

/**
 * Writes the numbers of a block's training rows to `training` and of its validation rows to `validation`,
 * ascending; returns how many training rows there are. Row k's id is base + rowIds[k].
 */
export function splitBlock(rowIds: usize, count: u32, base: f64, seed: f64, share: f64, training: usize, validation: usize): u32 {
  const start = <u64>base;
  const salt = (<u64>seed + 1) * GOLDEN_GAMMA;
  const limit = share * 9007199254740992.0;
  let kept: u32 = 0;
  for (let k: u32 = 0; k < count; k++) {
    if (hashOf(start + <u64>load<u32>(rowIds + (<usize>k << 2)), salt) < limit) {
      store<u32>(validation + (<usize>(k - kept) << 2), k);
    } else {
      store<u32>(training + (<usize>kept << 2), k);
      kept++;
    }
  }
  return kept;
}

/**
 * Writes the numbers of a sample of a block's training rows, ascending; returns how many. A row is drawn when it is
 * none of the split's validation rows and its hash by `seed` is below `share`.
 */
export function drawRows(
  rowIds: usize,
  count: u32,
  base: f64,
  splitSeed: f64,
  splitShare: f64,
  seed: f64,
  share: f64,
  drawn: usize,
): u32 {
  const start = <u64>base;
  const splitSalt = (<u64>splitSeed + 1) * GOLDEN_GAMMA;
  const salt = (<u64>seed + 1) * GOLDEN_GAMMA + DRAWING;
  const splitLimit = splitShare * 9007199254740992.0;
  const limit = share * 9007199254740992.0;
  let length: u32 = 0;
  for (let k: u32 = 0; k < count; k++) {
    const id = start + <u64>load<u32>(rowIds + (<usize>k << 2));
    if (hashOf(id, salt) >= limit || hashOf(id, splitSalt) < splitLimit) continue;
    store<u32>(drawn + (<usize>length << 2), k);
    length++;
  }
  return length;
}

// The split by hash; definition and slow twin: src/data/split.ts.

const GOLDEN_GAMMA: u64 = 0x9e3779b97f4a7c15;

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
    let z = start + <u64>load<u32>(rowIds + (<usize>k << 2)) + salt;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z = z ^ (z >> 31);
    if (<f64>(z >> 11) < limit) {
      store<u32>(validation + (<usize>(k - kept) << 2), k);
    } else {
      store<u32>(training + (<usize>kept << 2), k);
      kept++;
    }
  }
  return kept;
}

// Whole-vector kernels: apply and merge of updates, averages, norms. f32 vectors, sums in f64.

/** v[j] += factor * u[j] for j in [0, width): a dense update. Both addresses are multiples of 16. */
export function addDense(factor: f32, u: usize, v: usize, width: u32): void {
  const end = <usize>width << 2;
  const wide = end & ~15;
  const factors = f32x4.splat(factor);
  let k: usize = 0;
  for (; k < wide; k += 16) {
    v128.store(v + k, f32x4.add(v128.load(v + k), f32x4.mul(factors, v128.load(u + k))));
  }
  for (; k < end; k += 4) store<f32>(v + k, load<f32>(v + k) + factor * load<f32>(u + k));
}

/** v[index[k]] += factor * value[k]: a sparse update. */
export function addSparse(factor: f32, index: usize, value: usize, count: u32, v: usize): void {
  for (let k: usize = 0; k < <usize>count << 2; k += 4) {
    const at = v + (<usize>load<u32>(index + k) << 2);
    store<f32>(at, load<f32>(at) + factor * load<f32>(value + k));
  }
}

/** v[j] *= factor. */
export function scaleDense(factor: f64, v: usize, width: u32): void {
  for (let k: usize = 0; k < <usize>width << 2; k += 4) {
    store<f32>(v + k, <f32>(<f64>load<f32>(v + k) * factor));
  }
}

/** out[j] = after[j] - before[j]: what a private copy learned, as a dense update. */
export function differenceDense(after: usize, before: usize, out: usize, width: u32): void {
  const end = <usize>width << 2;
  const wide = end & ~15;
  let k: usize = 0;
  for (; k < wide; k += 16) {
    v128.store(out + k, f32x4.sub(v128.load(after + k), v128.load(before + k)));
  }
  for (; k < end; k += 4) store<f32>(out + k, load<f32>(after + k) - load<f32>(before + k));
}

/** half[j] = (theirs[j] - own[j]) / 2, own[j] += half[j]: the move halfway to theirs, and what it adds. */
export function halfDifference(theirs: usize, own: usize, half: usize, width: u32): void {
  const end = <usize>width << 2;
  const wide = end & ~15;
  const halves = f32x4.splat(0.5);
  let k: usize = 0;
  for (; k < wide; k += 16) {
    const mine = v128.load(own + k);
    const move = f32x4.mul(halves, f32x4.sub(v128.load(theirs + k), mine));
    v128.store(half + k, move);
    v128.store(own + k, f32x4.add(mine, move));
  }
  for (; k < end; k += 4) {
    const move: f32 = 0.5 * (load<f32>(theirs + k) - load<f32>(own + k));
    store<f32>(half + k, move);
    store<f32>(own + k, load<f32>(own + k) + move);
  }
}

/** How many of v's coordinates are not 0: whether an update is smaller as a list. */
export function countNonZeros(v: usize, width: u32): u32 {
  const end = <usize>width << 2;
  const wide = end & ~15;
  const zero = f32x4.splat(0);
  // A lane that differs is all ones, -1: subtracting counts it.
  let counts = i32x4.splat(0);
  let k: usize = 0;
  for (; k < wide; k += 16) counts = i32x4.sub(counts, f32x4.ne(v128.load(v + k), zero));
  let count: u32 =
    i32x4.extract_lane(counts, 0) +
    i32x4.extract_lane(counts, 1) +
    i32x4.extract_lane(counts, 2) +
    i32x4.extract_lane(counts, 3);
  for (; k < end; k += 4) if (load<f32>(v + k) != 0) count++;
  return count;
}

/**
 * Lists v's coordinates that are not 0, as index[k] and value[k]; there must be room for one more than there
 * are. Without branches: what is 0 is overwritten by what comes next.
 */
export function listNonZeros(v: usize, width: u32, index: usize, value: usize): u32 {
  let at: usize = 0;
  for (let j: usize = 0; j < <usize>width << 2; j += 4) {
    const x = load<f32>(v + j);
    store<u32>(index + at, <u32>(j >> 2));
    store<f32>(value + at, x);
    at += <usize>(x != 0) << 2;
  }
  return <u32>(at >> 2);
}

/** out[k] = v[index[k]]. */
export function gather(v: usize, index: usize, count: u32, out: usize): void {
  for (let k: usize = 0; k < <usize>count << 2; k += 4) {
    store<f32>(out + k, load<f32>(v + (<usize>load<u32>(index + k) << 2)));
  }
}

/** v[index[k]] = from[index[k]]. */
export function copyAt(from: usize, index: usize, count: u32, v: usize): void {
  for (let k: usize = 0; k < <usize>count << 2; k += 4) {
    const at = <usize>load<u32>(index + k) << 2;
    store<f32>(v + at, load<f32>(from + at));
  }
}

/** average[j] += share * (scale * v[j] - average[j]): the average moves towards w = scale * v. */
export function moveAverage(share: f64, scale: f64, v: usize, average: usize, width: u32): void {
  for (let k: usize = 0; k < <usize>width << 2; k += 4) {
    const kept = <f64>load<f32>(average + k);
    store<f32>(average + k, <f32>(kept + share * (scale * <f64>load<f32>(v + k) - kept)));
  }
}

/** Sum of v[j]^2 in f64: two lanes, then their sum. NaN when any is NaN. */
export function squaredNorm(v: usize, width: u32): f64 {
  let even: f64 = 0;
  let odd: f64 = 0;
  const end = <usize>width << 2;
  let k: usize = 0;
  for (; k + 8 <= end; k += 8) {
    const x = <f64>load<f32>(v + k);
    const z = <f64>load<f32>(v + k, 4);
    even += x * x;
    odd += z * z;
  }
  if (k < end) even += <f64>load<f32>(v + k) * <f64>load<f32>(v + k);
  return even + odd;
}

/**
 * XXH64 (Yann Collet's xxHash, 64 bits; the checksum of zstd frames), over data that comes in pieces.
 * State at one address: four sums (u64), bytes so far (u64), and up to 31 bytes that wait for a stripe.
 */
const prime1: u64 = 0x9e3779b185ebca87;
const prime2: u64 = 0xc2b2ae3d27d4eb4f;
const prime3: u64 = 0x165667b19e3779f9;
const prime4: u64 = 0x85ebca77c2b2ae63;
const prime5: u64 = 0x27d4eb2f165667c5;

const total: usize = 32;
const waiting: usize = 40;
const stripe: usize = 32;

export function xxh64Start(state: usize, seed: u64): void {
  store<u64>(state, seed + prime1 + prime2);
  store<u64>(state + 8, seed + prime2);
  store<u64>(state + 16, seed);
  store<u64>(state + 24, seed - prime1);
  store<u64>(state + total, 0);
}

export function xxh64Add(state: usize, address: usize, length: usize): void {
  const before = load<u64>(state + total);
  store<u64>(state + total, before + <u64>length);
  let p = address;
  const end = address + length;
  const held = <usize>before & 31;
  if (held != 0) {
    const count = min(stripe - held, length);
    memory.copy(state + waiting + held, p, count);
    p += count;
    if (held + count < stripe) return;
    addStripe(state, state + waiting);
  }
  while (p + stripe <= end) {
    addStripe(state, p);
    p += stripe;
  }
  memory.copy(state + waiting, p, end - p);
}

/** The hash of all that was added; more may be added after. */
export function xxh64Finish(state: usize, seed: u64): u64 {
  const length = load<u64>(state + total);
  let hash: u64;
  if (length >= 32) {
    const a = load<u64>(state);
    const b = load<u64>(state + 8);
    const c = load<u64>(state + 16);
    const d = load<u64>(state + 24);
    hash = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18);
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  } else {
    hash = seed + prime5;
  }
  hash += length;
  let p = state + waiting;
  const end = p + (<usize>length & 31);
  for (; p + 8 <= end; p += 8) {
    hash = rotl(hash ^ round(0, load<u64>(p)), 27) * prime1 + prime4;
  }
  if (p + 4 <= end) {
    hash = rotl(hash ^ (<u64>load<u32>(p) * prime1), 23) * prime2 + prime3;
    p += 4;
  }
  for (; p < end; p++) hash = rotl(hash ^ (<u64>load<u8>(p) * prime5), 11) * prime1;
  hash = (hash ^ (hash >> 33)) * prime2;
  hash = (hash ^ (hash >> 29)) * prime3;
  return hash ^ (hash >> 32);
}

function addStripe(state: usize, p: usize): void {
  store<u64>(state, round(load<u64>(state), load<u64>(p)));
  store<u64>(state + 8, round(load<u64>(state + 8), load<u64>(p + 8)));
  store<u64>(state + 16, round(load<u64>(state + 16), load<u64>(p + 16)));
  store<u64>(state + 24, round(load<u64>(state + 24), load<u64>(p + 24)));
}

// @ts-ignore: decorator
@inline
function round(sum: u64, lane: u64): u64 {
  return rotl(sum + lane * prime2, 31) * prime1;
}

function merge(hash: u64, sum: u64): u64 {
  return (hash ^ round(0, sum)) * prime1 + prime4;
}

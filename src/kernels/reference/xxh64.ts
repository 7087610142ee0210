/** The slow twin of assembly/xxh64.ts. */

const primes = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const;
const [prime1, prime2, prime3, prime4, prime5] = primes;

/** XXH64 of all bytes. */
export function xxh64(bytes: Uint8Array, seed: bigint): bigint {
  const sums = [seed + prime1 + prime2, seed + prime2, seed, seed - prime1].map(wrap);
  let at = 0;
  for (; at + 32 <= bytes.length; at += 32) {
    for (let lane = 0; lane < 4; lane++) {
      sums[lane] = round(sums[lane]!, word(bytes, at + 8 * lane, 8));
    }
  }
  let hash = wrap(seed + prime5);
  if (bytes.length >= 32) {
    const turned = [1, 7, 12, 18].map((bits, lane) => rotate(sums[lane]!, bits));
    hash = wrap(turned.reduce((sum, x) => sum + x));
    for (const sum of sums) hash = wrap((hash ^ round(0n, sum)) * prime1 + prime4);
  }
  hash = wrap(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) {
    hash = wrap(rotate(hash ^ round(0n, word(bytes, at, 8)), 27) * prime1 + prime4);
  }
  if (at + 4 <= bytes.length) {
    hash = wrap(rotate(hash ^ wrap(word(bytes, at, 4) * prime1), 23) * prime2 + prime3);
    at += 4;
  }
  for (; at < bytes.length; at++) {
    hash = wrap(rotate(hash ^ wrap(word(bytes, at, 1) * prime5), 11) * prime1);
  }
  hash = wrap((hash ^ (hash >> 33n)) * prime2);
  hash = wrap((hash ^ (hash >> 29n)) * prime3);
  return hash ^ (hash >> 32n);
}

function word(bytes: Uint8Array, at: number, length: number): bigint {
  let value = 0n;
  for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]!);
  return value;
}

function round(sum: bigint, lane: bigint): bigint {
  return wrap(rotate(wrap(sum + lane * prime2), 31) * prime1);
}

function rotate(x: bigint, bits: number): bigint {
  return wrap((x << BigInt(bits)) | (x >> BigInt(64 - bits)));
}

function wrap(x: bigint): bigint {
  return BigInt.asUintN(64, x);
}

/** Inputs for a fuzzer: valid ones, changed a little, and bytes of chance; a function of (seed, number). */

/** Numbers that decoders get wrong. */
const edges = [0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 65535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

/** A generator of its own for every input, so that any input is made again without those before it. */
export function chanceOf(seed, number) {
  let state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(number + 1, 0xc2b2ae35)) >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return (t ^ (t >>> 14)) >>> 0;
  };
  for (let k = 0; k < 3; k++) next();
  return { next, below: (limit) => (limit <= 0 ? 0 : next() % limit) };
}

/** One of the seeds with a few changes, or bytes of chance. */
export function mutate(chance, seeds, words = []) {
  if (chance.below(16) === 0) return randomBytes(chance);
  let bytes = seeds[chance.below(seeds.length)].slice();
  for (let change = chance.below(4); change >= 0; change--) {
    bytes = changed(bytes, chance, { seeds, words });
  }
  return bytes;
}

function randomBytes(chance) {
  const bytes = new Uint8Array(chance.below(chance.below(4) === 0 ? 600 : 40));
  for (let k = 0; k < bytes.length; k++) bytes[k] = chance.next();
  return bytes;
}

function changed(bytes, chance, { seeds, words }) {
  const at = chance.below(bytes.length);
  switch (chance.below(words.length > 0 ? 10 : 9)) {
    case 0:
      if (bytes.length > 0) bytes[at] ^= 1 << chance.below(8);
      return bytes;
    case 1:
      if (bytes.length > 0) bytes[at] = edges[chance.below(8)];
      return bytes;
    case 2:
    case 3:
      return withNumber(bytes, chance);
    case 4:
      return bytes.slice(0, at);
    case 5:
      return joined(bytes.subarray(0, at), bytes.subarray(at + chance.below(bytes.length - at)));
    case 6:
      return joined(bytes.subarray(0, at), randomBytes(chance), bytes.subarray(at));
    case 7:
      return joined(bytes.subarray(0, at + chance.below(64)), bytes.subarray(at));
    case 8: {
      const other = seeds[chance.below(seeds.length)];
      return joined(bytes.subarray(0, at), other.subarray(chance.below(other.length)));
    }
    default:
      return joined(bytes.subarray(0, at), words[chance.below(words.length)], bytes.subarray(at));
  }
}

function withNumber(bytes, chance) {
  const size = [2, 4, 8][chance.below(3)];
  if (bytes.length < size) return bytes;
  // Numbers of formats lie at multiples of four, mostly.
  const place = chance.below(bytes.length - size + 1);
  const at = chance.below(4) === 0 ? place : place & ~3;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const edge = chance.below(3) === 0 ? bytes.length + chance.below(9) - 4 : edges[chance.below(14)];
  if (size === 2) view.setUint16(at, edge, true);
  else if (size === 4) view.setUint32(at, edge, true);
  else if (chance.below(2) === 0) view.setBigUint64(at, BigInt(Math.max(0, edge)), true);
  else view.setFloat64(at, [Number.NaN, -1, 1e300, Infinity, edge][chance.below(5)], true);
  return bytes;
}

function joined(...parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * One generator for everything random: sfc32 (Chris Doty-Humphrey's Small Fast Counter, 32-bit words),
 * state of four words, period at least 2^32, passes PractRand. A stream is named by what it is for:
 * (seed, purpose, rank, epoch), so no two members and no two epochs share one.
 */
export interface RandomState {
  a: number;
  b: number;
  c: number;
  counter: number;
}

/** What a stream is used for; part of its name, so that streams of different uses never coincide. */
export interface StreamName {
  seed: number;
  purpose: string;
  rank?: number;
  epoch?: number;
}

/** Starts the stream of that name: the name is hashed into the state, then stirred. */
export function randomStream({ seed, purpose, rank = 0, epoch = 0 }: StreamName): RandomState {
  const state = {
    a: mixWord(seed >>> 0, hashWords(purpose)),
    b: mixWord(Math.floor(seed / 4294967296) >>> 0, rank >>> 0),
    c: mixWord(rank >>> 0, epoch >>> 0),
    counter: 1,
  };
  for (let i = 0; i < 16; i++) nextWord(state);
  return state;
}

/** The next 32 random bits, as an unsigned integer. Advances the state. */
export function nextWord(state: RandomState): number {
  const sum = (((state.a + state.b) | 0) + state.counter) | 0;
  state.counter = (state.counter + 1) | 0;
  state.a = state.b ^ (state.b >>> 9);
  state.b = (state.c + (state.c << 3)) | 0;
  state.c = (state.c << 21) | (state.c >>> 11) | 0;
  state.c = (state.c + sum) | 0;
  return sum >>> 0;
}

/** Uniform in [0, 1) with 32 random bits. */
export function nextUniform(state: RandomState): number {
  return nextWord(state) / 4294967296;
}

/** Uniform integer in [0, bound), bound below 2^32, without modulo bias (Lemire's rejection). */
export function nextBelow(state: RandomState, bound: number): number {
  let word = nextWord(state);
  // The limit is above 2^32 - bound, so that most words need no look at its exact value, a slow remainder.
  if (word >= 4294967296 - bound) {
    const limit = 4294967296 - (4294967296 % bound);
    while (word >= limit) word = nextWord(state);
  }
  return word % bound;
}

/** Standard normal, by Box and Muller's polar form. */
export function nextNormal(state: RandomState): number {
  for (;;) {
    const x = 2 * nextUniform(state) - 1;
    const y = 2 * nextUniform(state) - 1;
    const r = x * x + y * y;
    if (r > 0 && r < 1) return x * Math.sqrt((-2 * Math.log(r)) / r);
  }
}

/** Fisher and Yates' shuffle, in place; all orders equally likely. */
export function shuffle(items: Uint32Array, state: RandomState): Uint32Array {
  for (let i = items.length - 1; i > 0; i--) {
    const j = nextBelow(state, i + 1);
    const kept = items[i]!;
    items[i] = items[j]!;
    items[j] = kept;
  }
  return items;
}

/** Hashes a text to 32 bits (FNV-1a over UTF-16 code units, then stirred). */
export function hashWords(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return mixWord(hash >>> 0, text.length);
}

/** Stirs two words into one (murmur3's finaliser). */
function mixWord(x: number, y: number): number {
  let h = (x ^ Math.imul(y, 0x9e3779b1)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}

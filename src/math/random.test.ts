import fc from "fast-check";
import { expect, test } from "vitest";
import { nextBelow, nextNormal, nextUniform, nextWord, randomStream, shuffle } from "./random.ts";

function words(name: Parameters<typeof randomStream>[0], count = 8): string {
  const state = randomStream(name);
  return Array.from({ length: count }, () => nextWord(state)).join();
}

test("no two streams of different seed, purpose, rank or epoch are the same", () => {
  const seen = new Set<string>();
  let streams = 0;
  for (const seed of [0, 1, 2, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
    for (const purpose of ["shuffle", "shuffl", "noise", ""]) {
      for (const rank of [0, 1, 2, 1000]) {
        for (const epoch of [-1, 0, 1, 2, 500]) {
          seen.add(words({ seed, purpose, rank, epoch }));
          streams++;
        }
      }
    }
  }
  expect(seen.size).toBe(streams);
});

test("the same name gives the same stream", () => {
  fc.assert(
    fc.property(fc.nat(), fc.string(), fc.nat(), (seed, purpose, rank) => {
      expect(words({ seed, purpose, rank })).toBe(words({ seed, purpose, rank }));
    }),
  );
});

test("uniforms and normals have the moments they should, over 100,000 draws", () => {
  const state = randomStream({ seed: 5, purpose: "moments" });
  const draws = 100_000;
  let [uniform, normal, square] = [0, 0, 0];
  for (let k = 0; k < draws; k++) {
    uniform += nextUniform(state) / draws;
    const z = nextNormal(state);
    normal += z / draws;
    square += (z * z) / draws;
  }
  // Five standard errors each.
  expect(Math.abs(uniform - 0.5)).toBeLessThan((5 * Math.sqrt(1 / 12)) / Math.sqrt(draws));
  expect(Math.abs(normal)).toBeLessThan(5 / Math.sqrt(draws));
  expect(Math.abs(square - 1)).toBeLessThan((5 * Math.sqrt(2)) / Math.sqrt(draws));
});

test("a shuffle is a permutation, and every place is equally likely for every item", () => {
  const state = randomStream({ seed: 9, purpose: "shuffle test" });
  const counts = Array.from({ length: 5 }, () => new Float64Array(5));
  const rounds = 20_000;
  for (let round = 0; round < rounds; round++) {
    const items = shuffle(Uint32Array.of(0, 1, 2, 3, 4), state);
    expect([...items].sort()).toEqual([0, 1, 2, 3, 4]);
    items.forEach((item, place) => {
      counts[item]![place]!++;
    });
  }
  for (const row of counts) {
    for (const count of row)
      expect(Math.abs(count - rounds / 5)).toBeLessThan(5 * Math.sqrt(rounds * 0.16));
  }
});

test("integers below a bound are below it, and cover it", () => {
  const state = randomStream({ seed: 3, purpose: "below" });
  const seen = new Set(Array.from({ length: 500 }, () => nextBelow(state, 7)));
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

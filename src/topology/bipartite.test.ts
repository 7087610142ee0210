import { expect, test } from "vitest";
import { bipartiteNames, isActive, partnersOf } from "./bipartite.ts";

const sizes = Array.from({ length: 66 }, (_, k) => k + 1);

test.each(bipartiteNames)("%s: every edge joins an active and a passive member", (name) => {
  for (const n of sizes) {
    for (let place = 0; place < n; place++) {
      for (const other of partnersOf(name, place, n)) {
        expect(isActive(other)).toBe(!isActive(place));
      }
    }
  }
});

test.each(bipartiteNames)("%s: partnership is symmetric, and everybody can be reached", (name) => {
  for (const n of sizes) {
    const reached = new Set([0]);
    for (const place of reached) {
      for (const other of partnersOf(name, place, n)) {
        expect(partnersOf(name, other, n)).toContain(place);
        reached.add(other);
      }
    }
    expect(reached.size).toBe(n);
  }
});

test("with odd n the closing edge of the ring is dropped", () => {
  expect(partnersOf("ring", 0, 5)).toEqual([1]);
  expect(partnersOf("ring", 4, 5)).toEqual([3]);
  expect(partnersOf("ring", 0, 6)).toEqual([1, 5]);
});

test("exponential hops are 1 and 2^i + 1", () => {
  expect(partnersOf("exponential", 0, 64)).toEqual([1, 3, 5, 9, 17, 31, 33, 47, 55, 59, 61, 63]);
});

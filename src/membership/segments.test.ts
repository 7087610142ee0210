import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { firstOwners, nextOwners } from "./segments.ts";

const changes = fc
  .record({
    segments: fc.integer({ min: 1, max: 40 }),
    before: fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 6 }),
    after: fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 6 }),
  })
  .map(({ segments, before, after }) => {
    const ranks = after.sort((a, b) => a - b);
    return {
      owners: firstOwners(
        segments,
        before.sort((a, b) => a - b),
      ),
      ranks,
    };
  });

function countsOf(owners: Int32Array, ranks: readonly number[]): number[] {
  return ranks.map((rank) => owners.filter((owner) => owner === rank).length);
}

describe("segments", () => {
  test("every segment has exactly one owner, a member of the view", () => {
    fc.assert(
      fc.property(changes, ({ owners, ranks }) => {
        const next = nextOwners(owners, ranks);
        expect(next.length).toBe(owners.length);
        for (const owner of next) expect(ranks).toContain(owner);
      }),
    );
  });

  test("members' shares differ by at most one segment", () => {
    fc.assert(
      fc.property(changes, ({ owners, ranks }) => {
        const counts = countsOf(nextOwners(owners, ranks), ranks);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("no assignment with such shares moves fewer segments", () => {
    fc.assert(
      fc.property(changes, ({ owners, ranks }) => {
        const moved = nextOwners(owners, ranks).filter((owner, k) => owner !== owners[k]).length;
        expect(moved).toBe(owners.length - mostKept(owners, ranks));
      }),
    );
  });
});

/** The most segments that can stay: the slow twin tries every choice of who gets an odd segment. */
function mostKept(owners: Int32Array, ranks: readonly number[]): number {
  const share = Math.floor(owners.length / ranks.length);
  const odd = owners.length % ranks.length;
  const held = countsOf(owners, ranks);
  let most = 0;
  for (let choice = 0; choice < 1 << ranks.length; choice++) {
    const chosen = ranks.map((_, k) => (choice >> k) & 1);
    if (chosen.reduce((sum, one) => sum + one, 0) !== odd) continue;
    const kept = held.reduce((sum, count, k) => sum + Math.min(count, share + chosen[k]!), 0);
    most = Math.max(most, kept);
  }
  return most;
}

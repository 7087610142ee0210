import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { View } from "../topology/view.ts";
import { firstOwners, nextOwners, ownersIn } from "./segments.ts";

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

  test("no assignment with such shares moves fewer segments from the owners it is given", () => {
    fc.assert(
      fc.property(changes, ({ owners, ranks }) => {
        const moved = nextOwners(owners, ranks).filter((owner, k) => owner !== owners[k]).length;
        expect(moved).toBe(owners.length - mostKept(owners, ranks));
      }),
    );
  });

  test("from view to view, one member more or less, at most a seventh of all segments move beyond need", () => {
    const dealing = { segments: 128, workers: 8 };
    const some = Array.from({ length: 255 }, (_, k) => ranksIn(k + 1));
    for (const ranks of some) {
      const owners = ownersIn(viewOf(ranks), dealing);
      for (let rank = 0; rank < 8; rank++) {
        const next = ranks.includes(rank)
          ? ranks.filter((other) => other !== rank)
          : [...ranks, rank].sort((a, b) => a - b);
        if (next.length === 0) continue;
        const moved = movedBetween(owners, ownersIn(viewOf(next), dealing));
        const needed = movedBetween(owners, nextOwners(owners, next));
        expect(moved - needed, `${ranks} to ${next}`).toBeLessThanOrEqual(128 / 7);
      }
    }
  });
});

/** The ranks whose bits are set. */
function ranksIn(bits: number): number[] {
  return [0, 1, 2, 3, 4, 5, 6, 7].filter((rank) => (bits >> rank) & 1);
}

function viewOf(ranks: readonly number[]): View {
  const members = ranks.map((rank) => ({ rank, incarnation: 1, role: "worker" as const }));
  return { id: 2, members, left: [] };
}

function movedBetween(before: Int32Array, after: Int32Array): number {
  return before.filter((owner, segment) => owner !== after[segment]).length;
}

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

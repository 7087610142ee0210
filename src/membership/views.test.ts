import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTeam } from "../../test/support-team.ts";
import type { View } from "../topology/view.ts";
import { includesLife, isQuorum, readView, successorView, viewWords } from "./views.ts";

const rank = fc.nat(12);
const life = fc.record({
  rank,
  incarnation: fc.integer({ min: 1, max: 5 }),
  role: fc.constantFrom("worker" as const, "server" as const),
});
const lives = fc.uniqueArray(life, { selector: (one) => one.rank, minLength: 1, maxLength: 9 });
const past = fc
  .tuple(life, fc.boolean())
  .map(([one, hasEnded]) => (hasEnded ? { ...one, ended: true as const } : one));
const views = fc
  .record({ id: fc.integer({ min: 1, max: 99 }), members: lives, left: fc.array(past) })
  .map(
    ({ id, members, left }): View => ({
      id,
      members: members.sort((a, b) => a.rank - b.rank),
      left,
    }),
  );

describe("views", () => {
  test("two quorums of one view share a member", () => {
    fc.assert(
      fc.property(views, fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }), (view, side) => {
        const one = new Set(view.members.filter((_, k) => side[k]).map((member) => member.rank));
        const other = new Set(view.members.filter((_, k) => !side[k]).map((member) => member.rank));
        // Of any split exactly one side decides, so two sides that do can't be disjoint.
        expect(isQuorum(view, one)).not.toBe(isQuorum(view, other));
      }),
    );
  });

  test("of an even split the side with the lowest rank is a quorum", () => {
    const members = [2, 5, 7, 9].map((at) => ({
      rank: at,
      incarnation: 1,
      role: "worker" as const,
    }));
    const view = { id: 1, members, left: [] };
    expect(isQuorum(view, new Set([2, 9]))).toBe(true);
    expect(isQuorum(view, new Set([5, 7]))).toBe(false);
    expect(isQuorum(view, new Set([7]), "any")).toBe(true);
  });

  test("reading the words of a view gives the same view, and no words throw", () => {
    fc.assert(
      fc.property(views, (view) => {
        expect(readView(viewWords(view))).toEqual(view);
      }),
    );
    fc.assert(
      fc.property(fc.uint32Array({ maxLength: 12 }), (words) => {
        const view = readView(words);
        if (view) expect(viewWords(view)).toEqual(words);
      }),
    );
  });

  test("the next view has each rank once: newcomers replace older lives of their rank", () => {
    fc.assert(
      fc.property(views, lives, fc.uniqueArray(rank), (view, joining, gone) => {
        const change = {
          gone: new Set(gone),
          finished: new Set<number>(),
          ended: new Set<number>(),
          joining,
        };
        const next = successorView(view, change);
        expect(next.id).toBe(view.id + 1);
        const ranks = next.members.map((member) => member.rank);
        expect(ranks).toEqual([...new Set(ranks)].sort((a, b) => a - b));
        for (const newcomer of joining) {
          if (includesLife(view.members, newcomer)) continue;
          expect(next.members).toContainEqual(newcomer);
        }
      }),
    );
  });
});

test("a view tells who left from those whose run had come to its end", () => {
  const { states, beatOnce } = createTeam(4);
  const beats = (from: number, to: number) => {
    for (let number = from; number < to; number++) beatOnce(number);
  };
  beats(0, 4);
  states[1]!.leaving.add(1);
  beats(4, 8);
  for (const rank of [0, 2]) states[rank]!.over = true;
  beats(8, 24);
  const { members, left } = states[3]!.view!;
  expect(members.map(({ rank }) => rank)).toEqual([3]);
  expect(left.map(({ rank, ended = false }) => [rank, ended])).toEqual([
    [1, false],
    [0, true],
    [2, true],
  ]);
});

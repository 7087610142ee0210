import { expect, test } from "vitest";
import { firstLifeOf } from "../membered.ts";
import { nextProcess } from "./lives.ts";
import { Regent, type RegentPort } from "./regent.ts";
import type { Seated } from "./seat.ts";

const lives = (ranks: readonly (readonly [number, number])[]) =>
  ranks.map(([rank, process]) => {
    return { rank, incarnation: firstLifeOf(process), role: "worker" as const };
  });
const view = {
  id: 4,
  members: lives([
    [0, 1],
    [1, 1],
    [2, 3],
  ]),
  left: [],
};

/** The regent of member 2 in a run of four seats, without its coordinator for long or with it. */
function regentOf({ isLong }: { isLong: boolean }): Regent {
  const seats = [0, 1, 2, 3].map((rank) => ({ rank, role: "worker" }));
  const seated = { rank: 2, incarnation: 3, job: { seats, begun: null } };
  const regent = new Regent(seated as never as Seated, { absence: { isLong } } as RegentPort);
  regent.follow(view);
  return regent;
}

const giver = { rank: 1, incarnation: 1 };
const given = (rank: number, incarnation = nextProcess(1, 1)) => {
  return { rank, incarnation, address: "127.0.0.1:1" };
};

test("who shows a pass of the coordinator is welcome to any seat of the run, and to no other", () => {
  const regent = regentOf({ isLong: false });
  expect(regent.welcomes(given(3, 2), null)).toBe(true);
  expect(regent.welcomes(given(1, 2), null)).toBe(true);
  expect(regent.welcomes(given(4, 1), null)).toBe(false);
  expect(regent.welcomes(given(-1, 1), null)).toBe(false);
});

test("a pass by a member is good for a free seat, while the coordinator is gone for this member too", () => {
  expect(regentOf({ isLong: true }).welcomes(given(3), giver)).toBe(true);
  expect(regentOf({ isLong: false }).welcomes(given(3), giver)).toBe(false);
});

test("a member's pass displaces nobody who is in the view, and is nothing by one who is not in it", () => {
  const regent = regentOf({ isLong: true });
  for (const rank of [0, 1, 2]) expect(regent.welcomes(given(rank), giver)).toBe(false);
  expect(regent.welcomes(given(3), { rank: 1, incarnation: 2 })).toBe(false);
  expect(regent.welcomes(given(3), { rank: 3, incarnation: 1 })).toBe(false);
  // Of numbers that no giver would have come to there would soon be none left.
  expect(regent.welcomes(given(3, nextProcess(500 * 8192, 1)), giver)).toBe(false);
  expect(regent.welcomes(given(4), giver)).toBe(false);
});

test("who is in the view was taken by the others: it is welcome whoever gave it the seat, and is there", () => {
  const regent = regentOf({ isLong: false });
  const life = nextProcess(1, 1);
  expect(regent.welcomes(given(3, life), giver)).toBe(false);
  regent.follow({
    ...view,
    id: 5,
    members: lives([
      [0, 1],
      [2, 3],
      [3, life],
    ]),
  });
  expect(regent.welcomes(given(3, life), giver)).toBe(true);
  expect(regent.welcomes(given(3, life + 8192), giver)).toBe(false);
});

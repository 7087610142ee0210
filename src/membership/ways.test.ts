/** Among many members: links that the strategy uses are watched, others are not; who goes for one, and comes back. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTeam } from "../../test/support-team.ts";

const beatSeconds = 0.5;
const members = 16;

/** Members whose strategies speak once along `uses`, before anything is cut, or `late`: when it is. */
function teamOf(uses: readonly [number, number][], { late = false, size = members } = {}) {
  const state = { cut: new Set<string>() };
  const drops = (from: number, to: number) =>
    state.cut.has(`${from}>${to}`) || state.cut.has(`${Math.min(from, to)}-${Math.max(from, to)}`);
  const team = createTeam(size, drops);
  let number = 0;
  const speakAll = () => {
    for (const [from, to] of uses) team.speak(from, to, beatSeconds * number);
  };
  const beats = (count: number) => {
    for (let k = 0; k < count; k++) team.beatOnce(number++);
  };
  const cut = (links: readonly string[]) => {
    state.cut = new Set(links);
    if (late) speakAll();
  };
  const ranks = (of = 0) => team.states[of]!.view?.members.map(({ rank }) => rank) ?? null;
  if (!late) speakAll();
  beats(30);
  const lives = () => team.states.map(({ incarnation }) => incarnation);
  return { ...team, beats, cut, ranks, lives };
}

const all = Array.from({ length: members }, (_, rank) => rank);
const without = (rank: number) => all.filter((other) => other !== rank);

describe("of two that exchange no beats, and whose strategies speak to each other", () => {
  test("one is out within 14 beats of a break, and the others agree on it", () => {
    const { beats, cut, ranks } = teamOf([[3, 10]]);
    cut(["3-10"]);
    beats(14);
    for (const rank of without(10)) expect(ranks(rank)).toEqual(without(10));
  });

  test("so it is when they first speak while the link is broken already", () => {
    const { beats, cut, lives } = teamOf([[3, 10]], { late: true });
    cut(["3-10"]);
    beats(40);
    // The other never heard a word, and can't know that it should have.
    expect(lives().reduce((sum, life) => sum + life)).toBe(members + 1);
  });

  test("who is out stays out for as long as that lasts, and is back soon when it is mended", () => {
    const { beats, cut, ranks, lives, states } = teamOf([[3, 10]]);
    cut(["3-10"]);
    beats(14);
    const { id } = states[0]!.view!;
    beats(200);
    expect(states[0]!.view!.id).toBe(id);
    cut([]);
    beats(4);
    for (const rank of all) expect(ranks(rank)).toEqual(all);
    beats(60);
    expect(lives()).toEqual(all.map((rank) => (rank === 10 ? 2 : 1)));
  });

  test("broken one way it is the same: who does not hear goes once, and is back when it hears", () => {
    const { beats, cut, ranks, lives } = teamOf([[3, 10]]);
    cut(["3>10"]);
    beats(200);
    expect(lives()).toEqual(all.map((rank) => (rank === 10 ? 2 : 1)));
    expect(ranks()).toEqual(without(10));
    cut([]);
    beats(4);
    for (const rank of all) expect(ranks(rank)).toEqual(all);
  });
});

test("a link that no strategy uses may be broken: nobody goes", () => {
  const { beats, cut, lives } = teamOf([[3, 11]]);
  cut(["3-10", "4-11"]);
  beats(200);
  expect(lives()).toEqual(all.map(() => 1));
});

test("who is expelled as nobody heard it is back at once, whatever strategies spoke to it", () => {
  const { beats, silent, ranks } = teamOf([[3, 10]]);
  silent.add(10);
  beats(20);
  expect(ranks()).toEqual(without(10));
  silent.delete(10);
  beats(4);
  for (const rank of all) expect(ranks(rank)).toEqual(all);
});

test("who is stopped for a while, or slow, makes nobody complain, and complains of nobody", () => {
  const uses = all.flatMap((rank): [number, number][] => [[rank, (rank + 7) % members]]);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(members - 1), fc.integer({ min: 1, max: 3 }))),
      (stops) => {
        const { beats, silent, states } = teamOf(uses);
        for (const [rank, length] of stops) {
          silent.add(rank);
          beats(length);
          silent.delete(rank);
          beats(1);
        }
        for (const { view, complaints } of states) {
          expect(view!.id).toBe(1);
          expect([...complaints]).toEqual([]);
        }
      },
    ),
    { numRuns: 10 },
  );
});

test("33 members that all speak to each other send few more beats, complain of nobody, and notice a break yet", () => {
  const size = 33;
  const pairs = Array.from({ length: size * size }, (_, k): [number, number] => [
    Math.floor(k / size),
    k % size,
  ]);
  const { beats, counts, cut, lives, states } = teamOf(pairs, { size });
  // Listeners by their places, and two times log2 of the members along ways.
  expect(counts.messages).toBeLessThanOrEqual(size * (6 + 12));
  for (const { view, complaints } of states) {
    expect(view!.id).toBe(1);
    expect(complaints.size).toBe(0);
  }
  cut(["10-22"]);
  beats(20);
  expect(lives()).toEqual(lives().map((_, rank) => (rank === 22 ? 2 : 1)));
});

test("whatever links are cut, one way or both, nobody is expelled again and again, and all are back when they are mended", () => {
  const size = 12;
  const ranks = Array.from({ length: size }, (_, rank) => rank);
  const pairs = ranks.flatMap((from) => ranks.map((to): [number, number] => [from, to]));
  const end = fc.nat(size - 1);
  const link = fc.tuple(end, end, fc.constantFrom(">", "-")).filter(([a, b]) => a !== b);
  fc.assert(
    fc.property(fc.array(link, { minLength: 1, maxLength: 3 }), (links) => {
      const team = teamOf(pairs, { size });
      team.cut(
        links.map(([a, b, way]) => {
          return way === ">" ? `${a}>${b}` : `${Math.min(a, b)}-${Math.max(a, b)}`;
        }),
      );
      team.beats(60);
      const lives = team.lives();
      team.beats(100);
      expect(team.lives()).toEqual(lives);
      const view = team.ranks(team.states.findIndex((state) => state.view !== null))!;
      for (const [a, b] of links) expect(view.includes(a) && view.includes(b)).toBe(false);
      team.cut([]);
      team.beats(30);
      for (const rank of ranks) expect(team.ranks(rank)).toEqual(ranks);
    }),
    { numRuns: 10 },
  );
});

/** Broken links between members that the authority hears: who goes for them, who does not, and who may come back. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTeam } from "../../test/support-team.ts";
import { leftOut } from "./links.ts";

/** Links that are cut from beat 20 on, until others are, as "0-2"; one way only as "0>2". */
function teamOf(members: number, cuts: readonly string[], given = {}) {
  const state = { cut: new Set<string>() };
  const drops = (from: number, to: number) => {
    const link = `${Math.min(from, to)}-${Math.max(from, to)}`;
    return state.cut.has(link) || state.cut.has(`${from}>${to}`);
  };
  const team = createTeam(members, drops, given);
  let number = 0;
  const beats = (count: number) => {
    for (let k = 0; k < count; k++) team.beatOnce(number++);
  };
  const ranks = (of = 0) => team.states[of]!.view?.members.map(({ rank }) => rank) ?? null;
  const setCut = (links: readonly string[]) => {
    state.cut = new Set(links);
  };
  beats(20);
  setCut(cuts);
  return { ...team, beats, ranks, setCut };
}

describe("of two members that do not hear each other", () => {
  test("one is out of the view within eight beats, and both others agree on it", () => {
    const { beats, ranks } = teamOf(4, ["1-2"]);
    beats(9);
    for (const rank of [0, 1, 3]) expect(ranks(rank)).toEqual([0, 1, 3]);
    expect(ranks(2)).toBeNull();
  });

  test("it stays out while the link is cut, and is back when that is mended", () => {
    const { beats, ranks, setCut, states } = teamOf(4, ["1-2"]);
    beats(9);
    const { id } = states[0]!.view!;
    beats(100);
    expect(states[0]!.view!.id).toBe(id);
    expect(states[2]!.incarnation).toBe(2);
    setCut([]);
    beats(3);
    for (const rank of [0, 1, 2, 3]) expect(ranks(rank)).toEqual([0, 1, 2, 3]);
    beats(50);
    expect(states[2]!.incarnation).toBe(2);
  });

  test("nobody goes when they hear each other again before both have said so twice", () => {
    const { beats, setCut, states } = teamOf(4, ["1-2"]);
    beats(5);
    setCut([]);
    beats(50);
    for (const { view } of states) expect(view!.id).toBe(1);
  });
});

test("who has most broken links goes, and with it all of them", () => {
  const { beats, ranks } = teamOf(6, ["1-2", "1-3", "1-4"]);
  beats(9);
  expect(ranks()).toEqual([0, 2, 3, 4, 5]);
});

test("a link that is broken one way: who does not hear goes, after more beats", () => {
  const { beats, states } = teamOf(4, ["2>1"]);
  const lives = () => states.map(({ incarnation }) => incarnation);
  beats(9);
  expect(lives()).toEqual([1, 1, 1, 1]);
  beats(5);
  expect(lives()).toEqual([1, 2, 1, 1]);
});

test("who does not hear another stays out until it does, however long, though the other hears it all the time", () => {
  const { beats, ranks, setCut, states } = teamOf(4, ["2>1"]);
  beats(200);
  expect(states.map(({ incarnation }) => incarnation)).toEqual([1, 2, 1, 1]);
  expect(ranks()).toEqual([0, 2, 3]);
  setCut([]);
  beats(3);
  for (const rank of [0, 1, 2, 3]) expect(ranks(rank)).toEqual([0, 1, 2, 3]);
  beats(50);
  expect(states[1]!.incarnation).toBe(2);
});

test("a member that says it hears nobody expels nobody but itself", () => {
  const { beats, states } = teamOf(5, ["1>2", "3>2", "4>2"]);
  beats(14);
  expect(states.map(({ incarnation }) => incarnation)).toEqual([1, 1, 2, 1, 1]);
});

test("who falls silent to all is complained of by all, and it is out, not they", () => {
  const { beats, ranks, silent } = teamOf(5, []);
  silent.add(1);
  beats(12);
  expect(ranks()).toEqual([0, 2, 3, 4]);
});

test("where the lowest rank hears no quorum, the next that does has a view accepted by all", () => {
  // Of four the first is dead: three must vote, and only member 2 hears both others.
  const { beats, ranks, silent, states } = teamOf(4, ["1-3"]);
  silent.add(0);
  beats(12);
  for (const rank of [1, 2]) expect(ranks(rank)).toEqual([1, 2]);
  expect(states[3]!.incarnation).toBe(2);
});

describe("with servers", () => {
  test("workers that do not hear each other stay: they have no dealings", () => {
    const { beats, ranks } = teamOf(5, ["1-2"], { workers: 4 });
    beats(40);
    expect(ranks()).toEqual([0, 1, 2, 3, 4]);
  });

  test("so it is when one of them is the authority, and a worker that dies still goes", () => {
    const { beats, ranks, states, silent } = teamOf(5, ["0-1"], { workers: 4 });
    beats(40);
    for (const { view } of states) expect(view!.id).toBe(1);
    silent.add(2);
    beats(14);
    for (const rank of [0, 1, 3, 4]) expect(ranks(rank)).toEqual([0, 1, 3, 4]);
    silent.add(1);
    beats(14);
    for (const rank of [0, 3, 4]) expect(ranks(rank)).toEqual([0, 3, 4]);
  });

  test("a worker goes that neither the authority nor one of the servers hears", () => {
    const { beats, ranks } = teamOf(6, ["0-1", "1-5"], { workers: 4 });
    beats(14);
    expect(ranks()).toEqual([0, 2, 3, 4, 5]);
  });

  test("a worker that was expelled is back although the authority does not hear it, and stays", () => {
    const everything = [0, 2, 3, 4].map((rank) => `${Math.min(rank, 1)}-${Math.max(rank, 1)}`);
    const { beats, ranks, setCut, states } = teamOf(5, everything, { workers: 4 });
    beats(14);
    expect(ranks()).toEqual([0, 2, 3, 4]);
    setCut(["0-1"]);
    beats(6);
    for (const rank of [0, 1, 4]) expect(ranks(rank)).toEqual([0, 1, 2, 3, 4]);
    beats(40);
    expect(states[1]!.incarnation).toBe(2);
    expect(ranks(1)).toEqual([0, 1, 2, 3, 4]);
  });

  test("workers go for a server that is vital, however many links it lost", () => {
    const { beats, ranks } = teamOf(6, ["1-5", "2-5"], { workers: 5, vital: [5] });
    beats(10);
    expect(ranks()).toEqual([0, 3, 4, 5]);
  });

  test("the authority goes when it alone does not hear a vital server, and not when nobody does", () => {
    const alone = teamOf(5, ["0-4"], { workers: 4, vital: [4] });
    alone.beats(14);
    expect(alone.ranks(1)).toEqual([1, 2, 3, 4]);
    expect(alone.states[0]!.incarnation).toBe(2);
    const all = teamOf(5, [], { workers: 4, vital: [4] });
    all.silent.add(4);
    all.beats(40);
    expect(all.ranks(1)).toEqual([0, 1, 2, 3, 4]);
  });
});

test("who is late itself, as it was stopped, complains of nobody", () => {
  const { beats, silent, states } = teamOf(4, []);
  silent.add(2);
  beats(3);
  silent.delete(2);
  beats(1);
  for (const { complaints } of states) expect(complaints.get(2)).toBeUndefined();
  beats(40);
  for (const { view } of states) expect(view!.id).toBe(1);
});

test("whatever links are cut, those that stay hear each other, and the authority is one of them", () => {
  const pair = fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 }));
  fc.assert(
    fc.property(fc.array(pair.filter(([a, b]) => a < b)), fc.nat(), (pairs, vitalSeed) => {
      const cuts = pairs.map(([a, b]) => `${a}-${b}`);
      const vital = vitalSeed % 8;
      const { beats, states } = teamOf(8, cuts, { vital: [vital] });
      beats(6);
      const told = states[0]!;
      if (told.view!.id === 1) {
        const out = leftOut(told, new Set());
        expect(out.has(0) || out.has(vital)).toBe(false);
      }
      beats(40);
      const view = states[0]!.view!.members.map(({ rank }) => rank);
      expect(view).toContain(0);
      expect(view).toContain(vital);
      for (const [a, b] of pairs) expect(view.includes(a) && view.includes(b)).toBe(false);
      // Nobody goes whose links are whole.
      const touched = new Set(pairs.flat());
      for (const rank of states.keys()) if (!touched.has(rank)) expect(view).toContain(rank);
    }),
    { numRuns: 60 },
  );
});

test("whatever links are cut one way, nobody is expelled again and again, and all are back when they are mended", () => {
  const end = fc.integer({ min: 0, max: 5 });
  fc.assert(
    fc.property(fc.array(fc.tuple(end, end), { minLength: 1, maxLength: 4 }), (pairs) => {
      const { beats, ranks, setCut, states } = teamOf(
        6,
        pairs.filter(([a, b]) => a !== b).map(([a, b]) => `${a}>${b}`),
      );
      beats(60);
      const lives = states.map(({ incarnation }) => incarnation);
      beats(120);
      expect(states.map(({ incarnation }) => incarnation)).toEqual(lives);
      setCut([]);
      beats(30);
      for (const rank of states.keys()) expect(ranks(rank)).toEqual([0, 1, 2, 3, 4, 5]);
    }),
    { numRuns: 20 },
  );
});

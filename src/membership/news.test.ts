/** Beats among many: few messages, news of all at all, and nobody expelled who is there. */
import { expect, test } from "vitest";
import { createTeam } from "../../test/support-team.ts";
import { noteDeath, suspected } from "./suspicion.ts";

test("65 members send a tenth of the messages that all pairs would, along a tenth of the pairs", () => {
  const { beatOnce, counts, states } = createTeam(65);
  let most = 0;
  for (let number = 0; number < 40; number++) most = Math.max(most, beatOnce(number));
  expect(most).toBeLessThanOrEqual(65 * 7);
  expect(counts.pairs.size).toBeLessThanOrEqual(65 * 7);
  for (const state of states) expect([...suspected(state, 20)]).toEqual([]);
  for (const { view } of states) expect(view!.id).toBe(1);
});

test("up to eight members each beats every other", () => {
  const { beatOnce } = createTeam(8);
  expect(beatOnce(0)).toBe(8 * 7);
});

test("of 65 members five that fall silent are out of the view of all others within six seconds", () => {
  const { beatOnce, silent, states } = createTeam(65);
  for (let number = 0; number < 20; number++) beatOnce(number);
  for (const rank of [0, 1, 2, 32, 64]) silent.add(rank);
  for (let number = 20; number < 32; number++) beatOnce(number);
  for (const { rank, view } of states) {
    if (silent.has(rank)) continue;
    const ranks = view!.members.map((life) => life.rank);
    expect(ranks, `view of member ${rank}`).toEqual(
      states.map((state) => state.rank).filter((other) => !silent.has(other)),
    );
  }
});

test("nobody is expelled because some ways break, as long as others lead there", () => {
  // Member 5's own beats reach nobody that it tells by itself, and none of theirs reach it.
  const places = [1, 2, 4, 8, 16, 32];
  const cut = new Set(places.flatMap((step) => [`5 ${(5 + step) % 65}`, `${(60 + step) % 65} 5`]));
  let broken = false;
  const { beatOnce, states } = createTeam(65, (from, to) => broken && cut.has(`${from} ${to}`));
  for (let number = 0; number < 20; number++) beatOnce(number);
  broken = true;
  for (let number = 20; number < 80; number++) beatOnce(number);
  for (const { view } of states) expect(view!.id).toBe(1);
});

test("who has seen a death tells nobody of the dead any more", () => {
  const { beatOnce, counts, silent, states } = createTeam(20);
  beatOnce(0);
  silent.add(3);
  for (const state of states) noteDeath(state, 3);
  counts.pairs.clear();
  beatOnce(1);
  beatOnce(2);
  const toDead = [...counts.pairs].filter((pair) => pair.endsWith(" 3"));
  // The vote on the next view asks everybody of the last one.
  expect(toDead).toEqual(["0 3"]);
  for (const { rank, view } of states) if (rank !== 3) expect(view!.members.length).toBe(19);
});

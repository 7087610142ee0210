/** Beats among many: few messages, news of all at all, and nobody expelled who is there. */
import { expect, test } from "vitest";
import { firstView } from "../topology/view.ts";
import { absorbMembership, beat, conclude, createMembership } from "./membership.ts";
import type { MembershipMessage } from "./messages.ts";
import { noteDeath, suspected } from "./suspicion.ts";

const beatSeconds = 0.5;

/** Members of one view, whose messages arrive at once unless `drops` says otherwise. */
function createTeam(members: number, drops: (from: number, to: number) => boolean = () => false) {
  const view = firstView({ workers: members, members });
  const states = view.members.map(({ rank, incarnation, role }) =>
    createMembership(
      { rank, incarnation, role, ranks: members, view },
      { beatSeconds, quorum: "majority" },
    ),
  );
  const silent = new Set<number>();
  const counts = { messages: 0, pairs: new Set<string>() };
  type Sent = { from: number; to: number; body: MembershipMessage };
  const queue: Sent[] = [];
  const outOf = (from: number) => ({
    push: ({ to, body }: { to: number; body: MembershipMessage }) => {
      queue.push({ from, to, body });
    },
  });
  const deliver = (now: number) => {
    for (let sent = queue.shift(); sent; sent = queue.shift()) {
      const { from, to, body } = sent;
      counts.messages++;
      counts.pairs.add(`${from} ${to}`);
      if (silent.has(to) || drops(from, to)) continue;
      absorbMembership(states[to]!, { from, body, now }, outOf(to));
      conclude(states[to]!);
    }
  };
  /** Everybody beats, each a little after the one before. */
  const beatOnce = (number: number) => {
    counts.messages = 0;
    states.forEach((state, rank) => {
      if (silent.has(rank)) return;
      const now = beatSeconds * (number + rank / members);
      beat(state, now, outOf(rank));
      deliver(now);
      conclude(state);
    });
    return counts.messages;
  };
  return { states, silent, counts, beatOnce };
}

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

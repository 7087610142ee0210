/** Whose silence is noticed, and when. */
import { expect, test } from "vitest";
import { firstView } from "../topology/view.ts";
import { absorbMembership, beat, createMembership } from "./membership.ts";
import { suspected } from "./suspicion.ts";

const beatSeconds = 0.5;

/** The first of three, and what it hears of the others. */
function createListener() {
  const view = firstView({ workers: 3, members: 3 });
  const { rank, incarnation, role } = view.members[0]!;
  const options = { beatSeconds, quorum: "majority" } as const;
  const state = createMembership({ rank, incarnation, role, ranks: 3, view }, options);
  const out = { push: () => {} };
  const hear = (now: number) => {
    for (const { rank: from, incarnation: by } of view.members.slice(1)) {
      const body = {
        kind: "m/beat",
        by,
        view: view.id,
        over: false,
        unheard: new Uint32Array(0),
      } as const;
      absorbMembership(state, { from, body, now }, out);
    }
  };
  return { state, hear, beats: (now: number) => beat(state, now, out) };
}

test("who was heard before our late beat is heard from then, no later: its silence is noticed in time", () => {
  const { state, hear, beats } = createListener();
  let now = 0;
  for (; now < 10; now += beatSeconds) {
    beats(now);
    hear(now);
  }
  // Nothing is done for 10 s; then what had come is read first, and our own beat comes after it.
  const stallSeconds = 10;
  now += stallSeconds;
  hear(now);
  const heardAt = now;
  while (suspected(state, now).size < 2 && now < heardAt + 100) {
    beats(now);
    now += beatSeconds;
  }
  // Twice the longest interval that was seen, which is the stall with the beat it fell into.
  expect(now - heardAt).toBeLessThanOrEqual(2 * (stallSeconds + beatSeconds) + beatSeconds);
});

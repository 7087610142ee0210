/** Whose silence is noticed, and when. */
import { expect, test } from "vitest";
import { firstView } from "../topology/view.ts";
import { absorbMembership, beat, createMembership } from "./membership.ts";
import type { MembershipMessage } from "./messages.ts";
import { givenUp, suspected } from "./suspicion.ts";

const beatSeconds = 0.5;

/** The first of three, and what it hears of the others. */
function createListener(more: { readonly leaseSeconds?: number } = {}) {
  const view = firstView({ workers: 3, members: 3 });
  const { rank, incarnation, role } = view.members[0]!;
  const options = { beatSeconds, quorum: "majority", ...more } as const;
  const state = createMembership({ rank, incarnation, role, ranks: 3, view }, options);
  const said: MembershipMessage[] = [];
  const out = { push: (effect: { body: MembershipMessage }) => void said.push(effect.body) };
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
  /** The others promise what was proposed last. */
  const promise = (now: number) => {
    const { slot, ballot } = said.findLast(({ kind }) => kind === "m/prepare") as Ballot;
    for (const { rank: from, incarnation: by } of view.members.slice(1)) {
      const accepted = new Uint32Array(0);
      const body = { kind: "m/promise", by, slot, ballot, acceptedBallot: 0, accepted } as const;
      absorbMembership(state, { from, body, now }, out);
    }
  };
  return { state, said, hear, promise, beats: (now: number) => beat(state, now, out) };
}

type Ballot = MembershipMessage & { readonly kind: "m/prepare" };

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

test("who alone holds something is given up once it was silent for a lease, and no sooner; the others long before", () => {
  const { state, hear, beats } = createListener({ leaseSeconds: 300 });
  state.vital = [2];
  let now = 0;
  for (; now < 10; now += beatSeconds) {
    beats(now);
    hear(now);
  }
  const silentFrom = now - beatSeconds;
  expect([...givenUp(state, silentFrom + 299)]).toEqual([1]);
  expect([...givenUp(state, silentFrom + 301)]).toEqual([1, 2]);
});

test("who was cut off from all others is not voted in alone by those it left out, once they hear its question", () => {
  const { state, said, hear, promise, beats } = createListener();
  let now = 0;
  for (; now < 40; now += beatSeconds) {
    beats(now);
    if (now < 10) hear(now);
  }
  expect(suspected(state, now).size).toBe(2);
  promise(now);
  expect(said.map(({ kind }) => kind)).not.toContain("m/accept");
  for (; now < 60; now += beatSeconds) {
    hear(now);
    beats(now);
  }
  expect(state.proposal).toBeNull();
  expect(said.map(({ kind }) => kind)).not.toContain("m/accept");
});

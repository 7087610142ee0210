import { expect, test } from "vitest";
import { createReplica } from "../math/replica.ts";
import { allreduce } from "./allreduce.ts";
import { dPsgd } from "./d-psgd.ts";
import { featureParallel } from "./feature-parallel.ts";
import {
  type AnyStrategy,
  type Effect,
  type MessageBody,
  type NodeEvent,
  strategyOptions,
  type View,
  type ViewMember,
} from "./strategy.ts";

const lifeOf = (rank: number, incarnation = 1): ViewMember => {
  return { rank, incarnation, role: "worker" };
};
const own = lifeOf(1, 2);

/** Member 1 that comes back in view 2, with others of these or alone, and what it asks for as time goes on. */
function newcomerByHand(strategy: AnyStrategy, first: Partial<View>) {
  const view = { id: 2, left: [], ...first, members: [...(first.members ?? []), own] };
  const seat = { ...own, workers: 2, members: 2, width: 2, range: { from: 0, to: 2 }, seed: 1 };
  const state = strategy.init({ ...seat, view }, strategyOptions());
  const replica = createReplica(2);
  const out: Effect<MessageBody>[] = [];
  const give = (event: NodeEvent<never>) => strategy.step(state, replica, event, out);
  give({ kind: "start", now: 0 });
  return {
    ...{ replica, out },
    /** What it did since it was asked last, but for what it sent. */
    did: () => {
      const kinds = out.map(({ kind }) => kind).filter((kind) => kind !== "send");
      out.length = 0;
      return kinds;
    },
    hears: (from: number, body: MessageBody) =>
      give({ kind: "message", now: 1, from, body: body as never }),
    isIn: (next: Partial<View>) =>
      give({ kind: "view", now: 1, view: { id: 3, members: [own], left: [], ...next } }),
    wakes: () => give({ kind: "wake", now: 9 }),
  };
}

const other = lifeOf(0);
const together = { members: [other] };
const ended = { left: [{ ...other, ended: true as const }] };
const haveLeft = { left: [other] };

/** A copy of the model after round 7, as it was sent in view 1, and what says that its sender has no model. */
const values = Float32Array.of(3, 4);
const copies = {
  allreduce: {
    ...{ kind: "round-copy", view: 1, round: 7, rows: 10, values, lastRows: 0 },
    ...{ last: new Float32Array(0), departed: new Int32Array(0) },
  },
  "d-psgd": { kind: "model-copy", view: 1, round: 8, rows: 10, values },
};
const hasNone = {
  allreduce: { kind: "status", view: 2, completed: -1 },
  "d-psgd": { kind: "standing", view: 2, round: -1, plan: new Uint32Array(0) },
};

/** Strategies in rounds, and what each does first once it may begin. */
const inRounds: readonly (readonly [string, AnyStrategy, string])[] = [
  ["allreduce", allreduce as AnyStrategy, "learn"],
  ["feature-parallel", featureParallel as AnyStrategy, "predict"],
  ["d-psgd", dPsgd as AnyStrategy, "learn"],
];

test.each(inRounds)(
  "%s: a newcomer ends where the run has ended for the others, and begins anew where they have died",
  (_, strategy, first) => {
    const one = newcomerByHand(strategy, together);
    one.isIn(ended);
    expect(one.did()).toEqual(["finish"]);
    expect(newcomerByHand(strategy, ended).did()).toEqual(["finish"]);
    expect(newcomerByHand(strategy, {}).did()).toEqual([first]);
    const bereft = newcomerByHand(strategy, together);
    bereft.isIn({});
    expect(bereft.did()).toEqual([first]);
  },
);

test.each(inRounds)(
  "%s: where the others have left a newcomer waits for their copy, and begins anew when none came",
  (_, strategy, first) => {
    const alone = newcomerByHand(strategy, haveLeft);
    expect(alone.did()).toEqual(["wake"]);
    alone.wakes();
    expect(alone.did()).toEqual([first]);
    // The time of an earlier view's wait says nothing of the present one's.
    const moved = newcomerByHand(strategy, haveLeft);
    moved.isIn(haveLeft);
    expect(moved.did()).toEqual(["wake", "wake"]);
    moved.wakes();
    expect(moved.did()).toEqual([]);
    moved.wakes();
    expect(moved.did()).toEqual([first]);
  },
);

for (const strategy of [allreduce, dPsgd] as AnyStrategy[]) {
  const name = strategy.name as keyof typeof copies;

  test(`${name}: a copy of one that left counts whenever it comes, and the run goes on at its round`, () => {
    const waits = newcomerByHand(strategy, haveLeft);
    waits.hears(0, copies[name]);
    expect(waits.did()).toEqual(["wake", "learn"]);
    expect([...waits.replica.values]).toEqual([3, 4]);
    // Before the view in which nobody is left.
    const holds = newcomerByHand(strategy, together);
    holds.hears(0, copies[name]);
    expect(holds.did()).toEqual([]);
    holds.isIn(haveLeft);
    expect(holds.out.find(({ kind }) => kind === "learn")).toMatchObject({ round: 8 });
    expect([...holds.replica.values]).toEqual([3, 4]);
  });

  test(`${name}: of newcomers the lowest begins; another that has a copy hands it on, and takes what it gets`, () => {
    const holds = newcomerByHand(strategy, { ...together, left: [lifeOf(2)] });
    holds.hears(0, hasNone[name]);
    expect(holds.did()).toEqual([]);
    holds.hears(2, copies[name]);
    const handed: MessageBody = { ...copies[name], ...{ view: 2 } };
    expect(holds.out).toEqual([{ kind: "send", to: 0, body: handed }]);
    expect(holds.did()).toEqual([]);
    holds.hears(0, handed);
    expect(holds.did()).toEqual(["learn"]);
    expect([...holds.replica.values]).toEqual([3, 4]);
  });
}

import { expect, test } from "vitest";
import { createReplica } from "../math/replica.ts";
import { asp, bsp, ssp } from "./parameter-server.ts";
import {
  type Effect,
  type NodeEvent,
  type Report,
  strategyOptions,
  type View,
} from "./strategy.ts";

type Body = { kind: string };

interface Sent {
  readonly from: number;
  readonly to: number;
  readonly body: Body;
}

/** Two workers and two servers, and standbys if asked for, stepped by hand; a message arrives where its link carries it. */
function pairsByHand(strategy: typeof asp, { standby = false } = {}) {
  const options = strategyOptions({ servers: 2, standby, staleness: 0 });
  const sent: Sent[] = [];
  const reports: Report[] = [];
  const finished = new Set<number>();
  const size = standby ? 6 : 4;
  const members = Array.from({ length: size }, (_, rank) => {
    const isServer = rank >= 2;
    const range = isServer ? { from: rank % 2, to: 1 + (rank % 2) } : { from: 0, to: 2 };
    const { role } = lifeOf(rank);
    const seat = { rank, incarnation: 1, role, workers: 2, members: size };
    const replica = createReplica(range.to - range.from);
    return { state: strategy.init({ ...seat, width: 2, range, seed: 1 }, options), replica, range };
  });
  const give = (rank: number, event: NodeEvent<Body>) => {
    const { state, replica } = members[rank]!;
    const out: Effect<Body>[] = [];
    strategy.step(state as never, replica, event as never, out as never);
    for (const effect of out) {
      if (effect.kind === "send") sent.push({ from: rank, to: effect.to, body: effect.body });
      if (effect.kind === "report") reports.push(effect.report);
      if (effect.kind === "finish") finished.add(rank);
    }
  };
  const arrive = (carries: (from: number, to: number, body: Body) => boolean) => {
    for (;;) {
      const at = sent.findIndex(
        ({ from, to, body }) => !finished.has(to) && carries(from, to, body),
      );
      if (at < 0) return;
      const [{ from, to, body }] = sent.splice(at, 1) as [Sent];
      give(to, { kind: "message", now: 0, from, body });
    }
  };
  /** All of these have this view. */
  const follow = (id: number, ranks: readonly number[], leavers: readonly number[] = []) => {
    const view: View = { id, members: ranks.map(lifeOf), left: leavers.map(lifeOf) };
    for (const rank of ranks) give(rank, { kind: "view", now: id, view });
  };
  /** A member comes back, in a view of the others: it was expelled, a worker after its first update. */
  const returnOf = (view: View, rank = 0) => {
    const life = { ...lifeOf(rank), incarnation: 2 };
    const { range } = members[rank]!;
    const earlier = rank >= 2 ? [] : [{ incarnation: 1, clock: 1 }];
    const seat = { ...life, workers: 2, members: size, width: 2, range, seed: 1, view, earlier };
    const state = strategy.init(seat, options);
    members[rank] = { state, replica: createReplica(range.to - range.from), range };
    give(rank, { kind: "start", now: view.id });
  };
  for (const rank of members.keys()) give(rank, { kind: "start", now: 0 });
  return { members, sent, reports, finished, give, arrive, follow, returnOf };
}

function lifeOf(rank: number) {
  return { rank, incarnation: 1, role: rank >= 2 ? ("server" as const) : ("worker" as const) };
}

/** Worker 0 has come back. */
const nextLife = { ...lifeOf(0), incarnation: 2 };
const lastLife = { ...lifeOf(0), incarnation: 3 };

const update = { rows: 1, delta: Float32Array.of(1, 1) };

test.each([
  ["asp", 2, asp],
  ["asp", 3, asp],
  ["bsp", 2, bsp],
  ["bsp", 3, bsp],
] as const)(
  "%s: what only one server has of a departed worker is told as lost, once (server %i)",
  (...given) => {
    const [, holder, strategy] = given;
    const { members, reports, give, arrive, follow } = pairsByHand(strategy as typeof asp);
    give(0, { kind: "learned", now: 0, update });
    arrive((from, to) => from === 0 && to === holder);
    // Worker 0 dies; its push to the other server never comes.
    follow(2, [1, 2, 3]);
    arrive((from) => from !== 0);
    const counted = (kind: Report["kind"]) =>
      reports.filter((report) => report.kind === kind).length;
    expect(reports.filter(({ kind }) => kind === "lost")).toEqual([
      { kind: "lost", from: 0, updates: 1 },
    ]);
    expect(counted("applied")).toBe(counted("undone"));
    for (const { replica } of members.slice(2)) expect([...replica.values]).toEqual([0]);
  },
);

test("bsp: what counts of a departed worker in an open round, counts at the standby that takes over", () => {
  const { members, give, arrive, follow } = pairsByHand(bsp as typeof asp, { standby: true });
  give(0, { kind: "learned", now: 0, update });
  give(1, { kind: "learned", now: 0, update });
  // Server 2 has both updates and merges; server 3 has that of worker 0 only.
  arrive((from, to) => from + to !== 1 + 3);
  follow(2, [1, 2, 3, 4, 5]);
  arrive((from, to) => from !== 0 && to !== 0 && from + to !== 1 + 3);
  follow(3, [1, 2, 4, 5]);
  arrive((from, to) => ![0, 3].includes(from) && ![0, 3].includes(to));
  for (const rank of [2, 4, 5]) expect([...members[rank]!.replica.values]).toEqual([2]);
});

test.each([
  ["asp", asp],
  ["bsp", bsp],
])("%s: no server ends before the others have heard what it has of the departed", (_, strategy) => {
  const { members, finished, give, arrive, follow } = pairsByHand(strategy as typeof asp);
  give(0, { kind: "learned", now: 0, update });
  arrive((from, to) => from === 0 && to === 3);
  give(1, { kind: "exhausted", now: 0 });
  arrive((from) => from === 1);
  // Worker 0 is gone. Server 2 has heard of server 3, and needs nobody any more.
  follow(2, [2, 3], [1]);
  arrive((from, to) => from === 3 && to === 2);
  expect(finished).not.toContain(2);
  arrive((from) => from > 1);
  expect([...finished].sort()).toEqual([1, 2, 3]);
  for (const { replica } of members.slice(2)) expect([...replica.values]).toEqual([0]);
});

test.each([
  ["asp", asp],
  ["bsp", bsp],
])(
  "%s: a newcomer's question outlives a view that comes before the flush is over",
  (_, strategy) => {
    const { sent, give, arrive } = pairsByHand(strategy as typeof asp);
    // Worker 0 is gone and comes back in one view; in the next, worker 1 is gone.
    for (const [id, others] of [
      [2, [1, 2, 3]],
      [3, [2, 3]],
    ] as const) {
      const view: View = { id, members: [nextLife, ...others.map(lifeOf)], left: [] };
      for (const rank of [2, 3]) give(rank, { kind: "view", now: id, view });
      if (id > 2) continue;
      const body = { kind: "enter" };
      for (const rank of [2, 3]) give(rank, { kind: "message", now: id, from: 0, body });
    }
    arrive((from, to) => from > 1 && to > 1);
    const answers = sent.filter(({ to, body }) => to === 0 && body.kind === "model");
    expect(answers.map(({ from }) => from).sort()).toEqual([2, 3]);
  },
);

test.each([
  ["asp", asp],
  ["bsp", bsp],
])(
  "%s: what a newcomer asked is not its next life's, which comes before the flush is over",
  (_, strategy) => {
    const { sent, give, arrive } = pairsByHand(strategy as typeof asp);
    for (const [id, life] of [
      [2, nextLife],
      [3, lastLife],
    ] as const) {
      const view: View = { id, members: [life, ...[1, 2, 3].map(lifeOf)], left: [] };
      for (const rank of [2, 3]) give(rank, { kind: "view", now: id, view });
      const body = { kind: "enter" };
      // The last one has asked one server only.
      for (const rank of id === 2 ? [2, 3] : [2])
        give(rank, { kind: "message", now: id, from: 0, body });
    }
    arrive((from, to) => from > 1 && to > 1);
    const answers = sent.filter(({ to, body }) => to === 0 && body.kind === "model");
    expect(answers.map(({ from }) => from)).toEqual([2]);
  },
);

test.each([
  ["bsp", "before it has asked", bsp],
  ["bsp", "while its question waits", bsp],
  ["ssp", "before it has asked", ssp],
  ["ssp", "while its question waits", ssp],
] as const)(
  "%s: a newcomer that is let go %s hears what counts of its earlier life",
  (...given) => {
    const [, when, strategy] = given;
    const { reports, sent, give, arrive, returnOf } = pairsByHand(strategy as typeof asp);
    give(0, { kind: "learned", now: 0, update });
    sent.length = 0;
    // Worker 0 was cut off before that left. Of worker 1 server 3 has an update that server 2 waits for.
    give(1, { kind: "learned", now: 0, update });
    arrive((from, to) => from === 1 && to === 3);
    const view: View = { id: 2, members: [nextLife, ...[1, 2, 3].map(lifeOf)], left: [] };
    for (const rank of [1, 2, 3]) give(rank, { kind: "view", now: 2, view });
    arrive((from, to) => from > 1 && to > 1);
    if (when === "before it has asked") arrive((from) => from === 1);
    returnOf(view);
    arrive((from) => from === 0);
    arrive(() => true);
    expect(reports.filter(({ kind }) => kind === "lost")).toEqual([
      { kind: "lost", from: 0, updates: 1 },
    ]);
  },
);

test.each([
  ["asp", 2, asp],
  ["asp", 3, asp],
  ["bsp", 2, bsp],
  ["bsp", 3, bsp],
] as const)("%s: what server %i tells of the departed outlives it", (...given) => {
  const [, dies, strategy] = given;
  const stays = 5 - dies;
  const { members, reports, give, arrive, follow } = pairsByHand(strategy as typeof asp, {
    standby: true,
  });
  give(0, { kind: "learned", now: 0, update });
  give(1, { kind: "learned", now: 0, update });
  // Both servers have both updates, one of the standbys has none.
  const isForward = (from: number, to: number) => from === dies && to === dies + 2;
  arrive((from, to) => !isForward(from, to));
  // Worker 0 dies, then that server: of what it sent only what went to the other arrives.
  follow(2, [1, 2, 3, 4, 5]);
  arrive((from, to) => from === dies && to === stays);
  follow(3, [1, stays, 4, 5]);
  arrive((from, to) => ![0, dies].includes(from) && ![0, dies].includes(to));
  const values = [stays, 4, 5].map((rank) => members[rank]!.replica.values[0]);
  expect(values).toEqual([1, 1, 1]);
  expect(reports.filter(({ kind }) => kind === "lost")).toEqual([
    { kind: "lost", from: 0, updates: 1 },
  ]);
});

test("bsp: what one server took back of an open round is taken back by one that settles it later", () => {
  const { members, give, arrive } = pairsByHand(bsp as typeof asp);
  give(0, { kind: "learned", now: 0, update });
  arrive((from) => from === 0);
  const come = (id: number, life: typeof nextLife) => {
    const view: View = { id, members: [life, ...[1, 2, 3].map(lifeOf)], left: [] };
    for (const rank of [1, 2, 3]) give(rank, { kind: "view", now: id, view });
  };
  // Worker 0 is gone. Server 3 hears server 2, settles that, and merges the round without it.
  come(2, nextLife);
  arrive((from, to) => from === 2 && to === 3);
  give(1, { kind: "learned", now: 2, update });
  arrive((from, to) => from === 1 && to === 3);
  // Its newcomer is gone, too, before server 2 has heard server 3.
  come(3, lastLife);
  arrive(() => true);
  expect(members.slice(2).map(({ replica }) => replica.values[0])).toEqual([1, 1]);
});

test.each([
  ["asp", asp],
  ["bsp", bsp],
])(
  "%s: a newcomer that one server has counted in counts from the same update at all",
  (_, strategy) => {
    const { members, sent, give, arrive, returnOf } = pairsByHand(strategy as typeof asp);
    for (let clock = 1; clock <= 2; clock++) {
      for (const rank of [0, 1]) give(rank, { kind: "learned", now: 0, update });
      arrive(() => true);
    }
    // Worker 0 makes another; of worker 1 that is on its way when worker 0 is gone and comes back.
    give(0, { kind: "learned", now: 0, update });
    arrive((from) => from === 0);
    const come = (id: number, lives: readonly (typeof nextLife)[]) => {
      const view: View = { id, members: [...lives, ...[2, 3].map(lifeOf)], left: [] };
      for (const rank of [2, 3]) give(rank, { kind: "view", now: id, view });
      return view;
    };
    come(2, [nextLife, lifeOf(1)]);
    arrive((from, to) => from === 2 && to === 3);
    // Worker 1 is gone, too, before server 2 has heard server 3.
    const view = come(3, [nextLife]);
    arrive((from, to) => from > 1 && to > 1);
    const before = members.slice(2).map(({ replica }) => replica.values[0]);
    sent.length = 0;
    returnOf(view);
    arrive(() => true);
    give(0, { kind: "learned", now: 3, update });
    arrive(() => true);
    const after = members.slice(2).map(({ replica }) => replica.values[0]);
    expect(after).toEqual(before.map((value) => value! + 1));
    // It is gone as well: both have its update.
    come(4, []);
    arrive((from, to) => from > 1 && to > 1);
    expect(members.slice(2).map(({ replica }) => replica.values[0])).toEqual(after);
    expect(after[0]).toBe(after[1]);
  },
);

test.each([
  ["ends when who held its range is gone, though another newcomer has come", 2, true],
  ["waits for the model of who holds its range, who stays", 1, false],
] as const)("a server that comes back %s", (_, incarnation, ends) => {
  const { finished, give, returnOf } = pairsByHand(asp, { standby: true });
  // Server 5 took over from server 3, which comes back to stand by.
  const others = [0, 1, 2, 4].map(lifeOf);
  const back = { ...lifeOf(3), incarnation: 2 };
  returnOf({ id: 3, members: [...others, back, lifeOf(5)], left: [] }, 3);
  const holder = { ...lifeOf(5), incarnation };
  give(3, { kind: "view", now: 4, view: { id: 4, members: [...others, back, holder], left: [] } });
  expect(finished.has(3)).toBe(ends);
});

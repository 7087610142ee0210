import { expect, test } from "vitest";
import { createReplica } from "../math/replica.ts";
import { asp, bsp } from "./parameter-server.ts";
import { type Effect, type NodeEvent, type Report, strategyOptions } from "./strategy.ts";

type Body = { kind: string };

/** Two workers and two servers, stepped by hand; a message arrives where its link carries it. */
function pairsByHand(strategy: typeof asp) {
  const options = strategyOptions({ servers: 2 });
  const sent: { from: number; to: number; body: Body }[] = [];
  const reports: Report[] = [];
  const members = [0, 1, 2, 3].map((rank) => {
    const isServer = rank >= 2;
    const range = isServer ? { from: rank - 2, to: rank - 1 } : { from: 0, to: 2 };
    const role = isServer ? ("server" as const) : ("worker" as const);
    const place = { rank, incarnation: 1, role, workers: 2, members: 4, width: 2, range, seed: 1 };
    const replica = createReplica(range.to - range.from);
    return { state: strategy.init(place, options), replica };
  });
  const give = (rank: number, event: NodeEvent<Body>) => {
    const { state, replica } = members[rank]!;
    const out: Effect<Body>[] = [];
    strategy.step(state as never, replica, event as never, out as never);
    for (const effect of out) {
      if (effect.kind === "send") sent.push({ from: rank, to: effect.to, body: effect.body });
      if (effect.kind === "report") reports.push(effect.report);
    }
  };
  const arrive = (carries: (from: number, to: number) => boolean) => {
    for (;;) {
      const at = sent.findIndex(({ from, to }) => carries(from, to));
      if (at < 0) return;
      const [{ from, to, body }] = sent.splice(at, 1) as [(typeof sent)[number]];
      give(to, { kind: "message", now: 0, from, body });
    }
  };
  return { members, reports, give, arrive };
}

test.each([
  ["asp", asp, 2],
  ["asp", asp, 3],
  ["bsp", bsp, 2],
  ["bsp", bsp, 3],
] as const)(
  "%s: what only one server has of a departed worker is told as lost, once (server %o)",
  (...given) => {
    const [, strategy, holder] = given;
    const { members, reports, give, arrive } = pairsByHand(strategy as typeof asp);
    for (const rank of [0, 1, 2, 3]) give(rank, { kind: "start", now: 0 });
    const update = { rows: 1, delta: Float32Array.of(1, 1) };
    give(0, { kind: "learned", now: 0, update });
    arrive((from, to) => from === 0 && to === holder);
    // Worker 0 dies; its push to the other server never comes.
    const stays = [1, 2, 3].map((rank) => {
      return { rank, incarnation: 1, role: rank >= 2 ? ("server" as const) : ("worker" as const) };
    });
    for (const rank of [1, 2, 3]) {
      give(rank, { kind: "view", now: 1, view: { id: 2, members: stays, left: [] } });
    }
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

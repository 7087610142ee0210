import { expect, test } from "vitest";
import { createReplica } from "../math/replica.ts";
import { viewWords } from "../membership/views.ts";
import { type Effect, type Strategy, strategyOptions } from "../strategies/strategy.ts";
import { membered } from "./membered.ts";

interface Greeting {
  readonly kind: "greeting";
  readonly text: string;
}

/** Member 1 of three, whose strategy notes what it is told. */
function memberByHand() {
  const told: string[] = [];
  const noting: Strategy<null, Greeting> = {
    name: "noting",
    sharing: "messages",
    pace: "free",
    merges: ["sum"],
    conserves: () => "sum",
    init: () => null,
    step: (_state, _replica, event, out) => {
      if (event.kind === "wake") told.push("wake");
      if (event.kind !== "message") return;
      told.push(event.body.text);
      if (event.body.text === "wake me in 2 s") out.push({ kind: "wake", after: 2 });
    },
  };
  const strategy = membered(noting as never, { beatSeconds: 1, quorum: "majority" });
  const place = { rank: 1, incarnation: 1, role: "worker", workers: 3, members: 3 } as const;
  const seat = { ...place, width: 1, range: { from: 0, to: 1 }, seed: 1 };
  const state = strategy.init(seat, strategyOptions());
  const out: Effect<never>[] = [];
  const absorb = (body: object) => {
    const event = { kind: "message", now: 0, from: 0, body };
    strategy.step(state, createReplica(1), event as never, out as never);
  };
  const dropped = () => out.flatMap((effect) => (effect.kind === "drop" ? [effect.reason] : []));
  return {
    ...{ told, dropped },
    wake: (now: number) =>
      strategy.step(state, createReplica(1), { kind: "wake", now }, out as never),
    hear: (text: string, view: number) => absorb({ kind: "greeting", text, by: 1, in: view }),
    /** A view of members 0 and 2, and of that life of ours. */
    install(id: number, incarnation?: number) {
      const own = incarnation ? [{ rank: 1, incarnation, role: "worker" as const }] : [];
      const others = [0, 2].map((rank) => ({ rank, incarnation: 1, role: "worker" as const }));
      const members = [...own, ...others].sort((a, b) => a.rank - b.rank);
      absorb({ kind: "m/install", by: 1, view: viewWords({ id, members, left: [] }) });
    },
  };
}

test("what was sent to a life that was expelled is not delivered to the next", () => {
  const { told, dropped, hear, install } = memberByHand();
  hear("to the first", 1);
  install(3);
  hear("late, before the next is in a view", 2);
  install(4, 2);
  hear("late, after that", 1);
  hear("to the next", 4);
  expect(told).toEqual(["to the first", "to the next"]);
  expect(dropped()).toEqual(["for an earlier life", "for an earlier life"]);
});

test("a process that was stopped for long delivers each wake that its strategy asked for", () => {
  const { told, hear, wake } = memberByHand();
  hear("wake me in 2 s", 1);
  hear("wake me in 2 s", 1);
  wake(9);
  expect(told.filter((one) => one === "wake")).toHaveLength(2);
});

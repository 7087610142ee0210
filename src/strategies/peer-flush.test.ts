import { expect, test } from "vitest";
import { createReplica } from "../math/replica.ts";
import { emptyUpdate } from "../math/update.ts";
import { type MessageBounds, messageFault } from "../wire/shape.ts";
import { peerToPeer } from "./peer-to-peer.ts";
import { type Effect, type NodeEvent, strategyOptions, type View } from "./strategy.ts";

type Event = NodeEvent<{ kind: string }>;
type Sent = { from: number; to: number; body: { kind: string } };

/** Members that are stepped by hand; what they send waits until it is told to arrive. */
function membersByHand(workers: number) {
  const options = strategyOptions();
  const sent: Sent[] = [];
  const blamed: number[] = [];
  const members = Array.from({ length: workers }, (_, rank) => {
    const range = { from: 0, to: workers };
    const place = { rank, incarnation: 1, role: "worker", workers, members: workers } as const;
    return {
      state: peerToPeer.init({ ...place, width: workers, range, seed: 1 }, options),
      replica: createReplica(workers),
      finished: false,
    };
  });
  const give = (rank: number, event: Event) => {
    const member = members[rank]!;
    const out: Effect<{ kind: string }>[] = [];
    peerToPeer.step(member.state, member.replica, event as never, out as never);
    for (const effect of out) {
      if (effect.kind === "send") sent.push({ from: rank, to: effect.to, body: effect.body });
      if (effect.kind === "finish") member.finished = true;
      if (effect.kind === "drop" && effect.blame) blamed.push(effect.from);
    }
  };
  /** All that waits on links that may carry, again and again, in the order of each link. */
  const arrive = (mayCarry: (message: Sent) => boolean) => {
    for (;;) {
      const at = sent.findIndex((message) => mayCarry(message) && !members[message.to]!.finished);
      if (at < 0) return;
      const [{ from, to, body }] = sent.splice(at, 1) as [Sent];
      give(to, { kind: "message", now: 0, from, body });
    }
  };
  return { members, give, arrive, blamed };
}

/** Update 1 of its sender, which says to have so many of worker 0. */
function updateSaying(clock: number) {
  const seen = Uint32Array.of(0, 1, clock);
  return { kind: "update", clock: 1, rows: 1, delta: new Float32Array(3), version: 0, seen };
}

test("nobody waits for what only a member that is gone said to have", () => {
  const { members, give } = membersByHand(3);
  const { state } = members[2]!;
  give(2, { kind: "start", now: 0 });
  give(2, { kind: "message", now: 0, from: 1, body: updateSaying(2 ** 32 - 1) });
  give(2, { kind: "learned", now: 0, update: { ...emptyUpdate, delta: new Float32Array(3) } });
  expect(state.waiting).toBe(true);
  give(2, { kind: "view", now: 1, view: viewOf(2, [0, 2]) });
  expect(state.waiting).toBe(false);
});

test("who says to have updates of a member that it never made is told of by that member", () => {
  const { members, give, blamed } = membersByHand(3);
  give(0, { kind: "start", now: 0 });
  give(0, { kind: "message", now: 0, from: 2, body: updateSaying(0) });
  expect(blamed).toEqual([]);
  give(0, { kind: "message", now: 0, from: 1, body: updateSaying(1) });
  expect(blamed).toEqual([1]);
  expect(members[0]!.replica.rows).toBe(1);
});

test("more updates than the run has rows to learn are said by no message of it", () => {
  const seat = { role: "worker" } as const;
  const bounds: MessageBounds = {
    ...{ seats: [seat, seat], members: 2, workers: 2, width: 3, own: 3, theirs: 3, lives: [1, 1] },
    ...{ senderRole: "worker", receiverRole: "worker", normMax: 1, batchRowsMax: 1 },
    modelRowsMax: 10,
  };
  const faultOf = (clock: number) => messageFault(peerToPeer.shapes!, updateSaying(clock), bounds);
  expect(faultOf(10)).toBeNull();
  expect(faultOf(11)).toBe("update: seen has 11 updates, more than rows can be learned");
});

function viewOf(id: number, ranks: readonly number[], leavers: readonly number[] = []): View {
  const life = (rank: number) => ({ rank, incarnation: 1, role: "worker" as const });
  return { id, members: ranks.map(life), left: leavers.map(life) };
}

test("what a leaver passed on of a departed member is waited for by those that stay", () => {
  const { members, give, arrive } = membersByHand(4);
  for (const rank of [0, 1, 2, 3]) give(rank, { kind: "start", now: 0 });
  for (const rank of [0, 1, 2]) give(rank, { kind: "exhausted", now: 0 });
  const delta = Float32Array.of(0, 0, 0, 1);
  give(3, { kind: "learned", now: 0, update: { ...emptyUpdate, rows: 1, delta } });
  // Only member 2 gets the update; then its maker dies.
  arrive(({ from, to }) => from !== 3 || to === 2);
  for (const rank of [0, 1, 2]) give(rank, { kind: "view", now: 1, view: viewOf(2, [0, 1, 2]) });
  // Member 2 passes it on and leaves; its link to 0 is slow.
  give(2, { kind: "leave", now: 1 });
  expect(members[2]!.finished).toBe(true);
  const isSlow = ({ from, to, body }: Sent) =>
    from === 3 || (from === 2 && to === 0 && body.kind === "passed-on");
  arrive((message) => !isSlow(message));
  const view = viewOf(3, [0, 1], [2]);
  for (const rank of [0, 1]) give(rank, { kind: "view", now: 2, view });
  arrive((message) => !isSlow(message));
  expect(members.slice(0, 2).map(({ finished }) => finished)).toEqual([false, false]);
  arrive(({ from }) => from !== 3);
  expect(members.slice(0, 2).map(({ finished }) => finished)).toEqual([true, true]);
  for (const { replica } of members.slice(0, 2)) expect([...replica.values]).toEqual([0, 0, 0, 1]);
});

/** Member 3 makes an update that only member 2 gets, then is gone; the others have a view without it. */
function departedByHand() {
  const { members, give, arrive } = membersByHand(4);
  for (const rank of [0, 1, 2, 3]) give(rank, { kind: "start", now: 0 });
  for (const rank of [0, 1]) give(rank, { kind: "exhausted", now: 0 });
  const delta = Float32Array.of(0, 0, 0, 1);
  give(3, { kind: "learned", now: 0, update: { ...emptyUpdate, rows: 1, delta } });
  arrive(({ from, to }) => from !== 3 || to === 2);
  for (const rank of [0, 1, 2]) give(rank, { kind: "view", now: 1, view: viewOf(2, [0, 1, 2]) });
  const keptBy = (rank: number) => members[rank]!.state.lives.get("3.1")!.log.size;
  return { members, give, arrive, keptBy };
}

test("who has all that the departed left keeps it for those that have not, if its giver goes next", () => {
  const { members, give, arrive } = departedByHand();
  // Member 2 reaches 1, and not 0; then it is expelled.
  const isCut = ({ from, to }: Sent) => from === 3 || to === 3 || (from === 2 && to === 0);
  arrive((message) => !isCut(message));
  expect([...members[1]!.replica.values]).toEqual([0, 0, 0, 1]);
  for (const rank of [0, 1]) give(rank, { kind: "view", now: 2, view: viewOf(3, [0, 1]) });
  arrive(({ from, to }) => from < 2 && to < 2);
  for (const { replica, finished } of members.slice(0, 2)) {
    expect([...replica.values]).toEqual([0, 0, 0, 1]);
    expect(finished).toBe(true);
  }
});

test("what the departed left is forgotten once everybody has it", () => {
  const { arrive, keptBy } = departedByHand();
  arrive(({ from, to, body }) => from !== 3 && to !== 3 && body.kind !== "flushed");
  expect([0, 1, 2].map(keptBy)).toEqual([1, 1, 1]);
  arrive(({ from, to }) => from !== 3 && to !== 3);
  expect([0, 1, 2].map(keptBy)).toEqual([0, 0, 0]);
});

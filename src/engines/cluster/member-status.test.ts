import { expect, test } from "vitest";
import { beat, createMembership } from "../../membership/membership.ts";
import { firstView } from "../../topology/view.ts";
import { deliverMessage, type MemberHost } from "../member-host.ts";
import { leaseSeconds } from "./limits.ts";
import { answerWait, quorumMissed, tellBroken } from "./member-status.ts";

test("a wait for a quorum began when none was heard of, and lasts as long as the lease, whenever it is asked for", () => {
  const view = firstView({ workers: 3, members: 3 });
  const { rank, incarnation, role } = view.members[0]!;
  const options = { beatSeconds: 0.5, quorum: "majority" } as const;
  const membership = createMembership({ rank, incarnation, role, ranks: 3, view }, options);
  const host = { state: { membership }, seat: { rank }, idleSince: 1 } as unknown as MemberHost;
  expect(quorumMissed(host, 0)).toBeNull();
  for (let now = 0; now < 30; now += 0.5) beat(membership, now, { push: () => {} });
  const { aloneSince } = membership;
  expect(aloneSince).toBeLessThan(29);
  for (const now of [30, 200]) {
    const wait = { since: aloneSince, until: aloneSince + leaseSeconds };
    expect(quorumMissed(host, now)).toMatchObject(wait);
    expect(answerWait(host, view, now)).toMatchObject(wait);
  }
});

test("a server is idle since it was given work last, and beats are none", () => {
  let now = 5;
  const host = {
    ...{ finished: false, learner: null, columns: null, idleSince: 0, effects: [], lastFrom: -1 },
    ...{ strategy: { step: () => {} }, port: { now: () => now } },
  } as unknown as MemberHost;
  deliverMessage(host, 0, { kind: "push" });
  expect(host.idleSince).toBe(5);
  now = 9;
  deliverMessage(host, 0, { kind: "m/beat" });
  expect(host.idleSince).toBe(5);
});

test("a connection that broke is told, but not of a member that left or of a run that is over", () => {
  const view = { id: 2, members: [{ rank: 0, incarnation: 1, role: "worker" }] } as never;
  const told: string[] = [];
  const broke = (rank: number, seen: Parameters<typeof tellBroken>[1]) =>
    tellBroken({ rank, reason: "it ended" }, seen, (line) => told.push(line));
  broke(0, view);
  broke(1, null);
  broke(1, view);
  broke(0, "over");
  broke(-1, "over");
  expect(told).toEqual([
    "connection to member 0 broke: it ended",
    "connection to member 1 broke: it ended",
    "connection to coordinator broke: it ended",
  ]);
});

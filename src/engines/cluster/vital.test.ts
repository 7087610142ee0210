import { expect, test } from "vitest";
import type { PastMember } from "../../topology/view.ts";
import { createRoster, giveSeat, type MemberState } from "./roster.ts";
import { lostServer } from "./vital.ts";

const range = { from: 0, to: 1 };
const seats = [{ role: "worker", range } as never, { role: "server", range } as never];
const worker = { rank: 0, incarnation: 1, role: "worker" } as const;
const server = { rank: 1, incarnation: 1, role: "server" } as const;

/** The book of a worker that learns and the only server, in that state. */
function rosterOf(state: MemberState) {
  const roster = createRoster({ seats, planned: 2 });
  for (const rank of [0, 1]) {
    const about = { address: `host:${rank}`, host: "host", process: rank, key: "", seen: "" };
    giveSeat(roster, rank, { ...about, now: 0 }).state = rank === 1 ? state : "running";
  }
  roster.view = { id: 1, members: [worker, server], left: [] };
  return roster;
}

test("a server that has come to the end of the run holds its part, though the others counted it out", () => {
  const lostAfter = (state: MemberState, left: readonly PastMember[]) => {
    const roster = rosterOf(state);
    roster.view = { id: 2, members: [worker], left };
    return lostServer(roster);
  };
  expect(lostServer(rosterOf("running"))).toBeUndefined();
  expect(lostAfter("running", [{ ...server, ended: true }])).toBeUndefined();
  expect(lostAfter("finished", [])).toBeUndefined();
  expect(lostAfter("running", [])).toBe(1);
  expect(lostAfter("left", [server])).toBe(1);
});

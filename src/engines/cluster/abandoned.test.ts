import { expect, test } from "vitest";
import { abandonedSeats, type Found, findMember } from "./abandoned.ts";
import { seatAsksMax, seatKeptSeconds } from "./limits.ts";
import { createRoster, freeSeat, giveSeat, type MemberState } from "./roster.ts";

const seat = { role: "worker", range: { from: 0, to: 1 } } as never;

/** A run that goes, with a member in that state in each seat. */
function rosterOf(states: readonly MemberState[]) {
  const roster = createRoster({ seats: states.map(() => seat), planned: states.length });
  roster.view = { id: 1, members: [], left: [] };
  for (const [rank, state] of states.entries()) {
    const about = { address: `host:${rank}`, host: "host", process: rank, key: "", seen: "" };
    giveSeat(roster, rank, { ...about, now: 0 }).state = state;
  }
  return roster;
}

function ask(states: readonly MemberState[], found: Found, more = {}) {
  const roster = rosterOf(states);
  const asked: number[] = [];
  const find = async ({ rank }: { rank: number }) => {
    asked.push(rank);
    return found;
  };
  const question = { hint: -1, now: () => 5, find, ...more };
  const seats = abandonedSeats(roster, question).then((all) => all.map(({ rank }) => rank));
  return { roster, asked, seats };
}

test("a silent member whose process is gone has no seat any more", async () => {
  expect(await ask(["running", "silent"], "gone").seats).toEqual([1]);
});

test("a silent member that answers keeps its seat, however long it is silent", async () => {
  const { roster, seats } = ask(["running", "silent"], "slow", { now: () => 1e4 });
  expect(await seats).toEqual([]);
  expect(() => freeSeat(roster, 1)).toThrow("all 2 seats of this run are taken; worker 1: silent");
});

test("where nobody answers the newcomer is to ask again, until the silence has lasted for long", async () => {
  await expect(ask(["running", "silent"], "unknown").seats).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("worker 1 is silent, and keeps its own for 30 s"),
  });
  const now = () => seatKeptSeconds + 1;
  expect(await ask(["running", "silent"], "unknown", { now }).seats).toEqual([1]);
});

test("nobody is asked while there are seats that nobody has, but for the seat one would like", async () => {
  const { asked, seats } = ask(["left", "silent", "silent"], "unknown");
  expect([await seats, asked]).toEqual([[], []]);
  const hinted = ask(["left", "silent", "silent"], "gone", { hint: 2 });
  expect([await hinted.seats, hinted.asked]).toEqual([[2], [2]]);
});

test("who is heard of again while it is asked keeps its seat", async () => {
  const { roster, seats } = ask(["silent"], "gone");
  const abandoned = (await seats).map((rank) => roster.entries.get(rank)!);
  roster.entries.get(0)!.state = "running";
  expect(() => freeSeat(roster, 0, abandoned)).toThrow("all 1 seats of this run are taken");
});

test("of a member whose address these credentials may not call nothing is known", async () => {
  const credentials = { tokens: {}, certificates: null, insecure: false };
  const entry = rosterOf(["silent"]).entries.get(0)!;
  expect(await findMember({ ...entry, address: "192.0.2.1:7650" }, credentials)).toBe("unknown");
});

test("of many those who are silent longest are asked", async () => {
  const states = Array.from({ length: seatAsksMax + 4 }, () => "silent" as const);
  const asked: number[] = [];
  const many = rosterOf(states);
  for (const entry of many.entries.values()) entry.heardAt = states.length - entry.rank;
  const find = async ({ rank }: { rank: number }) => {
    asked.push(rank);
    return "slow" as const;
  };
  await abandonedSeats(many, { hint: -1, now: () => 50, find });
  expect(asked.toSorted((a, b) => a - b)).toEqual([...states.keys()].slice(-seatAsksMax));
});

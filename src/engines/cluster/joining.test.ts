import { expect, test } from "vitest";
import type { Found } from "./abandoned.ts";
import { refuseApart, seatNewcomer } from "./joining.ts";
import { Refusal } from "./refusal.ts";
import { createRoster, giveSeat, type RosterEntry } from "./roster.ts";

const seat = { role: "worker", range: { from: 0, to: 1 } } as never;
/** An address for documentation: no machine has it. */
const elsewhere = "192.0.2.1:7650";
const here = "127.0.0.1:7651";

/** A run whose only member is reached there. */
function runAt(address: string) {
  const roster = createRoster({ seats: [seat, seat], planned: 2 });
  giveSeat(roster, 0, { address, host: "one", process: 1, key: "", seen: "", now: 0 });
  return roster;
}

test.each([
  [
    "who joined by 127.0.0.1 while a member is elsewhere",
    elsewhere,
    here,
    /^you are reached at 127.*join by an address/,
  ],
  [
    "who is elsewhere while a member joined by 127.0.0.1",
    here,
    elsewhere,
    /^worker 0 is reached at 127.*start it anew/,
  ],
])("%s is refused with words that say whom to start how", (_, member, newcomer, words) => {
  expect(() => refuseApart(runAt(member), newcomer)).toThrow(words);
});

test.each([
  ["on one machine", here, "127.0.0.1:7652"],
  ["at several machines", elsewhere, "192.0.2.2:7650"],
  ["at names, of which nobody knows whose they are", here, "node-2:7650"],
])("members %s are not", (_, member, newcomer) => {
  refuseApart(runAt(member), newcomer);
});

/** A process asks for the seat of a silent member whose address it says it has. */
function askFor(found: Found, dial: (member: RosterEntry) => Promise<void>) {
  const roster = runAt(here);
  const member = roster.entries.get(0)!;
  roster.view = { id: 1, members: [], left: [] };
  member.state = "silent";
  giveSeat(roster, 1, { address: here, host: "one", process: 2, key: "", seen: "", now: 0 });
  const request = { rankHint: 0, host: "two", process: 3, key: "another" } as never;
  const lost: number[] = [];
  const reply = seatNewcomer(roster, request, {
    ...{ address: here, seen: here, kept: () => [], now: () => 1, refuseLate: () => {} },
    find: async () => found,
    dial: () => dial(member),
    gone: ({ rank }) => lost.push(rank),
  });
  return { reply, lost, member, roster };
}

test("a silent member that answers keeps its seat from who says its address is its own", async () => {
  const { reply, lost } = askFor("slow", async () => {});
  await expect(reply).rejects.toThrow("all 2 seats of this run are taken");
  expect(lost).toEqual([]);
});

test("nobody loses a seat to who is not reached", async () => {
  const { reply, lost, member, roster } = askFor("gone", async () => {
    throw new Refusal("I can't reach you");
  });
  await expect(reply).rejects.toThrow("I can't reach you");
  expect([lost, roster.entries.get(0)]).toEqual([[], member]);
});

test("who is heard of while the newcomer is called keeps its seat", async () => {
  const { reply, lost } = askFor("gone", async (member) => {
    member.state = "running";
  });
  await expect(reply).rejects.toThrow("all 2 seats of this run are taken");
  expect(lost).toEqual([]);
});

test("who is reached has the seat of a silent member that has ended", async () => {
  const { reply, lost } = askFor("gone", async () => {});
  expect(await reply).toMatchObject({ rank: 0, incarnation: 2, process: 3 });
  expect(lost).toEqual([0]);
});

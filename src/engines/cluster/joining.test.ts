import { expect, test } from "vitest";
import { refuseApart } from "./joining.ts";
import { createRoster, giveSeat } from "./roster.ts";

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

import { beforeEach, expect, test, vi } from "vitest";
import type { PastMember } from "../../topology/view.ts";
import type { Found } from "./abandoned.ts";
import { createRoster, giveSeat, type MemberState } from "./roster.ts";
import { lostServer, VitalWatch } from "./vital.ts";

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

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

/** The watch of such a run; every question is answered with `found`. */
function watch(state: MemberState, found: Found) {
  const roster = rosterOf(state);
  const failures: string[] = [];
  const asked = { times: 0 };
  const plan = { strategy: { vital: () => [1] }, workers: 1, options: {} } as never;
  const vital = new VitalWatch({ plan }, roster, {
    ...{ isRunning: () => true, isStopping: () => false },
    fail: ({ message }) => failures.push(message),
    find: async () => {
      asked.times++;
      return found;
    },
  });
  return { vital, server: roster.entries.get(1)!, failures, asked };
}

test("a server that was silent when the run was taken up is asked for, and its end fails the run", async () => {
  const { vital, failures } = watch("silent", "gone");
  vital.takeUp();
  await vi.advanceTimersByTimeAsync(5000);
  expect(failures).toEqual([expect.stringContaining("A part of the model is lost with server 1")]);
});

test("of a run that is taken up nobody is asked for who was not silent", async () => {
  const { vital, failures, asked } = watch("running", "gone");
  vital.takeUp();
  await vi.advanceTimersByTimeAsync(5000);
  expect([failures, asked.times]).toEqual([[], 0]);
});

test("a server that is silent again at once is asked for once a second, and refusals of before don't count", async () => {
  const { vital, server, failures, asked } = watch("silent", "gone");
  vital.miss(server);
  await vi.advanceTimersByTimeAsync(1500);
  expect(asked.times).toBe(2);
  server.state = "running";
  vital.heard(server);
  server.state = "silent";
  vital.miss(server);
  await vi.advanceTimersByTimeAsync(1900);
  expect([asked.times, failures]).toEqual([4, []]);
  await vi.advanceTimersByTimeAsync(5000);
  expect([asked.times, failures.length]).toEqual([5, 1]);
});

test("a server that is missed twice in one silence is asked for by one", async () => {
  const { vital, server, asked, failures } = watch("silent", "unknown");
  vital.miss(server);
  vital.miss(server);
  await vi.advanceTimersByTimeAsync(2500);
  expect([asked.times, failures]).toEqual([3, []]);
  server.state = "running";
  await vi.advanceTimersByTimeAsync(2500);
  server.state = "silent";
  vital.miss(server);
  await vi.advanceTimersByTimeAsync(500);
  expect(asked.times).toBe(4);
});

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

test("a fault of asking ends the run by its error, not the coordinator by a rejection that nobody handles", async () => {
  const roster = rosterOf("silent");
  const failures: string[] = [];
  const plan = { strategy: { vital: () => [1] }, workers: 1, options: {} } as never;
  const vital = new VitalWatch({ plan }, roster, {
    ...{ isRunning: () => true, isStopping: () => false },
    fail: ({ message }) => failures.push(message),
    find: async () => {
      throw new Error("no words for it");
    },
  });
  vital.miss(roster.entries.get(1)!);
  await vi.advanceTimersByTimeAsync(1500);
  expect(failures).toEqual(["no words for it"]);
});

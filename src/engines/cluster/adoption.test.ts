import { expect, test } from "vitest";
import { firstLifeOf } from "../membered.ts";
import { isAdoptable } from "./adoption.ts";
import { seatKeptSeconds } from "./limits.ts";
import { nextProcess } from "./lives.ts";
import { createRoster, giveSeat, type MemberState } from "./roster.ts";

const seat = { role: "worker", range: { from: 0, to: 1 } } as never;
const giver = { rank: 2, incarnation: 1 };
/** The process that member 2 gives the seat of rank 1. */
const life = nextProcess(1, 2);

interface Case {
  readonly state?: MemberState;
  readonly giver?: typeof giver | null;
  readonly giverState?: MemberState;
  readonly view?: readonly { rank: number; process: number }[];
  readonly incarnation?: number;
  readonly kept?: readonly number[];
  readonly now?: number;
  readonly isConnected?: boolean;
}

/** Whether a process gets the seat of rank 1, whose last process is in that state. */
function adopts(of: Case): boolean {
  const roster = createRoster({ seats: [seat, seat, seat], planned: 3 });
  for (const rank of [0, 1, 2]) {
    const about = { address: `host:${rank}`, host: "host", process: rank, key: "", seen: "" };
    giveSeat(roster, rank, { ...about, now: 0 }).state = "running";
  }
  roster.entries.get(1)!.state = of.state ?? "dead";
  roster.entries.get(2)!.state = of.giverState ?? "running";
  const members = (of.view ?? []).map(({ rank, process }) => {
    return { rank, incarnation: firstLifeOf(process), role: "worker" as const };
  });
  roster.view = { id: 7, members, left: [] };
  const peer = { rank: 1, incarnation: of.incarnation ?? life, address: "host:9" };
  return isAdoptable(roster, peer, {
    giver: of.giver === undefined ? giver : of.giver,
    ...{ kept: of.kept ?? [], now: of.now ?? 5, isConnected: () => of.isConnected ?? false },
  });
}

test("a seat whose process has ended is for whom a member that takes part gave it", () => {
  expect(adopts({})).toBe(true);
  expect(adopts({ state: "left" })).toBe(true);
  expect(adopts({ giver: null })).toBe(true);
});

test.each<[string, Case]>([
  ["is silent", { state: "silent" }],
  ["is without a connection for a moment", { state: "running" }],
  ["has just been given it by the coordinator", { state: "seated" }],
  [
    "is silent for long, and in the view",
    { state: "silent", now: 1e4, view: [{ rank: 1, process: 1 }] },
  ],
])("no member's key takes the seat of a member that %s", (_, of) => {
  expect(adopts(of)).toBe(false);
});

test("the seat of who is silent for long, and whom the members went on without, is another's", () => {
  expect(adopts({ state: "silent", now: seatKeptSeconds + 1 })).toBe(true);
});

test("whom the members have in their view is adopted, whoever had the seat, but nobody who is connected is displaced", () => {
  const view = [{ rank: 1, process: life }];
  expect(adopts({ view, state: "running" })).toBe(true);
  expect(adopts({ view, state: "silent", giverState: "dead" })).toBe(true);
  expect(adopts({ view, state: "running", isConnected: true })).toBe(false);
});

test("a part of the model that nobody else has is no newcomer's while its process may live", () => {
  const view = [{ rank: 1, process: life }];
  expect(adopts({ view, state: "silent", kept: [1], now: 1e4 })).toBe(false);
  expect(adopts({ state: "silent", kept: [1], now: 1e4 })).toBe(false);
});

test.each<[string, Case]>([
  ["dead", { giverState: "dead" }],
  ["dead, though still in the view", { giverState: "dead", view: [{ rank: 2, process: 1 }] }],
  ["silent", { giverState: "silent" }],
  ["an earlier life", { giver: { rank: 2, incarnation: 0 } }],
  ["dead, where no passes are asked for", { giver: null, giverState: "dead" }],
])("a giver that is %s gives nothing", (_, of) => {
  expect(adopts(of)).toBe(false);
});

test("a giver that counts as silent here and is in the view of the members gives", () => {
  expect(adopts({ giverState: "silent", view: [{ rank: 2, process: 1 }] })).toBe(true);
});

test("a number far beyond those that are known is no process of the seat", () => {
  expect(adopts({ incarnation: nextProcess(500 * 8192, 2) })).toBe(false);
  expect(adopts({ incarnation: 1 })).toBe(false);
});

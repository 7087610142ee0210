import { expect, test } from "vitest";
import {
  createRoster,
  earlyEnd,
  giveSeat,
  isLastOne,
  type MemberState,
  type RosterEntry,
} from "./roster.ts";

const workerSeat = { role: "worker", range: { from: 0, to: 1 } } as never;
const serverSeat = { role: "server", range: { from: 0, to: 1 } } as never;

type Part = Partial<Pick<RosterEntry, "rows" | "leaving">> & { readonly state: MemberState };

/** The book of a run that goes: workers, and behind them servers. */
function rosterOf(workers: readonly Part[], servers: readonly Part[] = []) {
  const parts = [...workers, ...servers];
  const seats = [...workers.map(() => workerSeat), ...servers.map(() => serverSeat)];
  const roster = createRoster({ seats, planned: seats.length });
  for (const [rank, part] of parts.entries()) {
    const about = { address: `host:${rank}`, host: "host", process: rank, key: "", seen: "" };
    Object.assign(giveSeat(roster, rank, { ...about, now: 0 }), part);
  }
  return roster;
}

const leaver: Part = { state: "finished", leaving: true, rows: 10 };

for (const state of ["dead", "silent"] as const) {
  test(`a worker that was lost before (${state}) costs nobody the model of who left last`, () => {
    expect(earlyEnd(rosterOf([leaver, { state }]))).toBe(
      "all workers left, but for the lost: worker 1",
    );
  });

  test(`a worker that was lost before (${state}) costs nobody the model that a server holds`, () => {
    const roster = rosterOf([{ state: "left", rows: 10 }, { state }], [{ state: "finished" }]);
    expect(earlyEnd(roster)).toBe("all workers left, but for the lost: worker 1");
  });

  test(`where a worker was lost (${state}), and nobody has the model, the run fails`, () => {
    const newcomer: Part = { ...leaver, rows: 0 };
    expect(() => earlyEnd(rosterOf([newcomer, { state }]))).toThrow("lost: worker 1");
    const [left, gone] = [{ state: "left" as const, rows: 10 }, { state }];
    expect(() => earlyEnd(rosterOf([left, gone], [gone]))).toThrow("lost: worker 1");
  });

  test(`where all workers were lost (${state}) the run fails: nobody left in good order`, () => {
    const roster = rosterOf([{ state, rows: 10 }, { state }], [{ state: "finished" }]);
    expect(() => earlyEnd(roster)).toThrow("All workers are gone; lost: worker 0, worker 1");
  });
}

test("nobody was lost: all workers left; one came to the end: there is nothing to say", () => {
  expect(earlyEnd(rosterOf([leaver, { state: "left" }]))).toBe("all workers left");
  expect(earlyEnd(rosterOf([{ state: "finished" }, { state: "dead" }]))).toBeNull();
});

test("who leaves is the last one when the only other is silent and voted out, not while it may come back", () => {
  const roster = rosterOf([leaver, { state: "silent", rows: 10 }]);
  const [own, other] = [0, 1].map((rank) => ({ rank, incarnation: 1, role: "worker" as const }));
  roster.view = { id: 1, members: [own!, other!], left: [] };
  expect(isLastOne(roster, roster.entries.get(0)!)).toBe(false);
  roster.view = { id: 2, members: [own!], left: [] };
  expect(isLastOne(roster, roster.entries.get(0)!)).toBe(true);
});

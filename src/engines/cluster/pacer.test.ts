import { expect, test } from "vitest";
import type { RunPlan } from "../engine.ts";
import type { Order } from "./job.ts";
import { Pacer } from "./pacer.ts";
import { becomeFound, createRoster, giveSeat, learners, rowsTaken } from "./roster.ts";

/** Two workers of a free strategy that learn 1600 rows for 60 epochs, and what they are ordered. */
function run() {
  const worker = { role: "worker" } as const;
  const roster = createRoster({ seats: [worker, worker] as never, planned: 2 });
  const about = { address: "a", host: "h", process: 1, key: "", seen: "", now: 0 };
  const entries = [0, 1].map((rank) => giveSeat(roster, rank, about));
  for (const entry of entries) entry.state = "running";
  const plan = {
    ...{ epochs: 60, workers: 2, task: { rows: 1600 }, options: { rowsPerUpdate: 10 } },
    strategy: { pace: "free" },
  } as unknown as RunPlan;
  const orders: Order[] = [];
  const create = () =>
    new Pacer(
      plan,
      null,
      { snapshotEpochs: 0, rowsBefore: 0 },
      {
        order: (_rank, order) => void orders.push(order),
        ...{ learners: () => learners(roster), rowsTaken: () => rowsTaken(roster), stop: () => {} },
      },
    );
  return { entries: entries as [(typeof entries)[0], (typeof entries)[0]], orders, create };
}

const counts = { lost: 0, updates: 0, bytes: 0, messages: 0, longestUpdate: 0, wait: null };

/** One of them asks until there is no more; rows it was given. */
function drain(pacer: Pacer, { entries: [entry], orders }: ReturnType<typeof run>): number {
  const before = entry.rows;
  for (let asked = 0; asked < 1e5; asked++) {
    pacer.asked(entry, { kind: "lease", rows: entry.rows, left: entry.leased - entry.rows });
    const order = orders.at(-1)!;
    if (order.kind !== "lease" || (order.last && order.rows === 0)) return entry.rows - before;
    entry.rows = entry.leased;
  }
  throw new Error("there is no end of rows");
}

test("rows that members learned while their coordinator was gone are not given out once more", () => {
  const of = run();
  const first = of.create();
  first.begin(160, null);
  const second = of.create();
  second.takeUp(160, first.allowances);
  for (const entry of of.entries) {
    const here = { state: "running", leaving: false, view: null, updates: 160, lease: 0 } as const;
    becomeFound(entry, { kind: "here", ...here, counts: { ...counts, rows: 20 * 800 } });
  }
  expect(drain(second, of)).toBe(40 * 1600);
});

test("one that was cut off and learned alone tells of it when it asks", () => {
  const of = run();
  const pacer = of.create();
  pacer.begin(160, null);
  pacer.takeBack(of.entries[1]);
  pacer.asked(of.entries[1], { kind: "lease", rows: 20_000, left: 0 });
  const { rows } = of.orders.at(-1) as { rows: number };
  expect(drain(pacer, of)).toBe(60 * 1600 - 20_000 - rows);
});

test("nobody is given rows unasked: who asks while they are under way would have them twice", () => {
  const of = run();
  const pacer = of.create();
  pacer.begin(160, null);
  pacer.admit(of.entries[0]);
  expect(of.orders).toEqual([]);
  expect(drain(pacer, of)).toBe(60 * 1600);
});

test("what a member was allowed and did not learn is for the others, each row once", () => {
  const of = run();
  const pacer = of.create();
  pacer.begin(160, null);
  pacer.asked(of.entries[1], { kind: "lease", rows: 30, left: 20 });
  pacer.takeBack(of.entries[1]);
  expect(drain(pacer, of)).toBe(60 * 1600 - 30);
});

test("a run that was asked to end gives out no further rows when it is taken up", () => {
  const of = run();
  const first = of.create();
  first.begin(160, null);
  first.end();
  const second = of.create();
  second.takeUp(160, first.allowances);
  of.entries[0].rows = of.entries[0].leased;
  expect(drain(second, of)).toBe(0);
});

import { expect, test } from "vitest";
import type { StatusReply } from "../engines/cluster/public.ts";
import { statusJson, statusLines } from "./status-text.ts";
import { wrapLine } from "./wrap.ts";

const member = { $typeName: "glissade.cluster.v1.MemberStatus", sentBytes: 0n, state: "running" };
const wait = { whom: "an answer of server 2", since: 3.2, until: 18.2 };
const status = {
  ...{ role: "coordinator", state: "running", view: 4, seconds: 10, waits: [] },
  members: [
    {
      ...member,
      role: "worker",
      rank: 0,
      incarnation: 1,
      updates: 100n,
      rows: 5000n,
      address: "a:1",
      wait,
    },
    {
      ...member,
      role: "worker",
      rank: 1,
      incarnation: 2,
      updates: 97n,
      rows: 4000n,
      address: "b:1",
      seen: "10.0.0.9:40112",
    },
    { ...member, role: "server", rank: 2, incarnation: 1, updates: 0n, rows: 0n, address: "c:1" },
  ],
} as unknown as StatusReply;

test("status tells members with their life, rows a second, how far behind, and whom they wait for", () => {
  expect(statusLines(status, Number.POSITIVE_INFINITY)).toEqual([
    "coordinator: running, view 4, 3 members, 900 rows/s, 10.0 s",
    "worker 0          running  100 updates  0 behind  5000 rows  500 rows/s  a:1                          waits 6.8 s for an answer of server 2, 8.2 s more at most",
    "worker 1, life 2  running  97 updates   3 behind  4000 rows  400 rows/s  b:1, seen at 10.0.0.9:40112",
    "server 2          running  0 updates              0 rows     0 rows/s    c:1",
  ]);
});

test("the head counts who is there, says how far the run is, and tells long times in hours", () => {
  const [first, ...others] = status.members;
  const members = [{ ...first!, state: "silent", wait: undefined }, ...others] as never;
  const waits = [{ whom: "worker 3 to join", since: 0, until: 86_400 }] as never;
  const judged = { loss: 0.331, bestLoss: 0.3305, lossOf: "validation loss" };
  const full = { ...status, members, waits, ...judged, epoch: 12.5, epochs: 1000 };
  const lines = statusLines(full, Number.POSITIVE_INFINITY);
  expect(lines[0]).toBe(
    "coordinator: running, view 4, epoch 12.5 of 1,000, validation loss 0.33100 (best 0.33050), 2 members (and 1 silent), 900 rows/s, 10.0 s",
  );
  expect(lines.at(-1)).toBe("waits 10.0 s for worker 3 to join, 23 h 59 min more at most");
  expect(statusLines({ ...full, role: "worker" }, 200)[0]).not.toContain("members");
});

test("a member asked about itself says from where it is seen, and where it is reached", () => {
  const own = { ...status.members[0]!, seen: "a:40112" };
  const lines = statusLines({ ...status, role: "worker", members: [own] }, 200);
  expect(lines.at(-1)).toBe("seen at a:40112, reached at a:1");
});

test("no line of status is wider than the terminal, and nothing is left out", () => {
  for (const columns of [30, 40, 60, 80]) {
    const lines = statusLines(status, columns);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    const text = lines.map((line) => line.trim()).join(" ");
    for (const part of ["life 2", "3 behind", "an answer of server 2", "8.2 s more"]) {
      expect(text).toContain(part);
    }
  }
});

test("the object of status holds the same figures as plain numbers", () => {
  const { command, members } = JSON.parse(statusJson(status));
  expect(command).toBe("status");
  expect(members[1]).toMatchObject({ updates: 97, rowsPerSecond: 400, behind: 3 });
  expect(members[0].wait).toEqual(wait);
  expect(members[2].behind).toBeNull();
});

test("words that are longer than a line stay whole", () => {
  expect(wrapLine("a bb ccccccccc d", 5)).toEqual(["a bb", "  ccccccccc", "  d"]);
});

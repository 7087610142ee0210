import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { View } from "../../strategies/strategy.ts";
import type { MemberHost } from "../member-host.ts";
import { noCredentials } from "./credentials.ts";
import { createMemberPace } from "./member-pace.ts";
import { Orphanhood } from "./orphanhood.ts";
import type { MemberEnd, MemberOptions, Seated } from "./seat.ts";

let clock = 0;

beforeEach(() => {
  clock = 1e6;
  vi.spyOn(performance, "now").mockImplementation(() => clock);
});

afterEach(() => void vi.restoreAllMocks());

/** A worker in lockstep, of so many, in a run that may be without its coordinator for 20 s. */
function orphan(of: { rank: number; workers: number; save?: MemberOptions["save"] }) {
  const { rank, workers, save } = of;
  const members = Array.from({ length: workers }, (_, rank) => {
    return { rank, incarnation: 1, role: "worker" } as const;
  });
  const view: View = { id: 1, members, left: [] };
  const seats = members.map(({ role }) => ({ role, range: { from: 0, to: 2 } }));
  const model = { values: new Float32Array(2), rows: 0 };
  const host = {
    ...{ finished: false, strategy: { pace: "lockstep" }, cursor: { taken: 5 }, width: 2 },
    ...{ seat: { rank, seats }, counts: { rows: 0 }, learner: { rows: 10 } },
    ...{ replica: { snapshot: () => model, scale: () => 1 }, state: { entered: true } },
  };
  const coordinator = "127.0.0.1:1";
  const job = { epochs: 100, orphanSeconds: 20, model: { indexBase: 0 }, seats };
  const seated = { coordinator, rank, job, identity: { run: "r" } } as unknown as Seated;
  const ends: MemberEnd[] = [];
  const said: string[] = [];
  const options = {
    ...{ credentials: noCredentials, log: (line: string) => void said.push(line) },
    ...(save ? { save } : {}),
  };
  const member = { leaving: false };
  const orphanhood = new Orphanhood({
    ...{ options, pace: createMemberPace(), seated: () => seated },
    ...{ host: () => host as unknown as MemberHost, view: () => view, addresses: () => [] },
    ...{ now: () => clock / 1000, begun: () => ({ updates: 10, learned: 0, endsAt: null }) },
    ...{ isLeaving: () => member.leaving, isApart: () => false, longestUpdate: () => 0 },
    ...{
      lacksRows: () => false,
      learnNext: () => {},
      end: (end: MemberEnd) => void ends.push(end),
    },
    leave: () => {
      member.leaving = true;
    },
  });
  orphanhood.begin();
  const pass = async (seconds: number) => {
    for (let k = 0; k < seconds; k++) {
      clock += 1000;
      orphanhood.check();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { orphanhood, host, member, ends, said, pass };
}

test("a member whose model nobody could save ends as failed, with the reason", async () => {
  const failed = () => Promise.reject(new Error("EROFS: read-only file system"));
  const save = { check: async () => {}, write: failed };
  const { orphanhood, host, ends, pass } = orphan({ rank: 0, workers: 1, save });
  orphanhood.absence.lost();
  await pass(22);
  host.finished = true;
  await pass(70);
  expect(ends[0]).toMatchObject({ kind: "failed" });
  expect(ends[0]).toHaveProperty(
    "message",
    expect.stringMatching(/the limit .* Its model is not saved: EROFS: read-only file system$/),
  );
});

test("one that can't save the model does not take those of the others", async () => {
  const failed = () => Promise.reject(new Error("EROFS: read-only file system"));
  const save = { check: failed, write: async () => "model.safetensors" };
  const { orphanhood, host, ends, pass } = orphan({ rank: 0, workers: 2, save });
  const taken = vi.spyOn(host.replica, "snapshot");
  orphanhood.absence.lost();
  host.finished = true;
  await pass(90);
  expect(taken).not.toHaveBeenCalled();
  expect(ends[0]).toHaveProperty("message", expect.stringContaining("EROFS"));
});

test("one that could save it ends as the limit says", async () => {
  const { orphanhood, host, ends, pass } = orphan({
    ...{ rank: 0, workers: 1 },
    save: { check: async () => {}, write: async () => "model.safetensors" },
  });
  orphanhood.absence.lost();
  await pass(22);
  host.finished = true;
  await pass(70);
  expect(ends[0]).toMatchObject({ kind: "orphaned" });
});

test("the limit counts anew once the coordinator was back", async () => {
  const { orphanhood, member, said, pass } = orphan({ rank: 1, workers: 2 });
  orphanhood.absence.lost();
  await pass(22);
  // The last worker leaves first; the others go on where the coordinator comes back meanwhile.
  expect(member.leaving).toBe(true);
  member.leaving = false;
  orphanhood.found();
  await pass(5);
  orphanhood.absence.lost();
  await pass(10);
  expect(member.leaving).toBe(false);
  await pass(12);
  expect(member.leaving).toBe(true);
  expect(said.filter((line) => line === "learns no further: nobody came back")).toHaveLength(2);
});

test("one that leaves for the limit leaves, even where the coordinator comes back", async () => {
  const { orphanhood, member, said, pass } = orphan({ rank: 1, workers: 2 });
  orphanhood.absence.lost();
  await pass(22);
  orphanhood.found();
  orphanhood.absence.lost();
  await pass(10);
  expect(member.leaving).toBe(true);
  expect(said.filter((line) => line.startsWith("learns no further"))).toHaveLength(1);
});

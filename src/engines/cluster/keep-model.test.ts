import { expect, test, vi } from "vitest";
import { createReplica } from "../../math/replica.ts";
import type { MemberHost } from "../member-host.ts";
import { ModelKeeper } from "./keep-model.ts";
import { answerSnapshot, SnapshotShelf } from "./snapshot-shelf.ts";

/** A worker that has finished, with a model or as a newcomer that never got one. */
function finished({ entered }: { entered: boolean }): MemberHost {
  const seat = {
    rank: 0,
    role: "worker",
    seats: [{ rank: 0, role: "worker", range: { from: 0, to: 2 } }],
  };
  const counts = { updates: 0 };
  const host = { seat, replica: createReplica(2), width: 2, finished: true, state: { entered } };
  return { ...host, counts, telemetry: { members: [] } } as never;
}

test("a newcomer that ended before it got the model does not save its zeros as the model of the run", async () => {
  const write = vi.fn();
  const log: string[] = [];
  const keeper = new ModelKeeper();
  const view = { id: 7, members: [{ rank: 0, incarnation: 1, role: "worker" as const }], left: [] };
  const seated = { identity: { run: "r" }, job: { model: {} } };
  const options = {
    save: { check: async () => {}, write },
    log: (line: string) => void log.push(line),
  };
  const estate = { view, addresses: [], seated, options } as never;
  expect(keeper.act(finished({ entered: false }), 100, estate)).toBe(false);
  await vi.waitFor(() => expect(keeper.failure).toMatch(/had not got it yet/));
  expect(write).not.toHaveBeenCalled();
  expect(log.join()).toMatch(/could not save the model of the run/);
  expect(keeper.isSafe).toBe(false);
});

test("nor does it hand them to who asks for its model", async () => {
  const request = { afterUpdates: 0n, withTelemetry: false } as never;
  const of = async (entered: boolean) =>
    (await answerSnapshot(finished({ entered }), new SnapshotShelf(0), request)).model;
  expect(await of(false)).toHaveLength(0);
  expect((await of(true))!.length).toBeGreaterThan(0);
});

/** A member's rows as the views change, read at a path by a reader that stands in for a block file. */
import { expect, test, vi } from "vitest";
import { blockByteLength, createBlock, viewBlock } from "../../data/block.ts";
import { allRows } from "../../learner/rows.ts";
import { segmentsPerWorker } from "../../learner/segments.ts";
import type { MemberHost } from "../member-host.ts";
import { MemberRows } from "./member-rows.ts";
import type { Seated } from "./seat.ts";

const [workers, blocks] = [3, 3] as const;
const segments = segmentsPerWorker * workers;

/** Blocks of rows with one feature each, rows numbered on through all of them. */
function createRows(rows: number) {
  const each = rows / blocks;
  return Array.from({ length: blocks }, (_, number) => {
    const shape = { rows: each, nonZeros: each };
    const buffer = new ArrayBuffer(blockByteLength(shape));
    const block = createBlock(buffer, 0, { ...shape, width: 1, rowIdBase: 0 });
    block.rowStart.forEach((_, row) => {
      block.rowStart[row] = row;
    });
    block.label.fill(1);
    block.rowId.forEach((_, row) => {
      block.rowId[row] = number * each + row;
    });
    return allRows(block);
  });
}

/** Member 0 of three, which reads so many rows where all members do; nobody can be asked for any. */
async function memberOf(rows: number) {
  const parts = createRows(rows);
  const shared = { path: "rows.blocks", trainRows: parts.map((part) => part.rows.length) };
  const spec = {
    ...{ width: 1, rows, segments, loss: "log", l2: 0, threshold: 0, featureShares: "", shared },
    ...{ schedule: { name: "constant", l2: 0, eta0: 1 }, shape: { windowBlocks: 8, runRows: 1 } },
  };
  const job = { workers, seed: 1, task: { kind: "rows", spec }, begun: null, seats: [{}] };
  const log: string[] = [];
  const openShared = () => ({
    read: (number: number) => parts[number]!,
    [Symbol.dispose]() {},
  });
  const member = new MemberRows(
    {
      client: {} as never,
      options: { openShared, log: (line: string) => log.push(line) } as never,
      seated: { job, rank: 0, incarnation: 1, coordinator: "nowhere:1" } as unknown as Seated,
    },
    () => [],
  );
  const task = await member.createTask();
  const learner = task.createLearner({ rank: 0, workers, seed: 1 });
  const host = { learner, cursor: null } as unknown as MemberHost;
  const follow = (id: number, ranks: readonly number[]) => {
    const life = (rank: number) => ({ rank, incarnation: 1, role: "worker" as const });
    member.follow({ id, members: ranks.map(life), left: [] }, host);
  };
  const idsHeld = () => {
    const parts = member.parts(Array.from({ length: segments }, (_, segment) => segment));
    return [...parts].flatMap(({ block }) => [...viewBlock(block.slice().buffer, 0).rowId]);
  };
  return { member, host, follow, idsHeld, log };
}

test("rows of a view that comes while those of the last are under way are learned, each once", async () => {
  const { member, host, follow, idsHeld } = await memberOf(96);
  using _ = member;
  expect(host.learner!.rows).toBe(32);
  follow(2, [0, 1]);
  follow(3, [0]);
  await vi.waitFor(() => expect(host.learner!.rows).toBe(96));
  expect(member.lacks).toBe(false);
  expect(idsHeld().sort((a, b) => a - b)).toEqual([...Array(96).keys()]);
});

test("segments without rows are not asked for", async () => {
  const { member, host, follow, log } = await memberOf(6);
  using _ = member;
  follow(2, [0]);
  await vi.waitFor(() => expect(host.learner!.rows).toBe(6));
  await vi.waitFor(() => expect(log.join()).toMatch(/took over [1-6] segments: 6 rows now/));
  expect(member.lacks).toBe(false);
});

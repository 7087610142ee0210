import fc from "fast-check";
import { expect, test } from "vitest";
import { blockOf, randomRows } from "../../test/support-blocks.ts";
import { Arena } from "../kernels/arena.ts";
import { loadKernels } from "../kernels/loader.ts";
import { sgdRows } from "../kernels/reference/rows.ts";
import { nextUniform, randomStream } from "../math/random.ts";
import { createReplica } from "../math/replica.ts";
import { losses } from "../model/losses.ts";
import { createSchedule } from "../model/schedule.ts";
import { createContext } from "./context.ts";
import { createKernelTask, describeKernelTask, ownedParts } from "./kernel-task.ts";
import { allRows, listRows, sliceRows } from "./rows.ts";
import { createUpdateRoom, learnUpdate } from "./update.ts";

const columns = 30;

function makeTask(rows: number, arena = new Arena()) {
  const state = randomStream({ seed: 1, purpose: "kernel task" });
  const sizes = [Math.floor(rows / 3), rows - Math.floor(rows / 3)];
  const blocks = sizes.map((count) =>
    blockOf(arena, randomRows(state, { rows: count, columns, perRow: 8 })),
  );
  const train = blocks.map(allRows);
  const spec = describeKernelTask(arena, {
    width: columns + 1,
    loss: "hinge",
    l2: 1e-3,
    threshold: 0,
    schedule: { name: "optimal", l2: 1e-3, t0: 2000 },
    train,
    judged: listRows(arena, train),
  });
  return { task: createKernelTask(spec), train };
}

test("every row has exactly one owner, whatever the number of workers", () => {
  const { train } = makeTask(301);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), (workers) => {
      const seen = new Map<string, number>();
      for (let rank = 0; rank < workers; rank++) {
        for (const { block, rows } of ownedParts(train, { rank, workers })) {
          for (const row of rows) {
            const key = `${block.byteOffset}:${row}`;
            seen.set(key, (seen.get(key) ?? 0) + 1);
          }
        }
      }
      expect(seen.size).toBe(301);
      expect([...seen.values()].every((owners) => owners === 1)).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test("workers' shares differ by at most a segment's rows, a sixteenth of a share and one", () => {
  const { train } = makeTask(3000);
  const shares = [0, 1, 2, 3].map((rank) =>
    ownedParts(train, { rank, workers: 4 }).reduce((sum, { rows }) => sum + rows.length, 0),
  );
  expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(3000 / 64 + 1);
});

test("learning changes the replica only when the update is applied, and lowers the objective", () => {
  const { task } = makeTask(600);
  const replica = task.createReplica(task.width);
  const learner = task.createLearner({ rank: 0, workers: 1, seed: 7 });
  const before = task.evaluate(replica.snapshot());
  for (let epoch = 0; epoch < 5; epoch++) {
    const update = learner.learn(
      replica,
      { epoch, from: 0, to: 600 },
      { mode: "local", stride: 1 },
    );
    expect(replica.rows).toBe(600 * epoch);
    replica.apply(update);
  }
  expect(task.evaluate(replica.snapshot()).objective).toBeLessThan(0.8 * before.objective);
});

test("two workers have different orders, and the same worker the same one again", () => {
  const { task } = makeTask(400);
  const update = (rank: number) => {
    const replica = task.createReplica(task.width);
    const learner = task.createLearner({ rank, workers: 2, seed: 7 });
    return learner.learn(replica, { epoch: 0, from: 0, to: 50 }, { mode: "local", stride: 1 });
  };
  expect(update(0)).toEqual(update(0));
  expect(update(0)).not.toEqual(update(1));
});

test("a replica in the arena and a plain one hold the same bits after the same updates", () => {
  const { task } = makeTask(60);
  const state = randomStream({ seed: 2, purpose: "kernel replica" });
  for (const width of [1, 7, 30, columns + 1]) {
    const [kernel, plain] = [task.createReplica(width), createReplica(width)];
    for (const weight of [1, 0.5, 1 / 3, 0.1]) {
      const dense = Float32Array.from({ length: width }, () => nextUniform(state) - 0.5);
      const sparse = { index: Uint32Array.of(width - 1), value: Float32Array.of(0.3) };
      for (const delta of [dense, sparse]) {
        kernel.apply({ rows: 3, delta }, weight);
        plain.apply({ rows: 3, delta }, weight);
      }
    }
    expect(kernel.rows).toBe(plain.rows);
    expect([...kernel.values]).toEqual([...plain.values]);
  }
});

test("a replica in the arena meets a model with the bits of a plain one, wherever that model lies", () => {
  const { task } = makeTask(60);
  const state = randomStream({ seed: 3, purpose: "kernel meeting" });
  const { width } = task;
  const [kernel, other] = [task.createReplica(width), task.createReplica(width)];
  const plain = createReplica(width);
  for (let round = 0; round < 30; round++) {
    const drawn = Float32Array.from({ length: width }, () => nextUniform(state) - 0.5);
    other.apply({ rows: round, delta: drawn });
    const theirs = round % 2 === 0 ? other.lend() : other.snapshot();
    const given = { rows: theirs.rows, values: theirs.values.slice() };
    const [moved, expected] = [kernel.meet(theirs), plain.meet(given)];
    expect(moved.rows).toBe(expected.rows);
    expect([...moved.delta]).toEqual([...expected.delta]);
    expect([...kernel.values]).toEqual([...plain.values]);
    for (const lent of [theirs.values, moved.delta]) kernel.takeBack(lent);
  }
});

test("what is lent is nobody else's until it is taken back, also after the memory grew", () => {
  const arena = new Arena();
  const { task } = makeTask(60, arena);
  const replica = task.createReplica(task.width);
  const first = replica.lend().values;
  arena.allocate(8 << 20);
  const second = replica.lend().values;
  expect(second.byteOffset).not.toBe(first.byteOffset);
  replica.takeBack(first);
  expect(replica.lend().values.byteOffset).toBe(first.byteOffset);
  // What was never lent is left alone.
  replica.takeBack(new Float32Array(task.width));
  expect(replica.lend().values.buffer).not.toBeInstanceOf(ArrayBuffer);
});

test("few rows on a wide model give the bits of the plain learner, each coordinate once, in order", () => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom("hinge", "squared"), (seed, loss) => {
      const stream = randomStream({ seed, purpose: "wide" });
      const wide = 5000;
      const arena = new Arena();
      const shape = { rows: 40, columns: wide, perRow: 12 };
      const train = [allRows(blockOf(arena, randomRows(stream, shape)))];
      const context = createContext(arena, loadKernels(arena), { loss, l2: 1e-3, threshold: 0 });
      const schedule = createSchedule({ name: "optimal", l2: 1e-3, t0: 500 });
      const room = createUpdateRoom(context, wide + 1);
      const v = arena.allocateF32(wide + 1);
      for (let j = 0; j < v.length; j++) v[j] = nextUniform(stream) - 0.5;
      const list = listRows(arena, train);
      const state = { v, address: v.byteOffset, width: wide + 1, t: 7, base: 0 };
      const options = { mode: "local", stride: 2, counted: null } as const;
      for (const count of [1, 9, 40]) {
        const { delta } = learnUpdate(
          context,
          schedule,
          room,
          state,
          sliceRows(list, 0, count),
          options,
        );
        const copy = v.slice();
        const scale = Float64Array.from({ length: count }, (_, k) => 500 / (500 + (7 + 2 * k)));
        const coefficient = new Float64Array(count).fill(1 / (1e-3 * 500));
        const rows = Array.from({ length: count }, (_, row) => ({ block: train[0]!.block, row }));
        sgdRows(losses[loss], rows, { read: copy, write: copy }, { scale, coefficient }, 0);
        const changes = copy.map((x, j) => Math.fround(x - v[j]!));
        const { index, value } = delta as { index: Uint32Array; value: Float32Array };
        expect([...index]).toEqual([...changes.keys()].filter((j) => changes[j] !== 0));
        expect([...value]).toEqual([...changes].filter((x) => x !== 0));
      }
    }),
    { numRuns: 40 },
  );
});

test("what a learner prepares changes no bit of what it learns", () => {
  const learn = (prepared: boolean) => {
    const { task } = makeTask(240);
    const learner = task.createLearner({ rank: 1, workers: 2, seed: 9 });
    const replica = task.createReplica(columns + 1);
    const anticipate = { workers: 2, rowsPerUpdate: 20 };
    const options = { mode: "local", stride: 1, anticipate } as const;
    if (prepared) learner.prepare!(options);
    return [0, 1].map((epoch) => {
      const { rows, delta } = learner.learn(replica, { epoch, from: 20, to: 40 }, options);
      return { rows, delta: structuredClone(delta) };
    });
  };
  expect(learn(true)).toEqual(learn(false));
});

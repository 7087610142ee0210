import { expect, test } from "vitest";
import { costs } from "../engines/simulator/costs.ts";
import { runSimulation } from "../engines/simulator/simulator.ts";
import { type LinearRows, linearTask } from "../learner/linear-task.ts";
import { nextBelow, nextNormal, randomStream } from "../math/random.ts";
import { featureParallel } from "./feature-parallel.ts";
import { serial } from "./serial.ts";
import { strategyOptions } from "./strategy.ts";

const width = 40;

/** Rows of five non-zeros, labelled by a hidden direction. */
function sparseRows(seed: number, count: number): LinearRows {
  const stream = randomStream({ seed, purpose: "rows" });
  const hidden = Float64Array.from({ length: width }, () => nextNormal(stream));
  const rowStart = [0];
  const index: number[] = [];
  const value: number[] = [];
  const label: number[] = [];
  for (let row = 0; row < count; row++) {
    const columns = new Set<number>();
    while (columns.size < 5) columns.add(nextBelow(stream, width));
    let margin = 0;
    for (const column of [...columns].sort((a, b) => a - b)) {
      index.push(column);
      value.push(Math.fround(nextNormal(stream)));
      margin += hidden[column]! * value.at(-1)!;
    }
    rowStart.push(index.length);
    label.push(margin > 0 ? 1 : -1);
  }
  return {
    rowStart: Uint32Array.from(rowStart),
    index: Uint32Array.from(index),
    value: Float32Array.from(value),
    label: Float32Array.from(label),
  };
}

test("the iterates are those of serial mini-batch SGD, up to the order of summation", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const workers = 1 + (seed % 7);
    const topology = seed % 2 === 0 ? "ring" : "tree";
    const task = linearTask({
      train: sparseRows(seed, 120),
      width,
      loss: seed % 3 === 0 ? "hinge" : "log",
      l2: 0.01,
      t0: 1000,
    });
    const options = strategyOptions({ rowsPerUpdate: 1 + (seed % 9), learn: "gradient", topology });
    const plan = { options, task, seed, epochs: 3, costs: costs() };
    const parallel = runSimulation({ ...plan, strategy: featureParallel, workers });
    const reference = runSimulation({ ...plan, strategy: serial, workers: 1 });
    expect(parallel.deadlock).toBeNull();
    expect(parallel.model.rows).toBe(reference.model.rows);
    for (let i = 0; i < width; i++) {
      const expected = reference.model.values[i]!;
      const bound = 1e-4 * Math.max(1, Math.abs(expected));
      expect(Math.abs(parallel.model.values[i]! - expected), `seed ${seed}`).toBeLessThan(bound);
    }
  }
});

test("columns are dealt out by their non-zeros, at least one to each worker", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const stream = randomStream({ seed, purpose: "column-loads" });
    const columns = 5 + nextBelow(stream, 200);
    // A few columns of words like "the" beside many rare ones.
    const columnLoads = Uint32Array.from({ length: columns }, () =>
      nextBelow(stream, 10) === 0 ? nextBelow(stream, 1000) : nextBelow(stream, 20),
    );
    const workers = 1 + nextBelow(stream, 5);
    const options = strategyOptions({ learn: "gradient" });
    const ranges = featureParallel.seats!({ workers, width: columns, columnLoads }, options).map(
      (seat) => seat.range,
    );
    const ends = ranges.map(({ to }) => to);
    expect(ranges.map(({ from }) => from)).toEqual([0, ...ends.slice(0, -1)]);
    expect(ends.at(-1)).toBe(columns);
    const total = columnLoads.reduce((sum, load) => sum + load, 0);
    const heaviest = Math.max(...columnLoads);
    for (const { from, to } of ranges) {
      expect(to).toBeGreaterThan(from);
      const load = columnLoads.subarray(from, to).reduce((sum, x) => sum + x, 0);
      expect(load, `seed ${seed}`).toBeLessThanOrEqual(total / workers + heaviest + 1);
    }
  }
});

test("learning leaves the replica as it was, bit for bit", () => {
  const task = linearTask({ train: sparseRows(1, 60), width, loss: "hinge", l2: 0.01, t0: 100 });
  const learner = task.createLearner({ rank: 0, workers: 1, seed: 1 });
  const replica = task.createReplica(width);
  for (let part = 0; part < 6; part++) {
    const before = replica.values.slice();
    const span = { epoch: 0, from: 10 * part, to: 10 * part + 10 };
    const update = learner.learn(replica, span, { mode: "local", stride: 1 });
    expect(replica.values).toEqual(before);
    replica.apply(update);
  }
});

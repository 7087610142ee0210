import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createReplica } from "./replica.ts";
import {
  addUpdates,
  type Delta,
  emptyUpdate,
  keyRange,
  mergeWeights,
  sliceUpdate,
  smallest,
  toDense,
  type Update,
} from "./update.ts";

const width = 12;
const small = fc.float({ min: -8, max: 8, noNaN: true });
const denseDelta: fc.Arbitrary<Delta> = fc
  .array(small, { minLength: width, maxLength: width })
  .map((values) => Float32Array.from(values));
const sparseDelta: fc.Arbitrary<Delta> = fc
  .uniqueArray(fc.nat(width - 1), { maxLength: width / 2 })
  .chain((places) =>
    fc.array(small, { minLength: places.length, maxLength: places.length }).map((values) => ({
      index: Uint32Array.from(places.sort((a, b) => a - b)),
      value: Float32Array.from(values),
    })),
  );
const update: fc.Arbitrary<Update> = fc.record({
  rows: fc.nat(1000),
  delta: fc.oneof(denseDelta, sparseDelta),
});

/** Sums of three values up to 8 in f32: three roundings of half a unit in the last place of 24. */
const bound = 3 * 24 * 2 ** -24;

function applied(updates: readonly Update[]) {
  const replica = createReplica(width);
  for (const one of updates) replica.apply(one);
  return replica;
}

function expectClose(a: Float32Array, b: Float32Array): void {
  for (let i = 0; i < width; i++) expect(Math.abs(a[i]! - b[i]!)).toBeLessThanOrEqual(bound);
}

describe("updates", () => {
  test("updates commute, up to rounding", () => {
    fc.assert(
      fc.property(update, update, update, (a, b, c) => {
        const forth = applied([a, b, c]);
        const back = applied([c, b, a]);
        expect(forth.rows).toBe(back.rows);
        expectClose(forth.values, back.values);
      }),
    );
  });

  test("adding updates is associative, up to rounding", () => {
    fc.assert(
      fc.property(update, update, update, (a, b, c) => {
        const left = addUpdates(addUpdates(a, b, width), c, width);
        const right = addUpdates(a, addUpdates(b, c, width), width);
        expect(left.rows).toBe(right.rows);
        expectClose(toDense(left.delta, width), toDense(right.delta, width));
      }),
    );
  });

  test("the empty update changes nothing", () => {
    fc.assert(
      fc.property(update, (a) => {
        expect(applied([a, emptyUpdate])).toEqual(applied([a]));
      }),
    );
  });

  test("applying the sum of two updates is applying both, up to rounding", () => {
    fc.assert(
      fc.property(update, update, (a, b) => {
        expectClose(applied([addUpdates(a, b, width)]).values, applied([a, b]).values);
      }),
    );
  });

  test("sparse and dense forms of one delta give the same bits", () => {
    fc.assert(
      fc.property(update, fc.constantFrom(1, 0.5, 1 / 3), (a, weight) => {
        const dense = createReplica(width);
        dense.apply({ rows: 0, delta: toDense(a.delta, width) }, weight);
        const least = createReplica(width);
        least.apply({ rows: 0, delta: smallest(toDense(a.delta, width)) }, weight);
        for (let i = 0; i < width; i++) expect(least.values[i]! + 0).toBe(dense.values[i]! + 0);
      }),
    );
  });

  test("slices of an update over all key ranges put together are the update", () => {
    fc.assert(
      fc.property(update, fc.integer({ min: 1, max: 5 }), (a, parts) => {
        const whole = toDense(a.delta, width);
        for (let part = 0; part < parts; part++) {
          const range = keyRange(part, { parts, width });
          const slice = toDense(sliceUpdate(a, range).delta, range.to - range.from);
          expect(slice).toEqual(whole.slice(range.from, range.to));
        }
      }),
    );
  });

  test("mean weights are shares of the rows, and exactly 1 for a single worker", () => {
    expect(mergeWeights([7], "mean")).toEqual([1]);
    expect(mergeWeights([1, 3], "mean")).toEqual([0.25, 0.75]);
    expect(mergeWeights([0, 0], "mean")).toEqual([0, 0]);
    expect(mergeWeights([1, 3], "sum")).toEqual([1, 1]);
  });
});

describe("replica", () => {
  test("weights set and read again differ by two roundings", () => {
    const replica = createReplica(3, (rows) => 1 / (1 + rows));
    replica.setWeights(Float32Array.of(1, -2, 0.3), 9);
    expect(replica.rows).toBe(9);
    const back = replica.weights();
    [1, -2, 0.3].forEach((weight, i) => {
      expect(Math.abs(back[i]! - weight)).toBeLessThanOrEqual(2 * 2 ** -24 * Math.abs(weight) * 2);
    });
  });

  test("a snapshot does not change with its replica", () => {
    const replica = createReplica(2);
    const before = replica.snapshot();
    replica.apply({ rows: 1, delta: Float32Array.of(1, 1) });
    expect(before).toEqual({ rows: 0, values: Float32Array.of(0, 0) });
  });
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { type Block, blockByteLength, createBlock } from "../data/block.ts";
import { describeData } from "./describe.ts";

type Row = readonly number[];

function blockOf(rows: readonly Row[]): Block {
  const nonZeros = rows.reduce((sum, row) => sum + row.length, 0);
  const width = Math.max(0, ...rows.flat().map((id) => id + 1));
  const shape = { rows: rows.length, nonZeros, width, rowIdBase: 0 };
  const block = createBlock(new ArrayBuffer(blockByteLength(shape)), 0, shape);
  let at = 0;
  rows.forEach((row, i) => {
    for (const id of row) {
      block.index[at] = id;
      block.value[at++] = 0.5;
    }
    block.rowStart[i + 1] = at;
    block.label[i] = i % 2;
  });
  return block;
}

/** The definitions, word for word. */
function slowTwin(rows: readonly Row[]) {
  const n = rows.length;
  const ids = [...new Set(rows.flat())];
  return {
    omega: Math.max(0, ...rows.map((row) => row.length)),
    delta: Math.max(0, ...ids.map((id) => rows.filter((row) => row.includes(id)).length / n)),
    rho: Math.max(
      0,
      ...rows.map((row) => rows.filter((other) => other.some((id) => row.includes(id))).length / n),
    ),
  };
}

const anyRows = fc.array(
  fc.uniqueArray(fc.nat(30), { maxLength: 5 }).map((row) => row.toSorted((a, b) => a - b)),
  { minLength: 1, maxLength: 40 },
);

test("omega, delta and rho are what their definitions say, and rho >= delta", () => {
  fc.assert(
    fc.property(anyRows, fc.integer({ min: 1, max: 4 }), (rows, cut) => {
      const size = Math.ceil(rows.length / cut);
      const blocks = [];
      for (let i = 0; i < rows.length; i += size) blocks.push(blockOf(rows.slice(i, i + size)));
      const { omega, delta, rho } = describeData(blocks, { featuresMax: 3 });
      const slow = slowTwin(rows);
      expect(omega).toBe(slow.omega);
      expect(delta).toBeCloseTo(slow.delta, 12);
      expect(rho.low).toBeCloseTo(slow.rho, 12);
      expect(rho.high).toBe(rho.low);
      expect(rho.low).toBeGreaterThanOrEqual(delta);
    }),
  );
});

test("with little time rho is bounded, and the bounds hold", () => {
  fc.assert(
    fc.property(anyRows, fc.integer({ min: 0, max: 200 }), (rows, rhoEntriesMax) => {
      const { rho } = describeData([blockOf(rows)], { featuresMax: 0, rhoEntriesMax });
      const exact = slowTwin(rows).rho;
      expect(rho.low).toBeLessThanOrEqual(exact + 1e-12);
      expect(rho.high).toBeGreaterThanOrEqual(exact - 1e-12);
    }),
  );
});

test("the most frequent features come first, the lower id first among equals", () => {
  const { frequentFeatures, labels, norm } = describeData(
    [blockOf([[7], [3, 7], [3, 9], [7, 9]])],
    { featuresMax: 3 },
  );
  expect(frequentFeatures).toEqual([
    { id: 7, rows: 3 },
    { id: 3, rows: 2 },
    { id: 9, rows: 2 },
  ]);
  expect(labels).toEqual([
    { label: 0, rows: 2 },
    { label: 1, rows: 2 },
  ]);
  expect(norm).toEqual({
    min: 0.5,
    mean: expect.closeTo((0.5 + 3 * Math.SQRT1_2) / 4, 12),
    max: Math.SQRT1_2,
  });
});

test("nothing at all is described as nothing", () => {
  expect(describeData([], { featuresMax: 5 })).toMatchObject({ rows: 0, omega: 0, delta: 0 });
});

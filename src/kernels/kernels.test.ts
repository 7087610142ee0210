import fc from "fast-check";
import { expect, test } from "vitest";
import { blockOf, randomRows } from "../../test/support-blocks.ts";
import { createContext, evaluateKernelOf, sgdKernelOf } from "../learner/context.ts";
import { allRows, listRows } from "../learner/rows.ts";
import { nextNormal, nextUniform, randomStream } from "../math/random.ts";
import { type LossName, losses } from "../model/losses.ts";
import { fillSchedule, optimalSchedule } from "../model/schedule.ts";
import { Arena } from "./arena.ts";
import { loadKernels } from "./loader.ts";
import * as twin from "./reference/rows.ts";

const names = Object.keys(losses) as LossName[];
const columns = 40;

/** A random problem: blocks, a list over both, a vector, scales and coefficients. */
function problem(seed: number, loss: LossName) {
  const state = randomStream({ seed, purpose: "kernel test" });
  const arena = new Arena();
  const kernels = loadKernels(arena);
  const shape = { rows: 12, columns, perRow: 11 };
  const blocks = [0, 1].map(() => blockOf(arena, randomRows(state, shape)));
  const parts = blocks.map(allRows);
  const list = listRows(arena, parts);
  const rows = parts.flatMap(({ block }) => Array.from(block.label, (_, row) => ({ block, row })));
  const context = createContext(arena, kernels, { loss, l2: 0.01, threshold: 0 });
  const v = arena.allocateF32(columns + 1);
  for (let j = 0; j < v.length; j++) v[j] = nextNormal(state);
  for (let k = 0; k < rows.length; k++) {
    context.scale[k] = 0.5 + nextUniform(state);
    context.coefficient[k] = nextUniform(state);
  }
  return { arena, kernels, context, list, rows, v, state };
}

for (const name of names) {
  const exact = name !== "log";
  const bound = exact ? "to the bit" : "within 1e-5 of the largest weight";

  for (const mode of ["local", "gradient"] as const) {
    test(`sgd ${name}, ${mode}: kernel and reference agree ${bound}`, () => {
      fc.assert(
        fc.property(fc.integer(), (seed) => {
          const { arena, context, list, rows, v } = problem(seed, name);
          const { scale, coefficient } = context;
          const read = v.slice();
          const write = mode === "local" ? read : v.slice();
          twin.sgdRows(losses[name], rows, { read, write }, { scale, coefficient }, 0);
          const out = mode === "local" ? v : arena.allocateF32(v.length);
          out.set(v);
          sgdKernelOf(context)(
            list.address,
            list.count,
            v.byteOffset,
            out.byteOffset,
            scale.byteOffset,
            coefficient.byteOffset,
            0,
          );
          if (exact) expect([...out]).toEqual([...write]);
          else expectClose(out, write, 1e-5);
        }),
        { numRuns: 60 },
      );
    });
  }

  test(`steps counted sigma times, ${name}: kernel and reference agree ${bound}`, () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { arena, kernels, context, list, rows, v, state } = problem(seed, name);
        const { scale, coefficient } = context;
        const sigma = arena.allocateF32(v.length);
        for (let j = 0; j < sigma.length; j++) sigma[j] = 1 + 3 * nextUniform(state);
        const [copy, before] = [v.slice(), arena.allocateF32(v.length)];
        before.set(v);
        const learned = twin.anticipateRows(
          losses[name],
          rows,
          { v: copy, sigma },
          { scale, coefficient },
          0,
        );
        const { address, count } = list;
        const [at, steps] = [v.byteOffset, sigma.byteOffset];
        kernels.anticipateRows(
          losses[name].code,
          address,
          count,
          at,
          steps,
          scale.byteOffset,
          coefficient.byteOffset,
          0,
        );
        const close = (a: Float32Array, b: Float32Array) =>
          exact ? expect([...a]).toEqual([...b]) : expectClose(a, b, 1e-5);
        close(v, copy);
        kernels.differenceCounted(at, before.byteOffset, steps, at, v.length);
        close(v, learned);
      }),
      { numRuns: 60 },
    );
  });

  test(`slopes at given margins, ${name}: kernel and reference agree ${bound}`, () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { arena, kernels, context, list, rows, v, state } = problem(seed, name);
        const { coefficient } = context;
        const margins = arena.allocateF32(rows.length);
        for (let k = 0; k < rows.length; k++) margins[k] = nextNormal(state);
        const write = v.slice();
        twin.adjustRows(losses[name], rows, { margins, coefficient }, write, 0);
        const [to, from] = [v.byteOffset, margins.byteOffset];
        const { code } = losses[name];
        kernels.adjustRows(code, list.address, list.count, from, coefficient.byteOffset, 0, to);
        if (exact) expect([...v]).toEqual([...write]);
        else expectClose(v, write, 1e-5);
      }),
      { numRuns: 60 },
    );
  });

  test(`evaluate ${name}: kernel and reference agree ${exact ? "to the bit" : "within 1e-12"}`, () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { context, list, rows, v } = problem(seed, name);
        const expected = twin.evaluateRows(losses[name], rows, { v, scale: 0.7 }, 0);
        context.results.fill(0);
        const { results } = context;
        evaluateKernelOf(context)(
          list.address,
          list.count,
          v.byteOffset,
          0.7,
          results.byteOffset,
          0,
        );
        expect(results[1]).toBe(expected.errors);
        expect(Math.abs(results[0]! - expected.loss)).toBeLessThanOrEqual(
          exact ? 0 : 1e-12 * Math.abs(expected.loss),
        );
      }),
      { numRuns: 60 },
    );
  });

  test(`adagrad ${name}: lazy decay in the kernel is within 1e-4 of decaying every coordinate after every row`, () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { arena, kernels, list, rows, v } = problem(seed, name);
        const options = { rate: 0.05, l2: 0.1, threshold: 0 };
        const state = { w: new Float64Array(v.length), squares: new Float64Array(v.length) };
        twin.adagradRows(losses[name], rows, state, options);
        const w = arena.allocateF32(v.length);
        const squares = arena.allocateF32(v.length);
        const seen = arena.allocateU32(v.length);
        for (const array of [w, squares, seen]) array.fill(0);
        const addresses = [w, squares, seen].map((array) => array.byteOffset) as [
          number,
          number,
          number,
        ];
        const { rate, l2 } = options;
        kernels.adagradRows(
          losses[name].code,
          list.address,
          list.count,
          ...addresses,
          0,
          rate,
          l2,
          0,
        );
        kernels.adagradSettle(...addresses, v.length, list.count, rate, l2);
        expectClose(w, Float32Array.from(state.w), 1e-4);
      }),
      { numRuns: 60 },
    );
  });

  test(`sdca ${name}: one step of the kernel is the best in its coordinate, by search, within 1e-4`, () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { arena, kernels, rows, state } = problem(seed, name);
        const at = rows.find(({ block, row }) => block.rowStart[row + 1]! > block.rowStart[row]!)!;
        const lambdaN = 0.5 + 4 * nextUniform(state);
        const u = arena.allocateF32(columns + 1);
        for (let j = 0; j < u.length; j++) u[j] = nextNormal(state);
        const pair = listRows(arena, [{ block: at.block, rows: Uint32Array.of(at.row) }]);
        const [positions, norms, dual] = [
          arena.allocateU32(1),
          arena.allocateF32(1),
          arena.allocateF32(1),
        ];
        positions[0] = 0;
        const bounds = dualBounds(name);
        const b0 =
          bounds.low + (Math.min(bounds.high, 1) - bounds.low) * (0.1 + 0.8 * nextUniform(state));
        const dual0 = Math.fround(b0);
        dual[0] = dual0;
        kernels.rowNorms(pair.address, positions.byteOffset, 1, norms.byteOffset);
        const y = twin.classOf(losses[name], at.block.label[at.row]!, 0);
        const sign = name === "squared" ? 1 : y;
        const p = twin.dot(u, at) / lambdaN;
        const q = norms[0]! / lambdaN;
        const best = twin.bestDualBySearch((b) => {
          const move = b - dual0;
          return dualValue(name, b, y) - sign * p * move - (q * move * move) / 2;
        }, bounds);
        kernels[`sdca${kernelSuffix(name)}`](
          pair.address,
          positions.byteOffset,
          1,
          u.byteOffset,
          norms.byteOffset,
          dual.byteOffset,
          lambdaN,
          0,
        );
        expect(Math.abs(dual[0]! - best)).toBeLessThan(1e-4 * (1 + Math.abs(best)));
      }),
      { numRuns: 60 },
    );
  });
}

function kernelSuffix(name: LossName) {
  return (
    { hinge: "Hinge", "squared-hinge": "SquaredHinge", log: "Log", squared: "Squared" } as const
  )[name];
}

function dualBounds(name: LossName) {
  if (name === "squared-hinge") return { low: 0, high: 100 };
  return name === "squared" ? { low: -100, high: 100 } : { low: 0, high: 1 };
}

/** -conjugate(b), from the definitions. */
function dualValue(name: LossName, b: number, y: number): number {
  if (name === "hinge") return b;
  if (name === "squared-hinge") return b - (b * b) / 4;
  if (name === "squared") return b * y - (b * b) / 2;
  const entropy = (x: number) => (x > 0 ? x * Math.log(x) : 0);
  return -entropy(b) - entropy(1 - b);
}

test("predictions of the kernel are scale * v.x, to the bit of the reference", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const { kernels, context, list, rows, v } = problem(seed, "hinge");
      kernels.predictRows(
        list.address,
        list.count,
        v.byteOffset,
        1.25,
        context.predictions.byteOffset,
      );
      const expected = rows.map((at) => Math.fround(1.25 * twin.dot(v, at)));
      expect([...context.predictions.subarray(0, rows.length)]).toEqual(expected);
    }),
  );
});

test("vector kernels agree with their definitions to the bit", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 70 }), (seed, width) => {
      const state = randomStream({ seed, purpose: "vectors" });
      const arena = new Arena();
      const kernels = loadKernels(arena);
      const [a, b, out] = [0, 1, 2].map(() => {
        const x = arena.allocateF32(width);
        for (let j = 0; j < width; j++) x[j] = nextNormal(state);
        return x;
      }) as [Float32Array, Float32Array, Float32Array];
      kernels.differenceDense(a.byteOffset, b.byteOffset, out.byteOffset, width);
      expect([...out]).toEqual(Array.from(a, (x, j) => Math.fround(x - b[j]!)));
      const factor = Math.fround(0.37);
      const sum = Array.from(b, (x, j) => Math.fround(x + Math.fround(factor * a[j]!)));
      kernels.addDense(factor, a.byteOffset, b.byteOffset, width);
      expect([...b]).toEqual(sum);
      const moved = Array.from(out, (x, j) => Math.fround(x + 0.25 * (3 * a[j]! - x)));
      kernels.moveAverage(0.25, 3, a.byteOffset, out.byteOffset, width);
      expect([...out]).toEqual(moved);
      const norm = Array.from(a, (x) => x * x).reduce((s, x) => s + x, 0);
      expect(kernels.squaredNorm(a.byteOffset, width)).toBeCloseTo(norm, 10);
    }),
  );
});

test("what the kernel lists as not 0 is what is not 0, in order", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0, -0, 1, -2.5, Number.NaN), { maxLength: 70 }), (of) => {
      const arena = new Arena();
      const kernels = loadKernels(arena);
      const v = arena.allocateF32(of.length);
      v.set(of);
      const index = arena.allocateU32(of.length + 1);
      const value = arena.allocateF32(of.length + 1);
      const { byteOffset, length } = v;
      const count = kernels.listNonZeros(byteOffset, length, index.byteOffset, value.byteOffset);
      const expected = [...v.keys()].filter((j) => v[j] !== 0);
      expect(count).toBe(kernels.countNonZeros(byteOffset, length));
      expect([...index.subarray(0, count)]).toEqual(expected);
      expect([...value.subarray(0, count)]).toEqual(expected.map((j) => v[j]));
    }),
  );
});

function expectClose(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  const largest = expected.reduce((max, x) => Math.max(max, Math.abs(x)), 1e-6);
  for (let j = 0; j < actual.length; j++) {
    expect(Math.abs(actual[j]! - expected[j]!)).toBeLessThanOrEqual(tolerance * largest);
  }
}

test("optimal has the closed form t0/(t0 + T), and its coefficient never changes: 1e-11 from any schedule's way", () => {
  const arena = new Arena();
  const [t0, count, l2] = [5000, 64, 1e-4];
  const rooms = [0, 1, 2, 3].map(() => arena.allocateF64(count));
  const [scale, coefficient, closedScale, closedCoefficient] = rooms as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const options = { t: 123, stride: 3, base: 0, count, frozen: false };
  fillSchedule(optimalSchedule({ l2, t0 }), options, scale, coefficient);
  const to = [closedScale.byteOffset, closedCoefficient.byteOffset] as const;
  loadKernels(arena).fillOptimal(t0, 123, 3, 1 / (l2 * t0), count, ...to);
  for (let k = 0; k < count; k++) {
    expect(Math.abs(scale[k]! / closedScale[k]! - 1)).toBeLessThan(1e-11);
    expect(Math.abs(coefficient[k]! / closedCoefficient[k]! - 1)).toBeLessThan(1e-11);
    expect(closedScale[k]).toBe(t0 / (t0 + 123 + 3 * k));
  }
});

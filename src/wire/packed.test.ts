import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Delta } from "../math/update.ts";
import { packDelta, unpackDelta, valueFormats } from "./packed.ts";

const width = 100_000;
const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
const sparse = fc
  .uniqueArray(fc.nat(width - 1), { maxLength: 60 })
  .chain((index) =>
    fc.tuple(fc.constant(index), fc.array(finite, { minLength: 60, maxLength: 60 })),
  )
  .map(([index, values]) => ({
    index: Uint32Array.from(index).sort(),
    value: Float32Array.from(values.slice(0, index.length)),
  }));
const format = fc.constantFrom(...valueFormats);

function unpacked(bytes: Uint8Array, columns: number): Delta {
  const read = unpackDelta(bytes, columns);
  if ("fault" in read) throw new Error(read.fault);
  return read.delta;
}

describe("packed deltas", () => {
  test("f32 comes back bit for bit, sparse and dense", () => {
    fc.assert(
      fc.property(sparse, (delta) => {
        expect(unpacked(packDelta(delta, "f32"), width)).toEqual(delta);
        const dense = delta.value;
        if (dense.length > 0)
          expect(unpacked(packDelta(dense, "f32"), dense.length)).toEqual(dense);
      }),
    );
  });

  test("unpacking gives the values that packing says it rounded to, bit for bit", () => {
    fc.assert(
      fc.property(sparse, format, (delta, values) => {
        const once = unpacked(packDelta(delta, values), width) as typeof delta;
        expect(once.index).toEqual(delta.index);
        expect(unpacked(packDelta(once, values), width)).toEqual(once);
      }),
    );
  });

  test("f16 keeps 11 bits of values within 2^-24 of the largest, however large or small that is", () => {
    for (const size of [1e-30, 1e-6, 1, 1e6, 1e30]) {
      const value = Float32Array.from([size, -size / 3, size / 1000, size / 1e5]);
      const delta = { index: Uint32Array.from([1, 5, 6, 900]), value };
      const read = unpacked(packDelta(delta, "f16"), width) as typeof delta;
      read.value.forEach((x, k) => {
        const bound = Math.max(Math.abs(value[k]!) * 2 ** -11, size * 2 ** -38);
        expect(Math.abs(x - value[k]!)).toBeLessThanOrEqual(bound);
      });
    }
  });

  test("whatever the bytes, unpacking gives a delta of that width or a fault", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expectDeltaOrFault(bytes, 50);
      }),
    );
    fc.assert(
      fc.property(sparse, format, fc.nat(), fc.nat(255), (delta, values, at, byte) => {
        const bytes = packDelta(delta, values);
        bytes[at % bytes.length] = byte;
        expectDeltaOrFault(bytes, width);
        expectDeltaOrFault(bytes.subarray(0, at % bytes.length), width);
      }),
    );
  });

  test("unpacking takes room for no more values than the bytes hold, whatever count they claim", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 80 }), format, (bytes, values) => {
        bytes[0] = 2;
        bytes[1] = valueFormats.indexOf(values);
        const before = process.memoryUsage().arrayBuffers;
        const read = unpackDelta(bytes, 2 ** 31);
        // An index and a value, 8 bytes, for each byte at most: bf16 takes 8 bits.
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThanOrEqual(8 * bytes.length);
        if ("delta" in read) expect(read.delta).toHaveProperty("index");
      }),
      { numRuns: 2000 },
    );
  });

  test("a delta of a newer version is refused with words", () => {
    const bytes = packDelta(Float32Array.of(1), "f32");
    bytes[0] = 3;
    expect(unpackDelta(bytes, 1)).toEqual({
      fault:
        "packed delta is of version 3, this program reads 2: all members must run one version of glissade",
    });
  });

  test("a delta of 1,000 values among 47,236 columns takes 8 bytes a value plain, 2.3 packed", () => {
    const index = Uint32Array.from({ length: 1000 }, (_, k) => 47 * k);
    const delta = { index, value: Float32Array.from({ length: 1000 }, (_, k) => k + 1001) };
    // 7 bits a gap; of f16 the fraction, the sign and, within a factor of two, one bit of exponent at most.
    expect(packDelta(delta, "f16").length).toBeLessThanOrEqual(12 + (1000 * (7 + 12)) / 8 + 1);
    expect(packDelta(delta, "f32").length).toBeLessThanOrEqual(12 + (1000 * (7 + 32)) / 8 + 1);
  });
});

function expectDeltaOrFault(bytes: Uint8Array, columns: number): void {
  const read = unpackDelta(bytes, columns);
  if ("fault" in read) return expect(read.fault).not.toBe("");
  if (read.delta instanceof Float32Array) return expect(read.delta.length).toBe(columns);
  const { index, value } = read.delta;
  expect(index.length).toBe(value.length);
  index.forEach((column, k) => {
    expect(column).toBeLessThan(columns);
    if (k > 0) expect(column).toBeGreaterThan(index[k - 1]!);
  });
}

import fc from "fast-check";
import { expect, test } from "vitest";
import type { FrameBody } from "./frame.ts";
import { packDelta } from "./packed.ts";
import { anyKind, type MessageBounds, messageFault } from "./shape.ts";

const width = 50;
const look = (body: object) =>
  messageFault(
    { [anyKind]: { fields: {}, open: true } },
    { kind: "push", ...body } as FrameBody,
    { width, normMax: 1e6 } as MessageBounds,
  );

const values = fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { maxLength: width });

test("what training produces is plausible: dense, sparse, packed, counts", () => {
  fc.assert(
    fc.property(values, fc.nat(1e9), (list, clock) => {
      const dense = Float32Array.from(list);
      const index = Uint32Array.from(dense.keys());
      const packed = packDelta({ index, value: dense }, "f16");
      const body = { clock, dense, sparse: { index, value: dense }, packed, ends: true, why: "x" };
      expect(look(body)).toBeNull();
    }),
  );
});

test("one value that is no number or one absurd size anywhere is found and named", () => {
  const bad = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -Infinity, 1e30, -3e38);
  fc.assert(
    fc.property(values, fc.nat(width - 1), bad, (list, place, value) => {
      const dense = Float32Array.from(list);
      const spoilt = Float32Array.from([...dense.subarray(0, place), value]);
      const index = Uint32Array.from(spoilt.keys());
      expect(look({ dense, spoilt })).toMatch(/^push: spoilt has (norm|values)/);
      expect(look({ spoilt: Float64Array.from(spoilt) })).toMatch(/spoilt has/);
      expect(look({ delta: { index, value: spoilt } })).toMatch(/delta has/);
      expect(look({ delta: packDelta({ index, value: spoilt }, "f32") })).toMatch(/delta has/);
    }),
  );
});

test("indices beyond the model, arrays longer than it and counts beyond all counts are found", () => {
  const value = Float32Array.of(1);
  expect(look({ delta: { index: Uint32Array.of(width), value } })).toMatch(/index 50.*50 columns/);
  expect(look({ delta: { index: Uint32Array.of(2 ** 32 - 1), value } })).toMatch(
    /index 4294967295/,
  );
  expect(look({ values: new Float32Array(70_000) })).toMatch(/70000 values/);
  for (const clock of [Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
    expect(look({ clock })).toMatch(/^push: clock is/);
  }
});

import { expect, test } from "vitest";
import { nextBelow, nextNormal, randomStream } from "../math/random.ts";
import { addDelta, toDense } from "../math/update.ts";
import { createCarry, draw, packPart, produce, unpackOwn, withoutCarry } from "./carry.ts";
import { unpackDelta, valueFormats } from "./packed.ts";

const width = 200;

test("sent + carried = produced, rounding included", () => {
  for (let seed = 1; seed <= 120; seed++) {
    const stream = randomStream({ seed, purpose: "carry" });
    const thinning = {
      values: valueFormats[seed % 3]!,
      topK: seed % 4 === 0 ? 0 : 1 + nextBelow(stream, 40),
      tolerance: seed % 2 === 0 ? 0 : 0.1,
    };
    const carry = createCarry(width);
    const produced = new Float64Array(width);
    const sent = new Float64Array(width);
    for (let round = 0; round < 30; round++) {
      // Multiples of 2^-20: their sums are exact, so the law must hold to the bit.
      const delta = Float32Array.from({ length: width }, () => {
        return Math.round(nextNormal(stream) * 2 ** 20) / 2 ** 20;
      });
      produce(carry, delta);
      delta.forEach((x, i) => {
        produced[i]! += x;
      });
      const read = unpackDelta(draw(carry, thinning), width);
      if ("fault" in read) throw new Error(read.fault);
      const drawn = toDense(read.delta, width);
      const count = drawn.filter((x) => x !== 0).length;
      if (thinning.topK > 0) expect(count).toBeLessThanOrEqual(thinning.topK);
      drawn.forEach((x, i) => {
        sent[i]! += x;
      });
      const kept = produced.every((x, i) => sent[i]! + carry[i]! === x);
      expect(kept, `seed ${seed}, round ${round}`).toBe(true);
    }
  }
});

test("a model without what is carried is what others have, up to rounding of f32", () => {
  const stream = randomStream({ seed: 1, purpose: "carry" });
  const carry = createCarry(width);
  const own = new Float32Array(width);
  const others = new Float32Array(width);
  for (let round = 0; round < 20; round++) {
    const delta = Float32Array.from({ length: width }, () => nextNormal(stream));
    addDelta(own, delta);
    produce(carry, delta);
    const read = unpackDelta(draw(carry, { values: "f16", topK: 20, tolerance: 0 }), width);
    if ("delta" in read) addDelta(others, read.delta);
  }
  withoutCarry(own, carry).forEach((x, i) => {
    expect(x).toBeCloseTo(others[i]!, 4);
  });
});

test("packing takes the form that is smaller: most of the values listed one by one, or all of them", () => {
  const full = Float32Array.from({ length: width }, (_, i) => 1 + i);
  const few = full.map((x) => (x > width - 10 ? x : 0));
  const everything = { values: "f16", topK: 0, tolerance: 0 } as const;
  expect(packPart(full, everything).length).toBeLessThanOrEqual(12 + 2 * width);
  expect(unpackOwn(packPart(full, everything), width)).toBeInstanceOf(Float32Array);
  expect(packPart(few, everything).length).toBeLessThan(12 + 4 * 10);
});

test("the k largest are the k largest, whatever the order they lie in", () => {
  const stream = randomStream({ seed: 3, purpose: "largest" });
  for (let round = 0; round < 200; round++) {
    const vector = Float32Array.from({ length: width }, () => Math.fround(nextNormal(stream)));
    const topK = 1 + nextBelow(stream, width - 1);
    const sent = toDense(
      unpackOwn(packPart(vector, { values: "f32", topK, tolerance: 0 }), width),
      width,
    );
    const least = vector.map(Math.abs).sort()[width - topK]!;
    expect(sent).toEqual(vector.map((x) => (Math.abs(x) >= least ? x : 0)));
  }
});

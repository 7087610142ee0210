import { expect, test } from "vitest";
import { nextBelow, nextNormal, randomStream } from "../math/random.ts";
import { addDelta } from "../math/update.ts";
import { createCarry, draw, produce, withoutCarry } from "./carry.ts";
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
      const { index, value } = read.delta as { index: Uint32Array; value: Float32Array };
      if (thinning.topK > 0) expect(index.length).toBeLessThanOrEqual(thinning.topK);
      index.forEach((column, k) => {
        sent[column]! += value[k]!;
      });
      for (let i = 0; i < width; i++) expect(sent[i]! + carry[i]!).toBe(produced[i]);
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

import { expect, test } from "vitest";
import { nextUniform, randomStream } from "../math/random.ts";
import { fromBfloat16, fromHalf, toBfloat16, toHalf } from "./half.ts";

const formats = [
  { name: "f16", write: toHalf, read: fromHalf },
  { name: "bf16", write: toBfloat16, read: fromBfloat16 },
];

test.each(formats)(
  "$name: every pattern that is no NaN comes back from its value",
  ({ write, read }) => {
    for (let bits = 0; bits < 1 << 16; bits++) {
      const value = read(bits);
      if (!Number.isNaN(value)) expect(write(value)).toBe(bits);
      else expect(read(write(value))).toBeNaN();
    }
  },
);

test.each(formats)(
  "$name: rounding errs by at most half a unit in the last place",
  ({ write, read }) => {
    const stream = randomStream({ seed: 1, purpose: "half" });
    for (let k = 0; k < 20_000; k++) {
      const value = Math.fround(
        (2 * nextUniform(stream) - 1) * 2 ** (40 * nextUniform(stream) - 30),
      );
      const bits = write(value);
      const near = read(bits);
      if (!Number.isFinite(near)) continue;
      for (const other of [bits - 1, bits + 1].map(read)) {
        if (!Number.isFinite(other)) continue;
        expect(Math.abs(near - value)).toBeLessThanOrEqual(Math.abs(other - value));
      }
    }
  },
);

test("ties go to the even neighbour", () => {
  expect(fromHalf(toHalf(2049))).toBe(2048);
  expect(fromHalf(toHalf(2051))).toBe(2052);
  expect(fromHalf(toHalf(65_519))).toBe(65_504);
  expect(fromHalf(toHalf(65_520))).toBe(Number.POSITIVE_INFINITY);
  expect(fromHalf(toHalf(2 ** -25))).toBe(0);
});

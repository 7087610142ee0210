import fc from "fast-check";
import { expect, test } from "vitest";
import { readBits, readRice, riceBits, writeBits, writeRice } from "./bits.ts";

const parameter = fc.integer({ min: 0, max: 24 });

test("reading gives the numbers that were written", () => {
  const numbers = fc.array(fc.nat(5000), { maxLength: 60 });
  fc.assert(
    fc.property(numbers, parameter, fc.integer({ min: 13, max: 24 }), (written, k, plain) => {
      const bits = written.reduce((sum, x) => sum + riceBits(x, k) + plain, 0);
      const writer = { bytes: new Uint8Array(Math.ceil(bits / 8)), at: 0 };
      for (const x of written) {
        writeRice(writer, x, k);
        writeBits(writer, x, plain);
      }
      expect(writer.at).toBe(bits);
      const reader = { bytes: writer.bytes, at: 0 };
      for (const x of written) {
        expect(readRice(reader, k, 5000)).toBe(x);
        expect(readBits(reader, plain)).toBe(x);
      }
    }),
  );
});

test("a reader never goes beyond its bytes: what is not there is null", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), parameter, fc.nat(9999), (bytes, k, most) => {
      const reader = { bytes, at: 0 };
      for (let x = readRice(reader, k, most); x !== null; x = readRice(reader, k, most)) {
        expect(x).toBeLessThanOrEqual(most);
        expect(reader.at).toBeLessThanOrEqual(8 * bytes.length);
      }
      expect(readBits({ bytes, at: 8 * bytes.length }, 1)).toBeNull();
    }),
  );
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { Arena } from "./arena.ts";
import { createChecksum } from "./checksum.ts";
import { loadKernels } from "./loader.ts";
import { xxh64 } from "./reference/xxh64.ts";

const arena = new Arena();
const checksum = createChecksum(arena, loadKernels(arena));

test("the twin gives the published values of XXH64", () => {
  expect(xxh64(Buffer.from(""), 0n)).toBe(0xef46db3751d8e999n);
  expect(xxh64(Buffer.from("abc"), 0n)).toBe(0x44bc2cf5ad770999n);
});

test("the kernel equals its twin however the bytes are cut into pieces", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 8 }), (pieces) => {
      checksum.start();
      for (const piece of pieces) checksum.add(piece);
      expect(checksum.finish()).toBe(xxh64(Buffer.concat(pieces), 0n));
    }),
    { numRuns: 500 },
  );
});

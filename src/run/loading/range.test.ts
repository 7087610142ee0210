import { writeFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { folderOf } from "../../../test/support-files.ts";
import { idMax, type ParseOptions } from "../../data/parser.ts";
import { Arena } from "../../kernels/arena.ts";
import { loadKernels } from "../../kernels/loader.ts";
import { kernelParser } from "../../kernels/parser.ts";
import { openRoom, RangeReader } from "./range.ts";

const arena = new Arena();
const parser = kernelParser(arena, loadKernels(arena));
const options: ParseOptions = {
  format: "svmlight",
  labels: "required",
  widthLimit: idMax + 1,
  badRowsMax: 0,
};

/** The definition: a row belongs to the chunk in which its line starts. Row n has the label n. */
function labelsByDefinition(lines: readonly string[], chunkBytes: number): number[][] {
  const bytes = lines.join("").length;
  const chunks: number[][] = Array.from({ length: Math.ceil(bytes / chunkBytes) }, () => []);
  let start = 0;
  for (const [label, line] of lines.entries()) {
    chunks[Math.floor(start / chunkBytes)]!.push(label);
    start += line.length;
  }
  return chunks;
}

test("chunks read from the middle of a file, in any order, hold the lines that start in them", () => {
  const { path } = folderOf({});
  const lines = (lengths: fc.Arbitrary<number>, sizes: fc.Arbitrary<number>) =>
    fc.tuple(fc.array(lengths, { minLength: 1, maxLength: 20 }), sizes, fc.boolean());
  const large = fc.constantFrom(0, 300, 66_000, 140_000);
  const texts = fc.oneof(
    { weight: 9, arbitrary: lines(fc.nat(40), fc.integer({ min: 1, max: 64 })) },
    { weight: 1, arbitrary: lines(large, fc.integer({ min: 10_000, max: 70_000 })) },
  );
  let number = 0;
  fc.assert(
    fc.property(texts, ([list, size, ended]) => {
      const written = list.map((length, i) => `${i}${" ".repeat(length)}\n`);
      if (!ended) written[written.length - 1] = written.at(-1)!.slice(0, -1);
      const file = path(`text-${number++}`);
      writeFileSync(file, written.join(""));
      const setup = { arena, parser, options, bytesPerChunk: size };
      const reader = new RangeReader(openRoom(arena, size), setup);
      const expected = labelsByDefinition(written, size);
      for (let chunk = expected.length - 1; chunk >= 0; chunk--) {
        const result = reader.parse({ file, chunk });
        if (expected[chunk]!.length === 0) {
          expect(result.kind).toBe("empty");
        } else if (result.kind === "parsed") {
          expect(result.chunk.report).toMatchObject({ rows: expected[chunk]!.length });
          expect(result.chunk.report.labels).toEqual(expected[chunk]!.slice(0, 16));
        } else {
          expect.fail(`chunk ${chunk} is ${result.kind}`);
        }
      }
      const { address, byteLength } = reader.close();
      arena.release(address, byteLength);
    }),
    { numRuns: 100 },
  );
});

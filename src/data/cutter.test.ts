import fc from "fast-check";
import { expect, test } from "vitest";
import { lineBytesMax } from "./chunk.ts";
import { cutChunks, LongLine } from "./cutter.ts";

/** An arena that only grows, over ordinary memory. */
function plainArena(bytes: number) {
  let top = 0;
  return {
    buffer: new ArrayBuffer(bytes),
    allocate(length: number) {
      const address = top;
      top += length;
      if (top > bytes) throw new RangeError("the test's arena is full");
      return address;
    },
    release() {},
  };
}

/** A reader that hands out the text in portions of these sizes, over and over. */
function readerOf(text: string, portions: readonly number[]) {
  let at = 0;
  let turn = 0;
  return {
    read(into: Uint8Array) {
      const portion = Math.min(portions[turn++ % portions.length]!, into.length);
      const bytes = Buffer.from(text.slice(at, at + portion), "latin1");
      into.set(bytes);
      at += bytes.length;
      return bytes.length;
    },
  };
}

async function cut(text: string, portions: readonly number[], chunkBytes: number) {
  const arena = plainArena(2 ** 20);
  const chunks: string[] = [];
  for await (const { address, byteLength } of cutChunks(
    arena,
    readerOf(text, portions),
    chunkBytes,
  )) {
    chunks.push(Buffer.from(arena.buffer, address, byteLength).toString("latin1"));
  }
  return chunks;
}

/** The definition: a line belongs to the chunk in which it starts. */
function cutByDefinition(text: string, chunkBytes: number): string[] {
  const chunks = new Map<number, string>();
  let start = 0;
  for (const line of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    const chunk = Math.floor(start / chunkBytes);
    chunks.set(chunk, (chunks.get(chunk) ?? "") + line);
    start += line.length;
  }
  return [...chunks.values()];
}

test("chunk k holds the lines that start in its part of the text, however the text arrives", async () => {
  const text = fc
    .array(fc.oneof(fc.constant("\n"), fc.stringMatching(/^[ab]{0,30}\n?$/)), { maxLength: 30 })
    .map((lines) => lines.join(""));
  const portions = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(text, portions, fc.integer({ min: 1, max: 40 }), async (t, p, bytes) => {
      expect(await cut(t, p, bytes)).toEqual(cutByDefinition(t, bytes));
    }),
    { numRuns: 300 },
  );
});

test("a line longer than the buffer is read whole", async () => {
  const text = `a\n${"b".repeat(200_000)}\nc\n`;
  expect(await cut(text, [70_000], 8)).toEqual(cutByDefinition(text, 8));
});

test("a line over the limit is refused, with the number of lines before it", async () => {
  let reads = 0;
  const reader = {
    read(into: Uint8Array) {
      into.fill(0x61);
      if (reads++ === 0) into.set(Buffer.from("1\n2\n3"));
      return into.length;
    },
  };
  const cutting = cutChunks(plainArena(6 * lineBytesMax), reader).next();
  const error = await cutting.catch((reason) => reason);
  expect(error).toBeInstanceOf(LongLine);
  expect(error.linesBefore).toBe(2);
});

test("a byte order mark at the start of the text becomes blanks", async () => {
  expect(await cut("\xef\xbb\xbf1\n\xef\xbb\xbf", [2], 100)).toEqual(["   1\n\xef\xbb\xbf"]);
});

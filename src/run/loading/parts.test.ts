/** Members and frames decompressed at the same time give what one stream of them gives, or its error. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync, gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { folderOf } from "../../../test/support-files.ts";
import { zstdFrame, zstdText } from "../../../test/support-zstd.ts";
import { loadDataset } from "../load.ts";
import { gunzip } from "./gunzip.ts";
import { findDamage } from "./gzip-damage.ts";
import { gunzipParts } from "./gzip-parts.ts";
import type { Part, PartReading } from "./parts.ts";
import { unzstd } from "./zstd.ts";
import { unzstdParts } from "./zstd-parts.ts";

type Pieces = AsyncIterable<Uint8Array>;

async function textOf(pieces: Pieces): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all).toString("latin1");
}

/** Text, or the words of what went wrong, and the text that came before. */
async function outcomeOf(pieces: Pieces): Promise<{ text: string; error: string | null }> {
  const all: Uint8Array[] = [];
  let error: string | null = null;
  try {
    for await (const piece of pieces) all.push(piece);
  } catch (reason) {
    error = (reason as Error).message;
  }
  return { text: Buffer.concat(all).toString("latin1"), error };
}

/** Writes the bytes and hands out the file, to be read in parts of about `bytesPerPart`. */
async function withFile<T>(
  bytes: Uint8Array,
  bytesPerPart: number,
  use: (
    file: Awaited<ReturnType<typeof open>>,
    how: PartReading & { whole: () => Pieces },
  ) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "glissade-parts-"));
  writeFileSync(join(folder, "file"), bytes);
  const file = await open(join(folder, "file"));
  async function* read({ start, end }: Part) {
    for (let at = start; at < end; at += 512) yield bytes.subarray(at, Math.min(at + 512, end));
  }
  const whole = () => read({ start: 0, end: bytes.length });
  try {
    return await use(file, { open: read, atOnce: 3, bytesPerPart, whole });
  } finally {
    await file.close();
    rmSync(folder, { recursive: true });
  }
}

/** Parts give what one stream gives; returns its error. Where there is one, less text may come before. */
const expectSame = (bytes: Uint8Array, bytesPerPart: number) =>
  withFile(bytes, bytesPerPart, async (file, how) => {
    const parts = await outcomeOf(gunzipParts(file, bytes.length, how));
    const stream = await outcomeOf(gunzip(how.whole()));
    expect(parts.error).toBe(stream.error);
    if (stream.error === null) expect(parts.text).toBe(stream.text);
    return stream.error;
  });

const rowsText = fc
  .array(fc.integer({ min: 0, max: 1e9 }), { maxLength: 300 })
  .map((ids) => ids.map((id) => `1 ${id}:0.${id}\n`).join(""));
const members = fc.array(rowsText, { minLength: 1, maxLength: 12 });
const partSizes = fc.integer({ min: 1, max: 3000 });

/** A member as bgzip writes it: its length in an extra field. */
function bgzipMember(text: string): Buffer {
  const plain = gzipSync(text);
  const body = deflateRawSync(text);
  const head = Buffer.from("1f8b08040000000000ff0600424302000000", "hex");
  head.writeUInt16LE(body.length + 25, 16);
  return Buffer.concat([head, body, plain.subarray(-8)]);
}

describe("gzip", () => {
  test("members, however cut, give the text of one stream", async () => {
    await fc.assert(
      fc.asyncProperty(members, partSizes, fc.boolean(), async (texts, bytesPerPart, bgzip) => {
        const bytes = Buffer.concat(texts.map((text) => (bgzip ? bgzipMember : gzipSync)(text)));
        const text = await withFile(bytes, bytesPerPart, (file, how) =>
          textOf(gunzipParts(file, bytes.length, how)),
        );
        expect(text).toBe(gunzipSync(bytes).toString("latin1"));
      }),
      { numRuns: 60 },
    );
  });

  test("damage anywhere gives the error of one stream, after the same text", async () => {
    await fc.assert(
      fc.asyncProperty(
        members,
        partSizes,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.integer({ min: 1, max: 255 }),
        async (texts, bytesPerPart, place, flip) => {
          const bytes = Buffer.concat(texts.map((text) => gzipSync(text)));
          const at = Math.floor(place * bytes.length);
          bytes[at] = bytes[at]! ^ flip;
          await expectSame(bytes, bytesPerPart);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("what is behind the last member, or missing of it, is found as in one stream", async () => {
    const whole = Buffer.concat([gzipSync("1 1:1\n"), gzipSync("1 2:1\n".repeat(500))]);
    const ends = ["", "\0\0\0", "\0\0x", "garbage", "\x1f\x8b", "\x1f\x8b\b\0\0\0\0\0\0\x03"];
    for (const end of ends) {
      for (const length of [whole.length, whole.length - 1, whole.length - 9]) {
        const bytes = Buffer.concat([whole.subarray(0, length), Buffer.from(end, "latin1")]);
        await expectSame(bytes, 1);
      }
    }
  });

  test("zeros between members are refused, as in one stream", async () => {
    const bytes = Buffer.concat([gzipSync("1 1:1\n"), Buffer.alloc(7), gzipSync("1 2:1\n")]);
    expect(await expectSame(bytes, 1)).toBe("bytes behind the last member");
  });

  test("what only looks like a head cuts nothing", async () => {
    const inner = gzipSync("1 9:9\n");
    // Stored, not packed: whole members stand inside of a member, byte for byte.
    const outer = gzipSync(Buffer.concat([inner, Buffer.from("\n1 1:1\n".repeat(50)), inner]), {
      level: 0,
    });
    const bytes = Buffer.concat([gzipSync("1 1:1\n"), outer, gzipSync("1 2:1\n"), outer]);
    expect(await expectSame(bytes, 1)).toBeNull();
  });

  test("a member that expands a thousandfold is not held whole", async () => {
    const bomb = gzipSync(Buffer.alloc(96 * 2 ** 20));
    const bytes = Buffer.concat([gzipSync("1 1:1\n"), bomb, bomb]);
    const before = process.memoryUsage().arrayBuffers;
    let [total, peak] = [0, 0];
    await withFile(bytes, 1, async (file, how) => {
      for await (const piece of gunzipParts(file, bytes.length, how)) {
        total += piece.length;
        peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
      }
    });
    expect(total).toBe(6 + 2 * 96 * 2 ** 20);
    expect(peak).toBeLessThan(90 * 2 ** 20);
  });

  test("the damaged member is named by number and place", async () => {
    const texts = ["1 1:1\n", "1 2:1\n".repeat(100), "1 3:1\n"].map((text) => gzipSync(text));
    const [first, second] = texts as [Buffer, Buffer];
    const bytes = Buffer.concat([...texts, bgzipMember("1 4:1\n")]);
    await withFile(bytes, 1, async (file, how) => {
      expect(await findDamage(file, bytes.length, how.open)).toBeNull();
    });
    bytes[first.length + second.length - 6]! ^= 1;
    await withFile(bytes, 1, async (file, how) => {
      const found = await findDamage(file, bytes.length, how.open);
      expect(found).toEqual({ number: 2, start: first.length });
    });
  });
});

describe("zstd", () => {
  const decode = (pieces: Pieces) => unzstd(pieces, undefined);
  const skipped = Buffer.from("502a4d1803000000616263", "hex");

  test("frames, however cut, give the text of one stream", async () => {
    const kinds = fc.oneof(
      rowsText.map(zstdFrame),
      fc.constant(skipped),
      fc.constant(zstdText.bytes),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(kinds, { minLength: 1 }), partSizes, async (frames, perPart) => {
        const bytes = Buffer.concat(frames);
        await withFile(bytes, perPart, async (file, how) => {
          const text = await textOf(unzstdParts(file.fd, bytes.length, decode, how));
          expect(text).toBe(await textOf(decode(how.whole())));
        });
      }),
      { numRuns: 60 },
    );
  });

  test("damage anywhere is refused as in one stream", async () => {
    const bytes = Buffer.concat([zstdText.bytes, skipped, zstdFrame("1 1:1\n"), zstdText.bytes]);
    for (let at = 0; at < bytes.length; at += 7) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x11;
      await withFile(damaged, 1, async (file, how) => {
        const parts = await outcomeOf(unzstdParts(file.fd, bytes.length, decode, how));
        const stream = await outcomeOf(decode(how.whole()));
        expect(parts.error === null, `byte ${at}`).toBe(stream.error === null);
        if (stream.error === null) expect(parts.text).toBe(stream.text);
      });
    }
  });

  test("a file that ends within a frame is refused, and the part is named", async () => {
    const bytes = Buffer.concat([zstdText.bytes, zstdText.bytes]).subarray(0, -3);
    await withFile(bytes, 1, async (file, how) => {
      const { error } = await outcomeOf(unzstdParts(file.fd, bytes.length, decode, how));
      expect(error).toContain("unexpected end of file");
      expect(error).toContain(`in the frames from byte ${zstdText.bytes.length} on`);
    });
  });
});

describe("files of several megabytes", () => {
  const line = (k: number) =>
    `${k % 2} ${(k % 97) + 1}:0.${(k * 7919) % 1_000_003} 2${k % 997}00:1\n`;
  const pieces = Array.from({ length: 100 }, (_, p) =>
    Array.from({ length: 3000 }, (_, k) => line(3000 * p + k)).join(""),
  );
  const load = (file: string) => loadDataset(file, { threads: 2 });

  test("members and frames load as their text does", async () => {
    const zipped = Buffer.concat(pieces.map((text) => gzipSync(text, { level: 0 })));
    const frames = Buffer.concat(pieces.map((text) => zstdFrame(text)));
    const { path } = folderOf({ plain: pieces.join(""), zipped, frames });
    const { rows, nonZeros, blocks } = await load(path("plain"));
    for (const name of ["zipped", "frames"]) {
      const data = await load(path(name));
      expect({ rows: data.rows, nonZeros: data.nonZeros }).toEqual({ rows, nonZeros });
      data.blocks.forEach((block, b) => {
        for (const column of ["rowStart", "index", "value", "label", "rowId"] as const) {
          expect(
            block[column].every((x, i) => x === blocks[b]![column][i]),
            name,
          ).toBe(true);
        }
      });
    }
  });

  test("damage is told with the member or the frames it is in", async () => {
    const zipped = pieces.map((text) => gzipSync(text, { level: 0 }));
    zipped[70]![zipped[70]!.length - 5]! ^= 1;
    const start = zipped.slice(0, 70).reduce((sum, { length }) => sum + length, 0);
    const frames = pieces.map((text) => zstdFrame(text));
    frames[70]![frames[70]!.length - 1]! ^= 1;
    const { path } = folderOf({ zipped: Buffer.concat(zipped), frames: Buffer.concat(frames) });
    await expect(load(path("zipped"))).rejects.toThrow(
      `found damaged gzip data (incorrect data check) in member 71, which starts at byte ${start},`,
    );
    await expect(load(path("frames"))).rejects.toThrow(
      /wrong checksum, in the frames from byte \d+ on/,
    );
  });
});

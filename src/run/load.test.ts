import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { folderOf } from "../../test/support-files.ts";
import type { Block } from "../data/block.ts";
import { chunkBytes } from "../data/chunk.ts";
import { knownOptimumRows, newsRows } from "../data/synthetic.ts";
import { loadDataset, streamBlocks } from "./load.ts";

function rowsOf(blocks: Iterable<Block>) {
  const rows = [];
  for (const block of blocks) {
    for (let row = 0; row < block.rows; row++) {
      const [start, end] = [block.rowStart[row]!, block.rowStart[row + 1]!];
      rows.push({
        id: block.rowIdBase + block.rowId[row]!,
        label: block.label[row]!,
        index: [...block.index.subarray(start, end)],
        value: [...block.value.subarray(start, end)],
      });
    }
  }
  return rows;
}

function bytesOf({ buffer, byteOffset, byteLength }: Block): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

const small = "+1 1:0.5 3:1\n-1 2:0.25\n";

/** Text of a few chunks, with comments and blank lines between. */
function largeText(): string {
  const lines: string[] = [];
  let length = 0;
  const add = (line: string) => {
    lines.push(line);
    length += line.length + 1;
  };
  for (const row of newsRows({ rows: 100_000, columns: 3_000, seed: 5 })) {
    const entries = row.index.map((id, i) => `${id}:${row.value[i]!.toFixed(5)}`);
    add(`${row.label} ${entries.join(" ")}`);
    if (lines.length % 7 === 0) add("# a comment with 1:2\n");
    if (length > 2.5 * chunkBytes) break;
  }
  return lines.join("\n");
}

describe("sources", () => {
  test("several files are one data set, and rows are numbered over all of them", async () => {
    const { path } = folderOf({ "a.svm": small, "b.svm": small });
    const data = await loadDataset([path("a.svm"), path("b.svm")]);
    expect(rowsOf(data.blocks).map(({ id }) => id)).toEqual([0, 1, 2, 3]);
    expect(data).toMatchObject({ rows: 4, nonZeros: 6, width: 4, indexBase: 1 });
    expect(data.labels).toEqual({ kind: "binary", negative: -1, positive: 1 });
    expect(data.sources).toEqual([
      { name: path("a.svm"), bytes: small.length, rows: 2, skippedRows: 0 },
      { name: path("b.svm"), bytes: small.length, rows: 2, skippedRows: 0 },
    ]);
  });

  test("a folder stands for its files by name, without hidden ones", async () => {
    const { folder } = folderOf({ "part-1": "1 2:1\n", "part-0": "0 1:1\n", ".x": "?", _OK: "" });
    const data = await loadDataset(folder);
    expect(rowsOf(data.blocks).map(({ index }) => index)).toEqual([[1], [2]]);
  });

  test("a pattern stands for what it matches, by name, at any depth with **", async () => {
    const { folder } = folderOf({ "b.svm": "1 2:1\n", "a.svm": "0 1:1\n", "c.txt": "?" });
    for (const pattern of ["*.svm", "**/*.svm", "[ab].{svm,xyz}"]) {
      const data = await loadDataset(`${folder}/${pattern}`);
      expect(rowsOf(data.blocks).map(({ index }) => index)).toEqual([[1], [2]]);
    }
  });

  test("compression is known by the content, not the name; gzip members follow each other", async () => {
    const members = Buffer.concat([gzipSync(small), gzipSync(small)]);
    const { path } = folderOf({ plain: small + small, zipped: members });
    const [plain, zipped] = [await loadDataset(path("plain")), await loadDataset(path("zipped"))];
    expect(rowsOf(zipped.blocks)).toEqual(rowsOf(plain.blocks));
  });

  test("index base is 0 when id 0 occurs, unless it is given", async () => {
    const { path } = folderOf({ zero: "1 0:1\n0 1:1\n", one: small });
    expect((await loadDataset(path("zero"))).indexBase).toBe(0);
    expect((await loadDataset(path("one"))).indexBase).toBe(1);
    expect((await loadDataset(path("one"), { indexBase: 0 })).indexBase).toBe(0);
  });

  test("a byte order mark before the first line is passed over", async () => {
    const { path } = folderOf({ marked: `\ufeff${small}` });
    expect((await loadDataset(path("marked"))).rows).toBe(2);
  });

  test("the fingerprint follows the content", async () => {
    const { path } = folderOf({ a: small, b: `${small}#` });
    const [first, again, other] = [
      await loadDataset(path("a")),
      await loadDataset(path("a")),
      await loadDataset(path("b")),
    ];
    expect(again.fingerprint).toBe(first.fingerprint);
    expect(other.fingerprint).not.toBe(first.fingerprint);
    expect(first.fingerprint).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});

test("blocks are the same for plain and compressed text, in memory and streamed", async () => {
  const text = largeText();
  const { path } = folderOf({ plain: text, zipped: gzipSync(text, { level: 1 }) });
  const plain = await loadDataset(path("plain"));
  const zipped = await loadDataset(path("zipped"));
  expect(plain.blocks.length).toBe(3);
  const stream = streamBlocks(path("zipped"));
  let at = 0;
  for await (const block of stream) {
    expect(bytesOf(zipped.blocks[at]!).equals(bytesOf(plain.blocks[at]!)), `block ${at}`).toBe(
      true,
    );
    expect(bytesOf(block).equals(bytesOf(plain.blocks[at++]!)), `streamed block ${at}`).toBe(true);
  }
  expect(at).toBe(3);
  const { rows, nonZeros, width, labels, skippedRows } = plain;
  expect(stream.summary()).toMatchObject({ rows, nonZeros, width, labels, skippedRows });
});

test("blocks are the same however many threads parse them, and over several files", async () => {
  const text = largeText();
  const { folder } = folderOf({ a: text, b: `${text}\n${small}`, c: "" });
  const one = await loadDataset(folder, { threads: 1 });
  for (const threads of [2, 5]) {
    const several = await loadDataset(folder, { threads });
    const { blocks, rows, nonZeros, width, labels, sources, fingerprint } = several;
    expect(one).toMatchObject({ rows, nonZeros, width, labels, sources, fingerprint });
    expect(blocks.length).toBe(one.blocks.length);
    for (const [i, block] of blocks.entries()) {
      expect(bytesOf(block).equals(bytesOf(one.blocks[i]!)), `block ${i}`).toBe(true);
    }
  }
});

describe("errors are the same however many threads parse", () => {
  const text = "1 1:1 2:0.5 3:0.25 4:0.125\n".repeat(650_000);
  const end = text.length / 27;

  test.each([1, 2, 4])(
    "the first bad row of several is named, with %d threads",
    async (threads) => {
      const { path } = folderOf({ rows: `${text}1 x\n${text}1 y\n` });
      await expect(loadDataset(path("rows"), { threads })).rejects.toMatchObject({ line: end + 1 });
      await expect(loadDataset(path("rows"), { threads, skipBadRows: 1 })).rejects.toMatchObject({
        code: "too-many-bad-rows",
        line: end + 1,
      });
      const skipped = await loadDataset(path("rows"), { threads, skipBadRows: 2 });
      expect(skipped).toMatchObject({ rows: 2 * end, skippedRows: 2 });
    },
  );

  test.each([1, 3])("a failure gives back the memory, with %d threads", async (threads) => {
    const { path } = folderOf({ bad: `${text}1 x\n${text}`, good: text });
    const good = await loadDataset(path("good"), { threads });
    const first = loadDataset(path("bad"), { threads, arena: good.arena });
    await expect(first).rejects.toThrow(`found "x"`);
    const before = good.arena.bytes;
    for (let i = 0; i < 3; i++) {
      const again = loadDataset(path("bad"), { threads, arena: good.arena });
      await expect(again).rejects.toThrow(`found "x"`);
    }
    expect(good.arena.bytes - before).toBeLessThan(2 * chunkBytes);
  });
});

describe("rows in memory", () => {
  test("CSR arrays and rows give what the same text gives", async () => {
    const { path } = folderOf({ text: small });
    const expected = rowsOf((await loadDataset(path("text"))).blocks);
    const csr = {
      rowStart: Uint32Array.of(0, 2, 3),
      index: Uint32Array.of(1, 3, 2),
      value: Float32Array.of(0.5, 1, 0.25),
      label: Float32Array.of(1, -1),
    };
    const rows = [
      { label: 1, index: [1, 3], value: [0.5, 1] },
      { label: -1, index: [2], value: [0.25] },
    ];
    async function* later() {
      yield* rows;
    }
    for (const source of [csr, rows, new Set(rows), later()]) {
      expect(rowsOf((await loadDataset(source)).blocks)).toEqual(expected);
    }
  });

  test.each([
    [[{ label: 1, index: [2, 2], value: [1, 1] }], "rows:1: found id 2 after 2"],
    [[{ label: 1, index: [1.5], value: [1] }], "found id 1.5, expected a whole number"],
    [[{ label: 1, index: [1], value: [Number.NaN] }], "found value NaN of id 1"],
    [[{ label: 1, index: [1], value: [1e39] }], "found value 1e+39 of id 1"],
    [[{ label: Number.POSITIVE_INFINITY, index: [], value: [] }], "found label Infinity"],
    [[{ index: [1], value: [1] }], "found label undefined"],
    [[{ label: 1, index: [1], value: [] }], "found 1 ids and 0 values"],
    [{ rowStart: [0, 2], index: [1], value: [1], label: [1] }, "found rowStart of 2 offsets"],
    [{ rowStart: [0, 1], index: [1], value: [], label: [1] }, "found 0 values"],
    [{ rowStart: [0, 1], index: [1], value: [1], label: [] }, "found 0 labels"],
    [[], "found no names of files"],
    [new Set<never>(), "rows: found nothing, expected at least one row"],
  ])("%j: %s", async (source, message) => {
    await expect(loadDataset(source)).rejects.toThrow(message);
  });
});

describe("data that goes with a model", () => {
  const like = { width: 3, indexBase: 1 as const, labels: undefined };

  test("ids the model never saw are dropped and counted", async () => {
    const { path } = folderOf({ test: "1 1:1 3:1 900:1\n0 2:1\n" });
    const data = await loadDataset(path("test"), { like });
    expect(rowsOf(data.blocks).map(({ index }) => index)).toEqual([[1], [2]]);
    expect(data).toMatchObject({ width: 3, indexBase: 1, unseenIds: 2 });
    const memory = await loadDataset([{ label: 1, index: [1, 3], value: [1, 1] }], { like });
    expect(memory).toMatchObject({ nonZeros: 1, unseenIds: 1 });
  });

  test("a label that training had not is an error", async () => {
    const { path } = folderOf({ train: small, test: "2 1:1\n" });
    const train = await loadDataset(path("train"));
    await expect(loadDataset(path("test"), { like: train })).rejects.toThrow(
      "found label 2, expected the labels of the training data, -1 and 1",
    );
  });

  test("one class only in the test rows keeps the labels of training", async () => {
    const { path } = folderOf({ train: small, test: "1 1:1\n" });
    const train = await loadDataset(path("train"));
    const test = await loadDataset(path("test"), { like: train, arena: train.arena });
    expect(test.labels).toEqual(train.labels);
    expect(test.blocks[0]!.buffer).toBe(train.arena.buffer);
  });

  test("rows may come without labels where they are optional", async () => {
    const { path } = folderOf({ rows: "1:0.5 2:1\n1 1:0.5 2:1\n" });
    const data = await loadDataset(path("rows"), { labels: "optional" });
    const [first, second] = rowsOf(data.blocks);
    expect(first).toEqual({ ...second, id: 0, label: Number.NaN });
  });
});

describe("bad rows that may be skipped", () => {
  const text = "1 1:1\n1 2:1 1:1\n\n# 3\n0 x:1\n0 3:1\n";

  test("are counted, keep their row id, and the rest is as without them", async () => {
    const { path } = folderOf({ rows: text });
    const data = await loadDataset(path("rows"), { skipBadRows: 2 });
    expect(data).toMatchObject({ rows: 2, skippedRows: 2, width: 4 });
    expect(rowsOf(data.blocks).map(({ id }) => id)).toEqual([0, 3]);
  });

  test("more of them than allowed are an error that names the first ones", async () => {
    const { path } = folderOf({ rows: text });
    await expect(loadDataset(path("rows"), { skipBadRows: 1 })).rejects.toMatchObject({
      code: "too-many-bad-rows",
      line: 2,
      column: 7,
      message: expect.stringContaining(`more than 1 bad rows in all, as in ${path("rows")}:5`),
    });
  });
});

describe("synthetic sets", () => {
  test("are the same for the same settings and differ with the seed", async () => {
    const name = "synthetic:news:rows=200,columns=300,seed=3";
    const [first, again] = [await loadDataset(name), await loadDataset(name)];
    expect(rowsOf(again.blocks)).toEqual(rowsOf(first.blocks));
    expect(first).toMatchObject({ rows: 200, labels: { kind: "binary" } });
    const other = await loadDataset("synthetic:news:rows=200,columns=300,seed=4");
    expect(rowsOf(other.blocks)).not.toEqual(rowsOf(first.blocks));
  });

  test("news rows have length 1, ascending ids, and both classes at least 35 % of the rows", () => {
    let positives = 0;
    for (const { label, index, value } of newsRows({ rows: 2_000, columns: 500, seed: 1 })) {
      expect(Math.hypot(...value)).toBeCloseTo(1, 5);
      expect(index.every((id, i) => i === 0 || id > index[i - 1]!)).toBe(true);
      if (label === 1) positives++;
    }
    expect(positives).toBeGreaterThan(700);
    expect(positives).toBeLessThan(1300);
  });

  test("known-optimum has one entry a row", () => {
    const rows = [...knownOptimumRows({ rows: 4, columns: 2, seed: 0 })];
    expect(rows.map(({ label }) => label)).toEqual([1, -1, 1, -1]);
  });

  test.each([
    ["synthetic:nws", 'found "nws", expected one of news, known-optimum'],
    ["synthetic:news:row=3", "found row=3, expected one of rows, columns, seed"],
    ["synthetic:news:rows=x", "found rows=x, expected a whole number"],
  ])("%s: %s", async (name, message) => {
    await expect(loadDataset(name)).rejects.toThrow(message);
  });
});

test("loading stops at a signal and gives its memory back", async () => {
  const { path } = folderOf({ text: largeText() });
  const data = await loadDataset(path("text"));
  const before = data.arena.bytes;
  const abort = new AbortController();
  const loading = loadDataset(path("text"), {
    arena: data.arena,
    signal: abort.signal,
    onProgress: () => abort.abort(),
  });
  await expect(loading).rejects.toThrow("aborted");
  expect(data.arena.bytes - before).toBeLessThan(2 * chunkBytes);
});

test("any rows survive the way through text", async () => {
  const row = fc.record({
    label: fc.constantFrom(0, 1),
    entries: fc.uniqueArray(
      fc.tuple(fc.nat(100_000), fc.float({ noNaN: true, noDefaultInfinity: true })),
      { selector: ([id]) => id, maxLength: 10 },
    ),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 10 }), async (list) => {
      const rows = list.map(({ label, entries }) => {
        const sorted = entries.toSorted(([a], [b]) => a - b);
        return { label, index: sorted.map(([id]) => id), value: sorted.map(([, x]) => x + 0) };
      });
      const lines = rows.map(({ label, index, value }) =>
        [label, ...index.map((id, i) => `${id}:${value[i]}`)].join(" "),
      );
      const { path } = folderOf({ text: lines.join("\n") });
      const loaded = rowsOf((await loadDataset(path("text"))).blocks);
      expect(loaded).toEqual(rows.map((r, id) => ({ id, ...r })));
    }),
    { numRuns: 30 },
  );
});

test("rows that do not fit the memory are in no file that others could read", async () => {
  const { path } = folderOf({ text: small.repeat(100) });
  const options = { residence: "auto", memoryBytes: 1, cache: "off" } as const;
  const { source, file } = await loadDataset(path("text"), options);
  expect(source.resident).toBe(false);
  expect(file).toBeNull();
  source.close();
});

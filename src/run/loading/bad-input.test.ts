/** Each way in which input can be bad gives one line that says where, found, expected, what to do. */
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { folderOf } from "../../../test/support-files.ts";
import { zstdFrame, zstdText } from "../../../test/support-zstd.ts";
import { InputError } from "../../data/input-error.ts";
import { type LoadOptions, loadDataset } from "../load.ts";

async function failureOf(source: string | string[], options?: LoadOptions): Promise<InputError> {
  const error = await loadDataset(source, options).catch((reason) => reason);
  expect(error).toBeInstanceOf(InputError);
  expect(error.message, "one line").not.toContain("\n");
  expect(error.hint, "what to do").not.toBe("");
  return error;
}

describe("rows", () => {
  const good = "1 1:1 2:1\n".repeat(3);
  test.each([
    ["-1 3:1 2:1", 'bad:4:8: found "2:1" after "3:1", expected ids in ascending order'],
    ["-1 3:1 3:2", 'bad:4:8: found "3:2" after "3:1", expected each id once'],
    ["-1 3:nan", 'bad:4:6: found "nan", expected a finite value'],
    ["-1 3:-inf", 'bad:4:6: found "-inf", expected a finite value'],
    ["-1 3:1e50", 'bad:4:6: found "1e50", expected a value below 3.4e38'],
    ["-1 3 4:1", 'bad:4:4: found "3", expected a colon and a value'],
    ["-1 3: 4:1", "bad:4:6: found nothing, expected a number after the colon"],
    ["-1 3:x", 'bad:4:6: found "x", expected a number after the colon'],
    ["-1 268435456:1", 'bad:4:4: found "268435456:1", expected an id of at most 268435455'],
    ["-1 -3:1", 'bad:4:4: found "-3:1", expected id:value with a whole number as id'],
    ["spam 3:1", 'bad:4:1: found "spam", expected a number as label'],
    ["nan 3:1", 'bad:4:1: found "nan", expected a finite label'],
    ["3:1 4:1", 'bad:4:1: found "3:1", expected a label before the first id:value'],
    ["1,2 3:1", 'bad:4:1: found "1,2", expected a number as label'],
    ["-1 3:1 \0\0", "bad:4:8: found byte 0x00, expected svmlight text"],
    ["-1 3:1\r-1 4:1", "bad:4:7: found a carriage return without a line feed"],
  ])("%j", async (row, message) => {
    const { folder } = folderOf({ bad: `${good}${row}\n${good}` });
    const error = await failureOf(`${folder}/bad`);
    expect(error.message).toContain(`${folder}/${message}`);
    expect(error).toMatchObject({ code: "bad-row", file: `${folder}/bad`, line: 4 });
  });

  test("lines are counted over chunks of 8 MiB", async () => {
    const lines = 900_000;
    const { folder } = folderOf({ bad: `${"1 1:1 2:1\n".repeat(lines)}1 x\n` });
    expect((await failureOf(`${folder}/bad`)).line).toBe(lines + 1);
  });
});

test.each([
  ["an image", Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "latin1"), "found byte 0x89"],
  ["zeros", Buffer.alloc(1000), "found byte 0x00"],
  ["UTF-16", Buffer.from("\ufeff1 1:1\n", "utf16le"), "found UTF-16 text"],
  ["a page", Buffer.from("<!doctype html>\n"), 'found "<!doctype"'],
  ["a table", Buffer.from("label,a,b\n1,2,3\n"), 'found "label,a,b"'],
])("binary rubbish: %s", async (_, content, found) => {
  const { path } = folderOf({ file: content });
  expect((await failureOf(path("file"))).message).toContain(found);
});

describe("nothing to read", () => {
  test("an empty file", async () => {
    const { path } = folderOf({ empty: "" });
    expect((await failureOf(path("empty"))).message).toContain(
      "empty: found nothing, expected at least one row",
    );
  });

  test("a file of comments only", async () => {
    const { path } = folderOf({ comments: "# a\n\n# b\n" });
    expect((await failureOf(path("comments"))).message).toContain("found no rows");
  });

  test("a folder without files", async () => {
    const { folder } = folderOf({ ".hidden": "1 1:1" });
    expect((await failureOf(folder)).message).toContain("found a folder without data files");
  });

  test("a file that is missing, with the nearest name that is there", async () => {
    const { path } = folderOf({ "news.svm": "1 1:1\n" });
    const error = await failureOf(path("nwes.svm"));
    expect(error).toMatchObject({
      code: "missing-file",
      hint: `did you mean ${path("news.svm")}?`,
    });
  });

  test("a folder that is missing", async () => {
    const { path } = folderOf({});
    expect((await failureOf(path("no/file"))).message).toContain("found no such folder as");
  });

  test("a pattern that matches nothing", async () => {
    const { path } = folderOf({});
    expect((await failureOf(path("*.svm"))).message).toContain("found no file that matches");
  });

  test("standard input named twice", async () => {
    expect((await failureOf(["-", "-"])).message).toContain("standard input named twice");
  });

  test.skipIf(process.getuid?.() === 0)(
    "a file without permission to read it (skipped for root, who may)",
    async () => {
      const { path } = folderOf({ secret: "1 1:1\n" });
      chmodSync(path("secret"), 0);
      expect((await failureOf(path("secret"))).message).toContain("found no permission to read it");
    },
  );
});

/** Enough text that it does not compress into one piece. */
const text = Array.from(
  { length: 50_000 },
  (_, i) => `${i % 2} 1:0.${(i * 7919) % 100_003} 2:0.${(i * 104_729) % 99_991}\n`,
).join("");

describe("compressed files", () => {
  const zipped = gzipSync(text);

  test.each([0.01, 0.5, 0.99])("gzip that ends at %d of its length", async (share) => {
    const { path } = folderOf({ cut: zipped.subarray(0, Math.floor(share * zipped.length)) });
    expect((await failureOf(path("cut"))).message).toContain(
      "found gzip data that ends too early, expected a complete gzip file",
    );
  });

  test("gzip without its last byte", async () => {
    const { path } = folderOf({ cut: zipped.subarray(0, -1) });
    expect((await failureOf(path("cut"))).code).toBe("damaged-file");
  });

  test.each([0.1, 0.3, 0.5, 0.7, 0.9, 1])("gzip with a byte flipped at %d of it", async (share) => {
    const flipped = Buffer.from(zipped);
    const at = Math.floor(share * (flipped.length - 5));
    flipped[at] = flipped[at]! ^ 0x10;
    const { path } = folderOf({ flipped });
    // The rows before the damage may be found bad first: either way the file is refused.
    expect(["damaged-file", "bad-row"]).toContain((await failureOf(path("flipped"))).code);
  });

  test.each([1, 0xff])(
    "a second gzip member whose first byte became %d, or nothing",
    async (byte) => {
      for (const first of [byte, 0]) {
        const second = Buffer.from(gzipSync("1 1:1\n"));
        second[0] = first;
        const { path } = folderOf({ two: Buffer.concat([gzipSync("1 1:1\n"), second]) });
        expect((await failureOf(path("two"))).code).toBe("damaged-file");
      }
    },
  );

  test("zeros behind the last gzip member are padding", async () => {
    const { path } = folderOf({ padded: Buffer.concat([gzipSync("1 1:1\n"), Buffer.alloc(512)]) });
    expect((await loadDataset(path("padded"))).rows).toBe(1);
  });

  test("zstd: real frames, frames behind each other, frames to skip", async () => {
    const skipped = Buffer.from("502a4d1803000000616263", "hex");
    const frames = [zstdText.bytes, skipped, zstdFrame("1 1:1\n"), zstdFrame("0 2:1\n")];
    const { path } = folderOf({ frames: Buffer.concat(frames) });
    expect((await loadDataset(path("frames"))).rows).toBe(zstdText.rows + 2);
  });

  test("zstd that ends too early, at any byte", async () => {
    for (let length = 4; length < zstdText.bytes.length; length += 5) {
      const { path } = folderOf({ cut: zstdText.bytes.subarray(0, length) });
      expect((await failureOf(path("cut"))).message, `${length} bytes`).toContain(
        "zstd data that ends too early",
      );
    }
  });

  test("zstd with any byte flipped is refused, or was not data", async () => {
    for (let at = 5; at < zstdText.bytes.length; at += 3) {
      const flipped = Buffer.from(zstdText.bytes);
      flipped[at] = flipped[at]! ^ 0x04;
      const { path } = folderOf({ flipped });
      const error = await failureOf(path("flipped"));
      expect(["damaged-file", "bad-row"], `byte ${at}`).toContain(error.code);
    }
  });

  test("rubbish behind a zstd frame", async () => {
    const { path } = folderOf({
      rest: Buffer.concat([zstdFrame("1 1:1\n"), Buffer.from("abcde")]),
    });
    expect((await failureOf(path("rest"))).message).toContain("bytes that start no frame");
  });
});

describe("a pipe with a name", () => {
  const pipe = (path: string) => execFileSync("mkfifo", [path]);

  test.each(["plain", "gzip"])("is opened once, and read as a stream: %s", async (form) => {
    const { path } = folderOf({});
    pipe(path("pipe"));
    const rows = "1 1:1\n0 2:1\n";
    const written = writeFile(path("pipe"), form === "gzip" ? gzipSync(rows) : rows);
    expect((await loadDataset(path("pipe"), { cache: "on" })).rows).toBe(2);
    await written;
  });

  test("without a writer is no wait that a signal cannot end", async () => {
    const { path } = folderOf({});
    pipe(path("pipe"));
    const signal = AbortSignal.timeout(50);
    await expect(loadDataset(path("pipe"), { signal })).rejects.toThrow("timeout");
  });
});

describe("a file that changes while it is read", () => {
  const changes: [string, (file: string) => void][] = [
    ["grows", (file) => appendFileSync(file, "1 1:1\n")],
    ["shrinks", (file) => truncateSync(file, 100)],
    ["vanishes", (file) => rmSync(file)],
    [
      "is replaced",
      (file) => {
        writeFileSync(`${file}.new`, text);
        renameSync(`${file}.new`, file);
      },
    ],
    ["is touched", (file) => utimesSync(file, 1, 1)],
  ];

  test.each(changes)("%s", async (_, change) => {
    for (const content of [text.repeat(10), gzipSync(text.repeat(10))]) {
      const { path } = folderOf({ file: content });
      let changed = false;
      const error = await failureOf(path("file"), {
        onProgress: () => {
          if (!changed) change(path("file"));
          changed = true;
        },
      });
      expect(["changed-file", "damaged-file"]).toContain(error.code);
    }
  });
});

describe("topics", () => {
  const rows = "7  1:0.5 2:1\n8  2:1\n";

  test("one of topics and topic without the other", async () => {
    const { path } = folderOf({ rows, topics: "CCAT 7 1\nGCAT 8 1\n" });
    expect((await failureOf(path("rows"), { topics: path("topics") })).message).toContain(
      "without --topic,",
    );
    expect((await failureOf(path("rows"), { topic: "CCAT" })).message).toContain(
      "found --topic CCAT without --topics",
    );
  });

  test("a document id that is none", async () => {
    const { path } = folderOf({ rows: `${rows}x  1:1\n`, topics: "CCAT 7 1\nGCAT 8 1\n" });
    const error = await failureOf(path("rows"), { topics: path("topics"), topic: "CCAT" });
    expect(error.message).toContain('rows:3:1: found "x", expected a document id');
  });

  test("a document without topics", async () => {
    const { path } = folderOf({ rows, topics: "CCAT 7 1\n" });
    const error = await failureOf(path("rows"), { topics: path("topics"), topic: "CCAT" });
    expect(error.message).toContain(`found document 8 without a line in ${path("topics")}`);
  });
});

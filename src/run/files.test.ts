import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  checkWritable,
  describeFileError,
  FileError,
  makeFolder,
  writeFileAtomic,
} from "./files.ts";

const folder = mkdtempSync(join(tmpdir(), "glissade-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("writeFileAtomic", () => {
  test("replaces a file whole, and leaves nothing else behind", async () => {
    const path = join(folder, "a");
    await writeFileAtomic(path, "one");
    await writeFileAtomic(path, new Uint8Array([116, 119, 111]));
    expect(readFileSync(path, "utf8")).toBe("two");
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("a reader that looks all the time sees the old or the new bytes, never half", async () => {
    const path = join(folder, "b");
    const texts = ["x".repeat(300_000), "y".repeat(200_000)];
    await writeFileAtomic(path, texts[0]!);
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 20; i++) await writeFileAtomic(path, texts[i % 2]!);
      writing = false;
    })();
    let reads = 0;
    while (writing) {
      expect(texts).toContain(readFileSync(path, "utf8"));
      reads++;
      await new Promise((resume) => setImmediate(resume));
    }
    await writer;
    expect(reads).toBeGreaterThan(5);
  });

  test("where it fails the error names the file, and the old file is untouched", async () => {
    const path = join(folder, "c");
    writeFileSync(path, "file");
    const wrong = join(path, "below");
    await expect(writeFileAtomic(wrong, "x")).rejects.toThrow(FileError);
    await expect(writeFileAtomic(wrong, "x")).rejects.toThrow(
      `${wrong}: a part of this path is a file, expected folders: check the path`,
    );
    expect(readFileSync(path, "utf8")).toBe("file");
  });

  test("a link is followed: it stays, and its file is replaced", async () => {
    writeFileSync(join(folder, "target"), "old");
    symlinkSync("target", join(folder, "link"));
    await writeFileAtomic(join(folder, "link"), "new");
    expect(lstatSync(join(folder, "link")).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder, "target"), "utf8")).toBe("new");
  });

  test("a device takes the bytes as they come", async () => {
    await writeFileAtomic("/dev/null", "x");
    await expect(writeFileAtomic("/dev/full", "x")).rejects.toThrow("the disk is full");
  });
});

test("checkWritable leaves no trace, and does not touch a file that is there", async () => {
  const path = join(folder, "d");
  await checkWritable(path);
  expect(existsSync(path)).toBe(false);
  writeFileSync(path, "kept");
  await checkWritable(path);
  expect(readFileSync(path, "utf8")).toBe("kept");
  await expect(checkWritable(folder)).rejects.toThrow("this is a folder, expected a file");
  await expect(checkWritable(join(folder, "none/x"))).rejects.toThrow("its folder does not exist");
});

test("makeFolder makes all folders on the way, and is content with those that are there", async () => {
  const path = join(folder, "e/f/g");
  await makeFolder(path);
  await makeFolder(path);
  expect(existsSync(path)).toBe(true);
  writeFileSync(join(path, "file"), "");
  await expect(makeFolder(join(path, "file"))).rejects.toThrow(FileError);
});

test.each(["EACCES", "EROFS", "ENOSPC", "EDQUOT", "EISDIR", "ENOENT", "EMFILE", "ENAMETOOLONG"])(
  "%s is said in words, with what to do",
  (code) => {
    const text = describeFileError(Object.assign(new Error("raw"), { code }), "write");
    expect(text).toMatch(/: (free|choose|create|add|raise|check)/);
    expect(text).not.toContain("raw");
  },
);

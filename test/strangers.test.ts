/** Files of strangers: what they claim is checked before it is used. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { blockByteLength, createBlock, rowsFault } from "../src/data/block.ts";
import { decodeTensors } from "../src/model/safetensors.ts";
import { unzstd } from "../src/run/loading/zstd.ts";
import { glissade, temporaryFolder } from "./e2e/support.ts";

function block(rowStart: readonly number[], index: readonly number[], width: number) {
  const shape = { rows: rowStart.length - 1, nonZeros: index.length, width, rowIdBase: 0 };
  const made = createBlock(new ArrayBuffer(blockByteLength(shape)), 0, shape);
  made.rowStart.set(rowStart);
  made.index.set(index);
  return made;
}

test("a block whose rows or indices lead out of it is refused, whatever its checksum says", () => {
  expect(rowsFault(block([0, 1, 3], [1, 5, 9], 10))).toBeNull();
  expect(rowsFault(block([0], [], 0))).toBeNull();
  expect(rowsFault(block([0, 1, 3], [1, 5, 10], 10))).toMatch(
    /feature 10 in a block of 10 columns/,
  );
  expect(rowsFault(block([0, 1], [0], 0))).toMatch(/feature 0/);
  expect(rowsFault(block([0, 4, 3], [1, 5, 9], 10))).toMatch(/ends before it begins/);
  expect(rowsFault(block([1, 2, 3], [1, 5, 9], 10))).toMatch(/do not fill/);
  expect(rowsFault(block([0, 1, 2 ** 32 - 1], [1, 5, 9], 10))).toMatch(/do not fill/);
});

test("tensors that lie over each other are refused: a small file would take any amount of memory", () => {
  const codec = {
    encode: (text: string) => new TextEncoder().encode(text),
    decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
  };
  const entries = Array.from({ length: 50 }, (_, k) => [
    `t${k}`,
    { dtype: "F32", shape: [4], data_offsets: [0, 16] },
  ]);
  const header = codec.encode(JSON.stringify(Object.fromEntries(entries)));
  const file = new Uint8Array(8 + header.length + 16);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  expect(() => decodeTensors(file, codec)).toThrow(/lie over each other/);
});

test("a zstd frame that asks for a gigabyte of memory is refused before it is given", async () => {
  const header = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, (30 - 10) << 3, 1, 0, 0);
  const read = async () => {
    for await (const piece of unzstd(one(header), undefined)) void piece;
  };
  await expect(read()).rejects.toThrow(/needs 1073741824 bytes of memory/);
});

async function* one(bytes: Uint8Array) {
  yield bytes;
}

test("text that grows a thousandfold is refused, with what to do", async () => {
  const cwd = temporaryFolder();
  const line = Buffer.from("1 1:1\n-1 2:1\n");
  const text = Buffer.alloc(line.length * 5_300_000, line);
  writeFileSync(join(cwd, "bomb.svm.gz"), gzipSync(text, { level: 9 }));
  const { code, stderr } = await glissade(["inspect", "bomb.svm.gz"], { cwd });
  expect(code).toBe(1);
  expect(stderr).toMatch(/bomb\.svm\.gz: .*at most 200 times the size.*--limits growth=N/s);
  const other = await glissade(["inspect", "bomb.svm.gz", "--limits", "growth=1e6"], { cwd });
  expect([other.code, other.stderr]).toEqual([0, expect.not.stringMatching(/times the size/)]);
});

function record(cwd: string, settings: object): string {
  const folder = join(cwd, "runs", "20260101-000000000-abcd");
  mkdirSync(folder, { recursive: true });
  const manifest = {
    ...{ glissade: "1", command: "train", run: "20260101-000000000-abcd" },
    ...{ process: 999_999_999, result: null },
    ...{ settings, inputs: ["rows.svm"], workingFolder: cwd },
  };
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
  return folder;
}

test("--resume follows no link, runs no program and replaces no file that is no model", async () => {
  const cwd = temporaryFolder();
  const resume = () => glissade(["train", "--resume", "latest"], { cwd });
  const folder = record(cwd, { strategy: { value: "./theirs.ts", from: "flag", where: "" } });
  expect((await resume()).stderr).toMatch(/its strategy is the program \.\/theirs\.ts/);
  writeFileSync(join(cwd, "precious.txt"), "mine");
  record(cwd, { model: { value: join(cwd, "precious.txt"), from: "flag", where: "" } });
  expect((await resume()).stderr).toMatch(/precious\.txt, where the run's model goes, is no model/);
  symlinkSync(join(cwd, "precious.txt"), join(folder, "error.json"));
  const linked = await resume();
  expect([linked.code, linked.stderr]).toEqual([
    2,
    expect.stringMatching(/error\.json is a symbolic link/),
  ]);
});

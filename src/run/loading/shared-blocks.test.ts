/** Files that a coordinator names: which of them a worker reads. */
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { blockOf } from "../../../test/support-blocks.ts";
import { folderOf } from "../../../test/support-files.ts";
import { blockFileHeaderBytes } from "../../data/block-file.ts";
import { Arena } from "../../kernels/arena.ts";
import { BlockFileWriter } from "./block-writer.ts";
import { openSharedBlocks } from "./shared-blocks.ts";

const meant = { split: { share: 0, seed: 0 }, trainRows: [1], constantColumn: null };

/** A block file of one row; returns the checksum of its manifest. */
function write(path: string, { skippedRows }: { skippedRows: number }): string {
  const arena = new Arena();
  const writer = new BlockFileWriter(arena, path);
  const block = blockOf(arena, [{ label: 1, index: [1], value: [1] }], 0);
  writer.add(block);
  const { width } = block;
  return writer.finish({
    ...{ rows: 1, nonZeros: 1, width, indexBase: 1, skippedRows, fingerprint: "sha256:0" },
    labels: { kind: "binary", negative: -1, positive: 1 },
    sources: [{ name: "one", bytes: 1, rows: 1, skippedRows }],
    origin: null,
  }).manifestChecksum;
}

test("a file is the one that is meant if its manifest is, whatever it was made of and when", () => {
  vi.useFakeTimers({ now: 0, toFake: ["Date"] });
  const { path } = folderOf({});
  const manifestChecksum = write(path("rows"), { skippedRows: 0 });
  using reader = openSharedBlocks({ ...meant, path: path("rows"), manifestChecksum });
  expect(reader.read(0).rows).toHaveLength(1);
  write(path("rows"), { skippedRows: 1 });
  vi.useRealTimers();
  const open = () => openSharedBlocks({ ...meant, path: path("rows"), manifestChecksum });
  expect(open).toThrow("the file there is another one");
});

test("a pipe is not opened: it would be waited for, for ever", () => {
  const { path } = folderOf({});
  execFileSync("mkfifo", [path("pipe")]);
  // Somebody who writes, so that whoever opens it after all does not wait.
  const writer = openSync(path("pipe"), constants.O_RDWR | constants.O_NONBLOCK);
  try {
    writeSync(writer, new Uint8Array(blockFileHeaderBytes));
    const open = () => openSharedBlocks({ ...meant, path: path("pipe"), manifestChecksum: "0" });
    expect(open).toThrow("what is there is no file");
  } finally {
    closeSync(writer);
  }
});

test.each(["\\\\host\\share\\rows.blocks", "//host/share/rows.blocks", "\\\\.\\pipe\\rows"])(
  "a path that names another machine is not looked at: %s",
  (path) => {
    const open = () => openSharedBlocks({ ...meant, path, manifestChecksum: "0" });
    expect(open).toThrow("the path names another machine");
  },
);

/** What a user may name as input, and what is said of bad input, from outside. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { zstdText } from "../support-zstd.ts";
import { cli, glissade, lastObject, temporaryFolder } from "./support.ts";

const rows = Array.from({ length: 60 }, (_, i) => {
  const label = i % 2 === 0 ? "+1" : "-1";
  return `${label} ${1 + (i % 2)}:1 ${3 + (i % 7)}:0.5\n`;
}).join("");

test("plain, gzip and zstd rows are trained from standard input", async () => {
  const cwd = temporaryFolder();
  for (const input of [rows, gzipSync(rows), zstdText.bytes]) {
    const { code, stdout, stderr } = await glissade(["train", "-", "--json"], { cwd, input });
    expect(code, stderr).toBe(0);
    expect(lastObject(stdout).error).toBeNull();
  }
});

test("LYRL2004 vectors are trained with a topic, and the model predicts svmlight rows", async () => {
  const cwd = temporaryFolder();
  const vectors = rows.replaceAll(/^[+-]1 /gm, (_, at: number) => `${at + 1000}  `);
  const topics = [...rows.matchAll(/^([+-])1/gm)]
    .flatMap(({ 1: sign, index }) => [
      `ECAT ${index + 1000} 1`,
      ...(sign === "+" ? [`CCAT ${index + 1000} 1`] : []),
    ])
    .join("\n");
  writeFileSync(join(cwd, "vectors.dat"), vectors);
  writeFileSync(join(cwd, "topics.gz"), gzipSync(topics));
  const words = ["train", "vectors.dat", "--topics", "topics.gz", "--topic", "CCAT"];
  const trained = await glissade([...words, "--model", "m.safetensors"], { cwd });
  expect(trained.code, trained.stderr).toBe(0);
  const { stdout } = await glissade(["predict", "m.safetensors", "-"], { cwd, input: rows });
  expect(stdout.split("\n").slice(0, 4)).toEqual(["1", "-1", "1", "-1"]);
});

test("a pipe that the shell names as a file is read like a file", () => {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, "rows.svm"), rows);
  const line = `"${process.execPath}" "${cli}" train <(cat rows.svm) --json`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", line], { cwd, encoding: "utf8" });
  expect(status, stderr).toBe(0);
  expect(lastObject(stdout)).toMatchObject({ status: "done" });
});

test.each([
  ["1 2:1 1:1\n", 'bad.svm:3:7: found "1:1" after "2:1", expected ids in ascending order'],
  ["1 2:nan\n", 'bad.svm:3:5: found "nan", expected a finite value'],
  ["\u0000\u0001\n", "bad.svm:3:1: found byte 0x00, expected svmlight text"],
])("%j ends with one line, no stack, and exit code 1", async (row, message) => {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, "bad.svm"), `1 1:1\n0 2:1\n${row}`);
  const { code, stderr, stdout } = await glissade(["train", "bad.svm", "--json"], { cwd });
  expect(code).toBe(1);
  expect(stderr).toContain(`glissade: ${message}`);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(lastObject(stdout).error).toMatchObject({ file: "bad.svm", line: 3 });
});

test("--skip-bad-rows counts bad rows and goes on", async () => {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, "some.svm"), `${rows}1 x:1\n${rows}1 3:\n`);
  const words = ["train", "some.svm", "--json", "--skip-bad-rows"];
  const enough = await glissade([...words, "2"], { cwd });
  expect(enough.code, enough.stderr).toBe(0);
  expect(enough.stderr).toContain("2 bad rows");
  const tooFew = await glissade([...words, "1"], { cwd });
  expect(tooFew.code).toBe(1);
  expect(tooFew.stderr).toContain("some.svm:61:3:");
});

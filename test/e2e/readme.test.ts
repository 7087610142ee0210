/** The README is true: its commands run as they stand, and so does its program. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { glissade, temporaryFolder } from "./support.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");

/** The files that the README's commands name: 300 rows with two kinds of words. */
function folderWithFiles(): string {
  const folder = temporaryFolder();
  const row = (k: number) => `${1 + (k % 2)}:${1 + (k % 5)} ${3 + (k % 40)}:0.5`;
  const lines = (label: (k: number) => string) =>
    Array.from({ length: 300 }, (_, k) => `${label(k)} ${row(k)}\n`).join("");
  const svm = lines((k) => (k % 2 ? "+1" : "-1"));
  writeFileSync(join(folder, "news.svm"), svm);
  writeFileSync(join(folder, "new.svm"), svm);
  writeFileSync(join(folder, "news.svm.gz"), gzipSync(svm));
  writeFileSync(
    join(folder, "vectors.dat"),
    lines((k) => `${k + 1} `),
  );
  const topics = Array.from({ length: 300 }, (_, k) => `${k % 2 ? "CCAT" : "GCAT"} ${k + 1} 1\n`);
  writeFileSync(join(folder, "topics.qrels"), topics.join(""));
  return folder;
}

test("every glissade command of the README runs", async () => {
  const cwd = folderWithFiles();
  const commands = [...readme.matchAll(/^glissade (.*)$/gm)].map(([, rest]) =>
    rest!
      .replace(/ +[#>].*$/, "")
      .trim()
      .split(/ +/),
  );
  expect(commands.length).toBeGreaterThanOrEqual(7);
  for (const args of commands) {
    const { code, stderr } = await glissade(args, { cwd });
    expect(code, `glissade ${args.join(" ")}\n${stderr}`).toBe(0);
  }
});

test("the README's program runs", () => {
  const cwd = folderWithFiles();
  const blocks = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code!);
  const program = blocks.find((code) => code.includes('from "glissade"'))!;
  const local = program.replace('"glissade"', JSON.stringify(join(root, "dist/index.js")));
  writeFileSync(join(cwd, "program.mjs"), local);
  const printed = execFileSync(process.execPath, ["program.mjs"], { cwd, encoding: "utf8" });
  expect(printed).toMatch(/^1 0\.\d+/);
});

test("the commands that set up are scripts of the package, and CI runs both", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const ci = readFileSync(join(root, ".ci/run"), "utf8");
  expect(readme).toMatch(/npm ci && npm run demo/);
  for (const command of ["npm ci", "npm run demo", "npm test"]) expect(ci).toContain(command);
  for (const name of ["demo", "test"]) expect(scripts[name]).toBeDefined();
});

/** Block files and caches as a user meets them: made, used by themselves, made again when they must be. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { canMount, fill, mountMemory } from "./mount.ts";
import { glissade, lastObject, temporaryFolder } from "./support.ts";

/** Rows that can be told apart by their first two ids. */
function newsText(rows: number): string {
  let text = "";
  for (let row = 0; row < rows; row++) {
    const positive = row % 3 === 0;
    text += `${positive ? 1 : -1} ${positive ? 1 : 2}:1 ${3 + (row % 50)}:0.5 ${60 + (row % 7)}:0.25\n`;
  }
  return text;
}

function inFolder(rows = 3000) {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, "news.svm"), newsText(rows));
  mkdirSync(join(cwd, "caches"));
  const env = { XDG_CACHE_HOME: join(cwd, "caches") };
  const run = (...args: string[]) => glissade(args, { cwd, env });
  const train = (...args: string[]) => run("train", ...args, "--l2", "1e-3");
  const caches = () => {
    const folder = join(cwd, "caches", "glissade");
    const names = existsSync(folder) ? readdirSync(folder) : [];
    return names.filter((name) => name.endsWith(".blocks")).map((name) => join(folder, name));
  };
  return { cwd, env, run, train, caches, path: (name: string) => join(cwd, name) };
}

/** The tensor of a model file: what follows its header. */
function weightsOf(path: string): Buffer {
  const bytes = readFileSync(path);
  return bytes.subarray(8 + Number(bytes.readBigUInt64LE(0)));
}

describe("convert", () => {
  test("writes a block file beside its source, which gives the weights of the text", async () => {
    const { run, train, path } = inFolder();
    const converted = await run("convert", "news.svm");
    expect([converted.code, converted.stderr]).toEqual([0, ""]);
    expect(converted.stdout).toMatch(/^news\.svm\.blocks: 3,000 rows, .* try: glissade train/);
    await train("news.svm", "-o", "text.model", "--cache", "off");
    const direct = await train("news.svm.blocks", "-o", "blocks.model");
    expect(direct.code).toBe(0);
    expect(weightsOf(path("blocks.model")).equals(weightsOf(path("text.model")))).toBe(true);
  });

  test("its file is taken by predict, evaluate and inspect as the text is", async () => {
    const { run, train } = inFolder();
    await run("convert", "news.svm", "-o", "other.blocks");
    await train("news.svm");
    for (const command of ["predict", "evaluate"]) {
      const text = await run(command, "model.safetensors", "news.svm");
      const blocks = await run(command, "model.safetensors", "other.blocks");
      expect([blocks.code, blocks.stdout]).toEqual([0, text.stdout]);
    }
    const inspected = await run("inspect", "other.blocks", "--json");
    expect(lastObject(inspected.stdout)).toMatchObject({ rows: 3000, columns: 66 });
  });

  test("a folder as target gets a file named after the source; --json tells where it is", async () => {
    const { cwd, run } = inFolder();
    mkdirSync(join(cwd, "fast"));
    const { stdout } = await run("convert", "news.svm", "-o", "fast", "--json");
    expect(lastObject(stdout)).toMatchObject({
      command: "convert",
      blocks: "fast/news.svm.blocks",
    });
    expect(readdirSync(join(cwd, "fast"))).toEqual(["news.svm.blocks"]);
  });

  test("a file that is damaged, cut or of text is refused in one line", async () => {
    const { run, train, path } = inFolder();
    await run("convert", "news.svm", "-o", "good.blocks");
    const bytes = readFileSync(path("good.blocks"));
    writeFileSync(path("cut.blocks"), bytes.subarray(0, bytes.length - 10));
    bytes[5000]! ^= 1;
    writeFileSync(path("damaged.blocks"), bytes);
    for (const name of ["cut.blocks", "damaged.blocks"]) {
      const { code, stderr } = await train(name);
      expect(code).toBe(1);
      expect(stderr).toMatch(new RegExp(`${name}: found .*: make it again with glissade convert`));
    }
  });

  test("standard input needs a name to be written to", async () => {
    const { cwd, env, path } = inFolder();
    const input = readFileSync(path("news.svm"));
    const nameless = await glissade(["convert"], { cwd, env, input });
    expect([nameless.code, nameless.stderr]).toEqual([
      2,
      "glissade: convert: expected one file to name the blocks after, found -: use -o FILE\n",
    ]);
    const named = await glissade(["convert", "-", "-o", "stdin.blocks"], { cwd, env, input });
    expect(named.code).toBe(0);
  });
});

describe("train --cache", () => {
  test("keeps blocks that the next training uses by itself, and names with their age", async () => {
    const { train, caches, path } = inFolder();
    expect((await train("news.svm", "--cache", "-o", "a.model")).stderr).not.toContain("cache");
    expect(caches()).toHaveLength(1);
    const second = await train("news.svm", "-o", "b.model");
    expect(second.stderr).toContain("read 3,000 rows, from cache, less than a minute old");
    expect(second.stderr).toContain(caches()[0]);
    expect(weightsOf(path("a.model")).equals(weightsOf(path("b.model")))).toBe(true);
    expect((await train("news.svm", "--no-cache")).stderr).not.toContain("from cache");
  });

  test("a block file beside the source is found too; damaged, it is named and left alone", async () => {
    const { run, train, path } = inFolder();
    await run("convert", "news.svm");
    expect((await train("news.svm")).stderr).toContain("from cache");
    const bytes = readFileSync(path("news.svm.blocks"));
    bytes[5000]! ^= 1;
    writeFileSync(path("news.svm.blocks"), bytes);
    const { code, stderr } = await train("news.svm");
    expect(code).toBe(0);
    expect(stderr).toMatch(/news\.svm\.blocks: the cache is damaged .* glissade convert/);
    expect(readFileSync(path("news.svm.blocks")).equals(bytes)).toBe(true);
  });

  test("a damaged block file beside the source hides no good one in the cache folder", async () => {
    const { run, train, caches, path } = inFolder();
    await train("news.svm", "--cache");
    await run("convert", "news.svm");
    for (const at of [5000, 3]) {
      const bytes = readFileSync(path("news.svm.blocks"));
      bytes[at]! ^= 1;
      writeFileSync(path("news.svm.blocks"), bytes);
      const { code, stderr } = await train("news.svm");
      expect(code).toBe(0);
      expect(stderr).toContain("news.svm.blocks: the cache is damaged");
      expect(stderr).toContain("from cache");
      expect(stderr).toContain(caches()[0]);
    }
  });

  test("a cache folder that nobody may look into is no reason to stop", async () => {
    const { cwd, env, path } = inFolder();
    symlinkSync("loop", path("loop"));
    const { code, stderr } = await glissade(
      ["train", "news.svm", "--epochs", "1", "--cache", "-o", "a.model"],
      { cwd, env: { ...env, XDG_CACHE_HOME: path("loop") } },
    );
    expect(code).toBe(0);
    expect(stderr).toContain("the cache could not be written");
  });

  test.skipIf(process.getuid?.() === 0)(
    "convert in a read-only folder writes to the cache (skipped for root, who may write everywhere)",
    async () => {
      const { run, train, caches, path } = inFolder();
      mkdirSync(path("fixed"));
      copyFileSync(path("news.svm"), path("fixed/news.svm"));
      chmodSync(path("fixed"), 0o555);
      const { code, stderr } = await run("convert", "fixed/news.svm");
      chmodSync(path("fixed"), 0o755);
      expect(code).toBe(0);
      expect(stderr).toContain("the blocks go to the cache");
      expect(caches()).toHaveLength(1);
      expect((await train("fixed/news.svm")).stderr).toContain("from cache");
    },
  );

  test("a block file among other sources is refused in words", async () => {
    const { run, train } = inFolder();
    await run("convert", "news.svm");
    const { code, stderr } = await train("news.svm.blocks", "news.svm");
    expect([code, stderr]).toEqual([
      1,
      "glissade: news.svm.blocks: found a block file among 2 sources, expected a block file alone: convert all sources together into one: glissade convert FILES -o all.blocks\n",
    ]);
  });

  test("a source that changed is read anew, and other reading options too", async () => {
    const { train, caches, path } = inFolder();
    await train("news.svm", "--cache");
    expect((await train("news.svm", "--skip-bad-rows", "3")).stderr).not.toContain("from cache");
    const before = statSync(path("news.svm"));
    writeFileSync(path("news.svm"), newsText(3000).replace("0.25\n", "0.75\n"));
    utimesSync(path("news.svm"), before.atime, before.mtime);
    const changed = await train("news.svm");
    expect(changed.stderr).not.toContain("from cache");
    expect(caches()).toHaveLength(1);
    expect((await train("news.svm")).stderr).toContain("from cache");
  });

  test("one damaged byte: a warning, the rows are read anew, and the cache is made again", async () => {
    const { train, caches, path } = inFolder();
    await train("news.svm", "--cache", "-o", "a.model");
    const [cache = ""] = caches();
    for (const place of [0.3, 0.7, 1]) {
      const bytes = readFileSync(cache);
      bytes[Math.floor(place * (bytes.length - 1))]! ^= 4;
      writeFileSync(cache, bytes);
      const again = await train("news.svm", "-o", "b.model");
      expect(again.code).toBe(0);
      expect(again.stderr, `byte at ${place}`).toMatch(
        /warning: .*: the cache is damaged \(.*\): it is not used; it is made again/,
      );
      expect(weightsOf(path("a.model")).equals(weightsOf(path("b.model")))).toBe(true);
      expect((await train("news.svm")).stderr).toContain("from cache");
    }
  });

  test("standard input and made data are never cached", async () => {
    const { cwd, env, caches, train, path } = inFolder();
    const input = readFileSync(path("news.svm"));
    const piped = await glissade(["train", "-", "--cache", "--l2", "1e-3"], { cwd, env, input });
    expect(piped.code).toBe(0);
    await train("synthetic:news:rows=500,columns=100", "--cache");
    expect(caches()).toEqual([]);
  });

  test.skipIf(!canMount)(
    "a full disk loses nothing but the cache (skipped where mounting is not allowed)",
    async () => {
      const { cwd, caches } = inFolder(30_000);
      const folder = mountMemory(join(cwd, "disk"), "size=256k");
      fill(folder);
      const env = { XDG_CACHE_HOME: folder };
      const { code, stderr } = await glissade(["train", "news.svm", "--cache", "--l2", "1e-3"], {
        cwd,
        env,
      });
      expect(code).toBe(0);
      expect(stderr).toMatch(/the cache could not be written: .*; the run goes on without it/);
      expect(existsSync(join(cwd, "model.safetensors"))).toBe(true);
      expect(caches()).toEqual([]);
    },
  );

  test("a folder that holds a source and its block file is read as the source alone", async () => {
    const { cwd, run, train } = inFolder();
    mkdirSync(join(cwd, "data"));
    copyFileSync(join(cwd, "news.svm"), join(cwd, "data", "news.svm"));
    await run("convert", "data/news.svm");
    const { stdout } = await train("data", "--json");
    expect(lastObject(stdout).rows).toBe(3000);
  });
});

test("--memory streams what does not fit: less memory, the same weights, no file left", async () => {
  const { train, caches, path } = inFolder(1_500_000);
  const options = ["--validation", "0.01", "--stop", "epochs:1"];
  const whole = await train("news.svm", "-o", "whole.model", ...options);
  const parts = await train("news.svm", "-o", "parts.model", "--memory", "128MiB", ...options);
  expect([whole.code, parts.code]).toEqual([0, 0]);
  expect(weightsOf(path("parts.model")).equals(weightsOf(path("whole.model")))).toBe(true);
  expect(caches()).toEqual([]);
  const tiny = await train("news.svm", "--memory", "1MiB");
  expect([tiny.code, tiny.stderr]).toEqual([
    1,
    "glissade: Cannot train in this memory as --memory must be at least 128MiB: current value is 1048576 bytes\n",
  ]);
});

/** Every decoder, a million inputs of others: `npm run fuzz -- --inputs 1e8` does more. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { runProcess } from "./e2e/support.ts";
import { root } from "./tidy/sources.ts";

const seed = process.env.GLISSADE_FUZZ_SEED ?? "1";

function fuzz(...args: string[]) {
  return runProcess(process.execPath, [join(root, "scripts/fuzz.mjs"), ...args]);
}

/** Some 20 s of processor; on a machine that others load it takes many times that. */
const fuzzMsMax = 900_000;

test("a million inputs: every decoder answers or refuses in words", {
  timeout: fuzzMsMax,
}, async () => {
  const { code, stdout, stderr } = await fuzz("--inputs", "1e6", "--seed", seed);
  expect(code, stdout + stderr).toBe(0);
  expect(stdout).toMatch(/^0 found/m);
  const counts = [...stdout.matchAll(/: (\d+) inputs/g)].map(([, count]) => Number(count));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1_000_000);
  expect(Math.min(...counts)).toBeGreaterThan(100);
});

test("a decoder that believes a length is found, and the input is made again from seed and number", async () => {
  const first = await fuzz("--inputs", "20000", "--seed", "2", "--plant");
  expect(first.code).toBe(1);
  expect(first.stdout).toMatch(/FOUND in planted: RangeError: Offset is outside/);
  const [, again] = /again: npm run fuzz -- (--seed 2 --input \d+ --plant)/.exec(first.stdout)!;
  const second = await fuzz(...again!.split(" "));
  expect(second.code).toBe(1);
  const input = (text: string) => /FOUND in planted[\s\S]*?input (\w+)/.exec(text)![1];
  expect(input(second.stdout)).toBe(input(first.stdout));
});

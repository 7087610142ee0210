/** A strategy of the user's own on processes: with shapes of its messages, without, and with wrong ones. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { glissade, temporaryFolder } from "../e2e/support.ts";

test("a strategy runs with shapes and without, to the same bits; wrong ones are found by check", async () => {
  const cwd = temporaryFolder();
  expect((await glissade(["new", "strategy", "./mine.ts"], { cwd })).code).toBe(0);
  const text = readFileSync(join(cwd, "mine.ts"), "utf8");
  const shapes = / {2}\/\/ On a network each message[\s\S]*?\n {2}\},\n/;
  writeFileSync(join(cwd, "without.ts"), text.replace(shapes, ""));
  writeFileSync(join(cwd, "wrong.ts"), text.replace('"count", least: 1', '"count", least: 3'));
  const train = (name: string) =>
    glissade(
      [
        ...["train", "synthetic:news:rows=600,columns=300,seed=1", "--engine", "cluster"],
        ...["--strategy", `./${name}.ts`, "--workers", "2", "--epochs", "1", "--l2", "1e-4"],
        ...["--model", `${name}.safetensors`],
      ],
      { cwd },
    );
  const weights = (name: string) => readFileSync(join(cwd, `${name}.safetensors`)).subarray(-1200);
  for (const name of ["mine", "without"]) {
    const { code, stderr } = await train(name);
    expect(code, stderr).toBe(0);
  }
  expect(weights("without")).toEqual(weights("mine"));
  const { code, stdout } = await glissade(["check", "./wrong.ts", "--schedules", "3"], { cwd });
  expect([code, stdout]).toEqual([1, expect.stringMatching(/share: round is 1, not from 3 to/)]);
});

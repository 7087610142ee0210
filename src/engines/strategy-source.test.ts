import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { strategyOptions } from "../strategies/strategy.ts";
import { checkStrategy } from "./simulator/check.ts";
import { bitsOf } from "./simulator/laws.ts";
import { loadStrategy, strategySource } from "./strategy-source.ts";
import { strategyTemplate } from "./strategy-template.ts";
import type { TaskSpec } from "./task-spec.ts";
import { runThreads } from "./threads/threads.ts";

const folder = mkdtempSync(join(tmpdir(), "glissade-strategy-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string) {
  writeFileSync(join(folder, name), text);
  return strategySource(`./${name}`, folder);
}

describe("strategies of the user's own", () => {
  test("what `glissade new strategy` writes passes `glissade check`", async () => {
    const strategy = await loadStrategy(write("rounds.ts", strategyTemplate("rounds")));
    expect(strategy.name).toBe("rounds");
    const report = checkStrategy(strategy, { schedules: 100, source: "./rounds.ts" });
    expect(report.verdicts.filter(({ violation }) => violation)).toEqual([]);
  });

  test("a TypeScript file runs on threads, and sums as bsp does", async () => {
    const spec = { workers: 2, rowsPerWorker: 16, rate: 0.02 };
    const plan = {
      options: strategyOptions({ rowsPerUpdate: 4 }),
      task: { kind: "quadratic", spec } satisfies TaskSpec,
      workers: 2,
      seed: 1,
      epochs: 2,
    };
    const own = await runThreads({ ...plan, strategy: write("two.ts", strategyTemplate("two")) });
    const bsp = await runThreads({ ...plan, strategy: { name: "bsp" } });
    expect(bitsOf(own.model)).toBe(bitsOf(bsp.model));
  });

  test("a JavaScript module is one too", async () => {
    const text = `export const still = { name: "still", sharing: "messages", pace: "lockstep",
      conserves: () => "sum", init: () => ({}), step: () => {} };`;
    expect((await loadStrategy(write("still.mjs", text))).name).toBe("still");
  });

  test("a TypeScript file may import others, and a circle of them is told in words", async () => {
    write("name.ts", `export const name: string = "kept-apart";`);
    const step = "init: () => ({}), step: () => {}, conserves: () => 'sum' as const";
    const body = `{ name, sharing: "messages", pace: "lockstep", ${step} }`;
    const apart = write(
      "apart.ts",
      `import { name } from "./name.ts";\nexport const it = ${body};`,
    );
    expect((await loadStrategy(apart)).name).toBe("kept-apart");
    write("second.ts", `import "./first.ts";\nexport const name = "second";`);
    const circle = write(
      "first.ts",
      `import { name } from "./second.ts";\nexport const it = ${body};`,
    );
    await expect(loadStrategy(circle)).rejects.toThrow(/import each other in a circle/);
  });

  test("a module without a strategy, and an unknown name, are told so", async () => {
    const empty = write("empty.mjs", "export const answer = 42;");
    await expect(loadStrategy(empty)).rejects.toThrow(/it exports answer/);
    await expect(loadStrategy({ name: "bps" })).rejects.toThrow(/none named bps/);
  });

  test.each([
    ["gone.ts", null, /gone\.ts: there is no file .*gone\.ts$/],
    ["gone.mjs", null, /gone\.mjs: Error: Cannot find module/],
    ["syntax.ts", "export const x: = 3;", /syntax\.ts:1:\d+: .*=/],
    ["syntax.mjs", "export const x = ;", /syntax\.mjs: \w+Error: /],
    ["imports.ts", 'import "./nowhere.ts";', /imports\.ts: there is no file .*nowhere\.ts$/],
    ["package.ts", 'import "no-such-package";', /package\.ts: Error: Cannot find module/],
    ["throws.ts", 'throw new TypeError("two\\nlines");', /throws\.ts: TypeError: two$/],
    ["other.ts", "export const x = 3;", /other\.ts as it must export .*: it exports x$/],
  ])("%s, which can't be loaded, is told in one line with its path", async (name, text, told) => {
    const source = text === null ? strategySource(`./${name}`, folder) : write(name, text);
    await expect(loadStrategy(source)).rejects.toThrow(RangeError);
    await expect(loadStrategy(source)).rejects.toThrow(told);
  });

  test("an error of its own is told with its file and line", async () => {
    const text = strategyTemplate("slip").replace(
      'case "learned": {',
      'case "learned": {\n      throw new Error("a slip");',
    );
    const line = text.slice(0, text.indexOf('throw new Error("a slip")')).split("\n").length;
    const strategy = await loadStrategy(write("slip.ts", text));
    const report = checkStrategy(strategy, { schedules: 1, source: "./slip.ts" });
    const broken = report.verdicts.flatMap(({ violation }) => violation?.message ?? []);
    expect(broken.join()).toContain(`slip.ts:${line}:13: Error: a slip`);
  });
});

/** The table of limits in the documents is the one in the code. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LimitWatch, limitDefaults, limitTable } from "../src/engines/cluster/protection.ts";
import { settingText } from "../src/run/setting-text.ts";
import { settingsSchema } from "../src/run/settings.ts";
import { root } from "./tidy/sources.ts";

const shown = {
  bytes: (n: number) =>
    n % 2 ** 30 === 0
      ? `${n / 2 ** 30} GiB`
      : n % 2 ** 20 === 0
        ? `${n / 2 ** 20} MiB`
        : `${n / 2 ** 10} KiB`,
  count: (n: number) => n.toLocaleString("en-US"),
  seconds: (n: number) => `${n} s`,
  size: (n: number) => n.toExponential().replace("+", ""),
};

test("docs/security.md has a line for every limit, with its default and its meaning", () => {
  const text = readFileSync(join(root, "docs/security.md"), "utf8");
  const lines = Object.entries(limitTable).map(
    ([name, { value, unit, meaning }]) => `| \`${name}\` | ${shown[unit](value)} | ${meaning}`,
  );
  expect(lines.filter((line) => !text.includes(line))).toEqual([]);
});

test("--limits changes those it names, and is written back as it was given", () => {
  const { limits } = settingsSchema.parse({ limits: "message=1GiB,joins=60,introduction=2s" });
  expect(limits).toEqual({ ...limitDefaults, message: 2 ** 30, joins: 60, introduction: 2 });
  expect(settingText(limits)).toBe("message=1073741824,joins=60,introduction=2");
  expect(settingsSchema.parse({ limits }).limits).toEqual(limits);
  for (const text of ["mesage=1", "joins=0", "joins", "message=lots"]) {
    expect(settingsSchema.safeParse({ limits: text }).success).toBe(false);
  }
});

test("a flood of refusals is one event a second, with how many there were", () => {
  const events: { count: number }[] = [];
  const watch = new LimitWatch(limitDefaults, (event) => events.push(event as { count: number }));
  for (let k = 0; k < 10_000; k++) watch.reached("joins", "10.0.0.9");
  expect(events).toHaveLength(1);
  expect(watch.count("joins")).toBe(10_000);
});

test("more joins in a minute than the limit are refused, and let in a minute later", () => {
  const watch = new LimitWatch({ ...limitDefaults, joins: 3 }, () => {});
  expect([0, 1, 2, 3].map((k) => watch.takeJoin(1000 * k))).toEqual([true, true, true, false]);
  expect(watch.takeJoin(60_001)).toBe(true);
});

import { expect, test } from "vitest";
import { isPattern, matcherOf } from "./pattern.ts";

test.each([
  ["*.svm", "a.svm", true],
  ["*.svm", ".a.svm", false],
  ["*.svm", "a.svm.gz", false],
  [".*", ".hidden", true],
  ["part-??", "part-01", true],
  ["part-??", "part-1", false],
  ["part-[0-3]", "part-2", true],
  ["part-[!0-3]", "part-2", false],
  ["*.{gz,zst}", "a.zst", true],
  ["*.{gz,zst}", "a.bz2", false],
  ["a+b(c).*", "a+b(c).svm", true],
  ["x[", "x[", true],
  ["[z-a]", "[z-a]", true],
])("%s and %s: %s", (pattern, name, matches) => {
  expect(matcherOf(pattern)(name)).toBe(matches);
});

test("a name without special characters is no pattern", () => {
  expect(isPattern("data/news-1.svm.gz")).toBe(false);
  expect(isPattern("data/*.svm")).toBe(true);
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  nearestWord,
  readChoice,
  readList,
  readNamed,
  readNumber,
  readRange,
  readRate,
  readShare,
  readSize,
  readTime,
} from "./grammar.ts";

describe("values with units", () => {
  test.each([
    [readSize, "512MiB", 512 * 2 ** 20],
    [readSize, "1.5GB", 1.5e9],
    [readSize, 4096, 4096],
    [readTime, "10s", 10],
    [readTime, "250ms", 0.25],
    [readTime, "2min", 120],
    [readTime, 3, 3],
    [readRate, "1Gbps", 1e9],
    [readShare, "0.1%", 0.001],
    [readShare, "0.94", 0.94],
  ] as const)("%o reads %s as %d", (read, text, value) => {
    expect((read as (text: string | number) => number)(text)).toBeCloseTo(value, 12);
  });

  test("a unit that does not exist is answered with those that do", () => {
    expect(() => readSize("5 parsecs")).toThrow(
      'expected a size such as 512MiB, found "5 parsecs" (units: B, kB, KB, MB',
    );
    expect(() => readTime("toString")).toThrow("expected a time such as");
    expect(() => readTime("1toString")).toThrow("expected a time such as");
    expect(() => readTime("-3s")).toThrow('found "-3s"');
  });
});

describe("numbers", () => {
  test("a number outside its bounds is answered with the bounds and itself", () => {
    expect(() => readNumber("1.5", { min: 1, max: 8, integer: true })).toThrow(
      'expected a whole number at least 1 and at most 8, found "1.5"',
    );
    expect(() => readNumber("0", { above: 0 })).toThrow('expected a number above 0, found "0"');
  });

  test.each(["", " ", "0x10", "1_000", "NaN", "Infinity", "1e999", "one", "1 2"])(
    "%j is no number",
    (text) => expect(() => readNumber(text)).toThrow(RangeError),
  );

  test("every finite number reads back as itself", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
        expect(readNumber(String(x))).toBe(Number(String(x)));
      }),
    );
  });
});

test("3 is a range from 3 to 3, and 3:15 one from 3 to 15", () => {
  expect(readRange("3")).toEqual({ low: 3, high: 3 });
  expect(readRange("3:15")).toEqual({ low: 3, high: 15 });
  expect(() => readRange("15:3")).toThrow("write 3:15");
  expect(() => readRange("1:2:3")).toThrow("expected a number or a range");
});

test("lists are split at commas and have no empty items", () => {
  expect(readList("a, b")).toEqual(["a", "b"]);
  expect(() => readList("a,,b")).toThrow("expected items with commas");
});

test("names take parameters after a colon", () => {
  const { name, parameters } = readNamed("constant:eta0=0.1,power=2");
  expect(name).toBe("constant");
  expect([...parameters]).toEqual([
    ["eta0", "0.1"],
    ["power", "2"],
  ]);
  expect(() => readNamed("constant:0.1")).toThrow("NAME:key=value");
});

describe("did you mean", () => {
  test("a slip is answered with the nearest word", () => {
    expect(() => readChoice("hing", ["hinge", "log"])).toThrow('did you mean "hinge"?');
    expect(nearestWord("workesr", ["workers", "servers"])).toBe("workers");
    expect(nearestWord("rows", ["rows-per-update", "seed"])).toBe("rows-per-update");
  });

  test("what is like no word gets no suggestion", () => {
    expect(nearestWord("zzzzzz", ["hinge", "log"])).toBeNull();
    expect(() => readChoice("constructor", ["hinge"], {})).toThrow(/found "constructor"$/);
  });
});

import { describe, expect, test } from "vitest";
import { drawFaults, faultLines, readFaults, shrinkFaults } from "./fault-schedules.ts";

describe("schedules of faults", () => {
  test("reading what was written gives the same faults", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const faults = drawFaults({ seed, workers: 6, seconds: 1, count: 8, links: 2 });
      const rounded = faults.map((fault) => ({ ...fault, at: Number(fault.at.toFixed(6)) }));
      expect(readFaults(faultLines(faults).join("\n"))).toEqual(rounded);
    }
  });

  test("two that don't reach each other are read and written too", () => {
    const lines = ["0.100000 cut-pair 1,3 0.5"];
    const faults = readFaults(lines[0]!);
    expect(faults).toEqual([{ at: 0.1, kind: "cut-pair", ranks: [1, 3], seconds: 0.5 }]);
    expect(faultLines(faults)).toEqual(lines);
    expect(() => readFaults("0.1 cut-pair 1,1 0.5")).toThrow(SyntaxError);
  });

  test("a line that can't be read is named", () => {
    expect(() => readFaults("# storm\n\n0.1 crash 1\n0.2 explode 1")).toThrow(/line 4/);
    expect(() => readFaults("soon crash 1")).toThrow(SyntaxError);
    expect(() => readFaults("0.1 cut 1,x 0.5")).toThrow(SyntaxError);
  });

  test("links that break leave the other faults of a seed as they are", () => {
    const question = { seed: 3, workers: 6, seconds: 1, count: 8 };
    const faults = drawFaults({ ...question, links: 2 });
    const links = faults.filter(({ kind }) => kind === "cut-pair");
    expect(links.length).toBe(2);
    expect(faults.filter((fault) => !links.includes(fault))).toEqual(drawFaults(question));
  });

  test("shrinking leaves the faults that fail together, and nothing else", () => {
    const faults = drawFaults({ seed: 4, workers: 9, seconds: 1, count: 12 });
    const [a, b] = [faults[2]!, faults.at(-3)!];
    const fails = (fewer: readonly unknown[]) => fewer.includes(a) && fewer.includes(b);
    const kept = shrinkFaults(faults, fails);
    expect(kept).toContain(a);
    expect(kept).toContain(b);
    expect(kept.filter(({ kind }) => kind !== "crash").length).toBeLessThanOrEqual(2);
    expect(kept.length).toBeLessThanOrEqual(4);
  });
});

import { describe, expect, test } from "vitest";
import { parseFaults } from "./fault-file.ts";

describe("files of faults", () => {
  test("YAML and JSON say the same", () => {
    const yaml = `
beat: 5ms
faults:
  - { at: 30ms, kind: restart, member: 3 }
  - { at: 10ms, kind: crash, member: 3 }
  - { at: 20ms, kind: cut, members: [0, 1], for: 50ms }
  - { at: 25ms, kind: cut-pair, members: [1, 2], for: 1s }
  - { at: 1s, kind: leave, members: [4, 5] }
  - { at: 0.5, kind: slow-link, member: 2, times: 10 }
`;
    const plan = parseFaults("storm.yaml", yaml);
    expect(plan.beatSeconds).toBe(0.005);
    expect(plan.faults).toEqual([
      { at: 0.01, kind: "crash", rank: 3 },
      { at: 0.02, kind: "cut", ranks: [0, 1], seconds: 0.05 },
      { at: 0.025, kind: "cut-pair", ranks: [1, 2], seconds: 1 },
      { at: 0.03, kind: "restart", rank: 3 },
      { at: 0.5, kind: "slow-link", rank: 2, factor: 10 },
      { at: 1, kind: "leave", rank: 4 },
      { at: 1, kind: "leave", rank: 5 },
    ]);
    const json = JSON.stringify({ faults: [{ at: "10ms", kind: "crash", member: 3 }] });
    expect(parseFaults("storm.json", json).faults).toEqual(plan.faults.slice(0, 1));
  });

  test("what can't be read is told with the file and the entry", () => {
    const told = (text: string) => () => parseFaults("storm.yaml", text);
    expect(told("faults: [{ at: 1s, kind: explode, member: 1 }]")).toThrow(/storm.yaml: fault 1/);
    expect(told("faults: [{ at: 1s, kind: pause, member: 1 }]")).toThrow(/for: 50ms/);
    expect(told("faults: [{ at: 1s, kind: cut-pair, member: 1, for: 1s }]")).toThrow(/two members/);
    expect(told("faults: [{ at: 1s, kind: crash }]")).toThrow(/member or members/);
    expect(told("faults: [{ at: soon, kind: crash, member: 1 }]")).toThrow(/fault 1/);
    expect(told("crash: 1")).toThrow(/expected "faults:"/);
    expect(told("faults: [")).toThrow(/YAML or JSON/);
  });
});

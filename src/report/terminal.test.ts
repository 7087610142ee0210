import { expect, test } from "vitest";
import type { RunEvent, RunEventBody } from "../run/events.ts";
import { formatNumber, formatPercent, formatRate, formatSeconds, formatSize } from "./format.ts";
import { foldTerminal, liveLines, plainLine, startTerminal } from "./terminal.ts";

function at(time: number, body: RunEventBody): RunEvent {
  return { v: 1, time, ...body };
}

const evaluated = {
  kind: "evaluated",
  rows: 20000,
  epoch: 1,
  trainSeconds: 0.05,
  loss: 0.1626,
  accuracy: 0.939,
  objective: null,
  bytes: 0,
  best: true,
} as const;

test("a run is read, learned and judged in a few lines", () => {
  const state = startTerminal();
  const lines = () => liveLines(state, 100);
  expect(lines()).toEqual(["starting"]);
  const loading = { kind: "loading", rows: 0, bytesTotal: 1e7, done: false } as const;
  foldTerminal(state, at(0.2, { ...loading, bytes: 5e6 }));
  expect(lines()).toEqual(["reading 50.0 %, 5.00 MB, 0 rows, 0.20 s"]);
  foldTerminal(state, at(1, { kind: "progress", rank: 0, rows: 10000, clock: 1 }));
  foldTerminal(state, at(2, evaluated));
  foldTerminal(state, at(3, { ...evaluated, epoch: 2, rows: 40000, loss: 0.2, best: false }));
  expect(lines()).toEqual([
    "training : 40,000 rows, 20.0 k rows/s, 3.00 s",
    "epoch 2, validation loss 0.20000, accuracy 93.9 %, 0.05 s",
    "best so far: epoch 1, validation loss 0.16260",
  ]);
});

test("no live line is wider than the terminal, however narrow", () => {
  const state = startTerminal();
  foldTerminal(state, at(2, evaluated));
  for (const columns of [1, 5, 20, 40]) {
    for (const line of liveLines(state, columns)) expect(line.length).toBeLessThanOrEqual(columns);
  }
});

test("kinds of events that are not known yet change nothing", () => {
  const state = startTerminal();
  foldTerminal(state, { v: 1, time: 1, kind: "from-the-future" } as never);
  expect(state.phase).toBe("starting");
  expect(plainLine({ v: 1, time: 1, kind: "from-the-future" } as never, true)).toBeNull();
});

test("plain lines tell what matters, and more when asked", () => {
  const progress = at(1, { kind: "progress", rank: 0, rows: 10000, clock: 1 });
  expect(plainLine(progress)).toBeNull();
  expect(plainLine(progress, true)).toBe("rank 0: 10,000 rows");
  expect(plainLine(at(1, { kind: "stopped", rule: "epochs", detail: "20 epochs" }))).toBe(
    "stopped: 20 epochs",
  );
  const fault = {
    kind: "fault",
    fault: "divergence",
    rank: null,
    message: "a",
    action: "b",
  } as const;
  expect(plainLine(at(1, fault))).toBe("a: b");
});

test("numbers for people", () => {
  expect([0.004, 0.61, 12.34, 243, 7300].map(formatSeconds)).toEqual([
    "4.0 ms",
    "0.61 s",
    "12.3 s",
    "4 min 03 s",
    "2 h 01 min",
  ]);
  expect([512, 8.9e6].map(formatSize)).toEqual(["512 B", "8.90 MB"]);
  expect([999, 1.2e6].map(formatRate)).toEqual(["999", "1.20 M"]);
  expect([0.5, 4.8e-6, 100, 1e-3].map(formatNumber)).toEqual(["0.5", "4.8e-6", "100", "1e-3"]);
  expect([0.942, 0.0005].map(formatPercent)).toEqual(["94.2 %", "0.050 %"]);
});

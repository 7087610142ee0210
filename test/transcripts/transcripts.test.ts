/**
 * Transcripts: protocols as prose. Each file holds a situation in a few words, and the trace of the simulator in
 * it; read them as stories. Refreshed by `npm run transcripts` (which sets UPDATE_TRANSCRIPTS), reviewed like text.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Costs, costs } from "../../src/engines/simulator/costs.ts";
import { runSimulation } from "../../src/engines/simulator/simulator.ts";
import { quadraticTask } from "../../src/learner/quadratic.ts";
import { strategyNamed } from "../../src/strategies/all.ts";
import { type StrategyOptions, strategyOptions } from "../../src/strategies/strategy.ts";

interface Story {
  readonly file: string;
  readonly about: string;
  readonly strategy: string;
  readonly workers: number;
  readonly options: Partial<StrategyOptions>;
  readonly costs: Partial<Costs>;
  readonly updates: number;
}

/** One row an update, one second a row; a message takes an eighth of a second, whatever its size. */
const slowNetwork = {
  learnSecondsPerRow: 1,
  latencySeconds: 0.125,
  secondsPerMessage: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
};

const stories: readonly Story[] = [
  {
    file: "ssp-slow-worker.txt",
    about:
      "ssp, threshold 1. Worker 1 learns four times as slowly as worker 0, which runs ahead by two updates, is\n" +
      "made to wait, and is let go each time worker 1 has pushed.",
    strategy: "ssp",
    workers: 2,
    options: { staleness: 1 },
    costs: { slowMembers: { 1: 4 } },
    updates: 4,
  },
  {
    file: "dssp-credits.txt",
    about:
      "dssp, range 1 to 4. Worker 1 learns four times as slowly. Until worker 1 has pushed twice there is no interval\n" +
      "to predict from, and worker 0 waits as under ssp; then the controller grants credits, which worker 0 spends,\n" +
      "and never more than keep it within 4 of worker 1. By hand, at the push of 9.625: worker 0 pushed at 5.375 and\n" +
      "9.625, worker 1 at 4.125 and 8.375, both 4.25 apart. Worker 1 is due at 12.625 and 16.875, worker 0 at 9.625,\n" +
      "13.875 and 18.125; the nearest pairs are 1.25 apart, the first of them one iteration ahead: one credit, used at\n" +
      "once. At the push of 10.875 worker 0 is due every 1.25: 10.875, 12.125, 13.375; worker 1 at 12.625 is nearest to\n" +
      "the second: one credit again, used at once. At 12.125 worker 1 is nearest to\n" +
      "that very moment: no credit, and worker 0 waits until it leads by 1.",
    strategy: "dssp",
    workers: 2,
    options: { staleness: 1, stalenessMax: 4 },
    costs: { slowMembers: { 1: 4 } },
    updates: 7,
  },
  {
    file: "allreduce-slow-link.txt",
    about:
      "allreduce on a ring of three; the link of worker 2 is five times slower. Every chunk passes that link, so all\n" +
      "three wait for it in every round, whoever is fast.",
    strategy: "allreduce",
    workers: 3,
    options: { topology: "ring" },
    costs: { slowLinks: { 2: 5 } },
    updates: 2,
  },
  {
    file: "allreduce-complete.txt",
    about:
      "allreduce on a complete graph of three. Each sends the others their thirds, sums its own, and hands the sum out:\n" +
      "two steps, whatever comes first.",
    strategy: "allreduce",
    workers: 3,
    options: { topology: "complete" },
    costs: { slowMembers: { 1: 2 } },
    updates: 2,
  },
];

function transcriptOf(story: Story): string {
  const { workers, updates } = story;
  const lines: string[] = [];
  const result = runSimulation({
    strategy: strategyNamed(story.strategy)!,
    options: strategyOptions({ rowsPerUpdate: 1, ...story.options }),
    task: quadraticTask({ workers, width: 6, rowsPerWorker: updates }),
    workers,
    seed: 1,
    epochs: 1,
    costs: costs({ ...slowNetwork, ...story.costs }),
    trace: (line) => lines.push(line.trimStart()),
  });
  const waits = result.telemetry.members.flatMap(({ rank, waitedFor }) =>
    [...waitedFor].map(
      ([other, s]) => `worker ${rank} waited ${s.toFixed(3)} s for member ${other}`,
    ),
  );
  const end = result.telemetry.members
    .filter(({ role }) => role === "worker")
    .map(
      ({ rank, updates: sent, applied }) =>
        `worker ${rank}: ${sent} updates sent, ${applied} applied`,
    );
  return `${story.about}\n\n${lines.join("\n")}\n\n${[...waits, ...end].join("\n")}\n`;
}

test.each(stories)("$file reads as it did", (story) => {
  const url = new URL(story.file, import.meta.url);
  const transcript = transcriptOf(story);
  if (process.env.UPDATE_TRANSCRIPTS) writeFileSync(url, transcript);
  expect(transcript).toBe(readFileSync(url, "utf8"));
});

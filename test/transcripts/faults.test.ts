/** Transcripts of members that come and go; the beats by which they watch each other are left out. */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { membered } from "../../src/engines/membered.ts";
import { costs } from "../../src/engines/simulator/costs.ts";
import { readFaults } from "../../src/engines/simulator/fault-schedules.ts";
import { runSimulation } from "../../src/engines/simulator/simulator.ts";
import { quadraticTask } from "../../src/learner/quadratic.ts";
import { strategyNamed } from "../../src/strategies/all.ts";
import { type StrategyOptions, strategyOptions } from "../../src/strategies/strategy.ts";

interface Story {
  readonly file: string;
  readonly about: string;
  readonly strategy: string;
  readonly workers: number;
  readonly faults: string;
  readonly updates: number;
  readonly latency: number;
  /** How often members say that they live: half a second without it. */
  readonly beatSeconds?: number;
  readonly options?: Partial<StrategyOptions>;
  /** The parts that are told, as times from and to; without it everything. */
  readonly shown?: readonly (readonly [number, number])[];
}

const stories: readonly Story[] = [
  {
    file: "ad-psgd-death.txt",
    about:
      "ad-psgd on a ring of four. Worker 1 dies after worker 0's offer has left and before it could answer. Worker 0\n" +
      "goes on learning and asks again until view 2 begins without worker 1; then it settles the exchange, which has\n" +
      "changed nothing on its side, and finds its partner among those that are left.",
    strategy: "ad-psgd",
    workers: 4,
    faults: "1.05 crash 1",
    updates: 12,
    latency: 0.125,
  },
  {
    file: "ring-re-forming.txt",
    about:
      "ad-psgd on a ring of five. Worker 2 dies. In view 2 the ring closes over the four that are left: places are\n" +
      "counted anew, so worker 3, which was passive, is in the third place now and begins exchanges itself.",
    strategy: "ad-psgd",
    workers: 5,
    faults: "1.5 crash 2",
    updates: 12,
    latency: 0.125,
  },
  {
    file: "peer-to-peer-join.txt",
    about:
      "peer-to-peer; worker 2 comes when the others have learned a while. The authority, worker 0, proposes view 2.\n" +
      "Worker 2 subscribes to both, is told from which clock on it gets their updates, and asks worker 0 for a snapshot\n" +
      "that holds everything before; what arrives meanwhile waits. Then it learns.",
    strategy: "peer-to-peer",
    workers: 3,
    faults: "3.2 join 2",
    updates: 8,
    latency: 0.125,
  },
  {
    file: "authority-death.txt",
    about:
      "peer-to-peer of three. The authority, worker 0, dies while its last update is on its way. Worker 1 is the lowest\n" +
      "that is left: it proposes view 2, worker 2 accepts. Both pass on what they have of worker 0, say how much that\n" +
      "was, and so agree on what worker 0 did.",
    strategy: "peer-to-peer",
    workers: 3,
    faults: "2.05 crash 0",
    updates: 10,
    latency: 0.125,
  },
  {
    file: "partition-and-heal.txt",
    about:
      "peer-to-peer of three. Worker 2 is cut off for 8 seconds. The other two are a majority and go on in view 2\n" +
      "without it; worker 2, which hears of no quorum, ends what it was learning and then waits, as nobody follows its\n" +
      "proposals. When the cut heals, it hears of a view that it is not in: it begins its second life, what it learned\n" +
      "alone is lost, and it joins by a snapshot.\n" +
      "Messages of its first life are fenced.",
    strategy: "peer-to-peer",
    workers: 3,
    faults: "2.2 cut 2 8",
    updates: 22,
    latency: 0.125,
  },
  {
    file: "peer-to-peer-lack.txt",
    about:
      "peer-to-peer of three. Workers 1 and 2 don't hear each other for 84 seconds; worker 0 hears both. It says now and\n" +
      "then what it has (`seen`): when it has told of 80 updates of worker 1, of which worker 2 has the first alone,\n" +
      "worker 2 ends what it was learning and then only listens. Worker 1 goes on, as its rank is lower. When they\n" +
      "reach each other again, what was sent meanwhile arrives in any order, and worker 2 learns on as soon as it lacks\n" +
      "64 updates or fewer, or as many more as updates are stale.",
    strategy: "peer-to-peer",
    workers: 3,
    faults: "2.05 cut-pair 1,2 84",
    updates: 90,
    latency: 0.125,
    beatSeconds: 30,
    shown: [
      [0, 2.5],
      [79.9, 82],
      [86, 86.32],
      [87, 87.5],
    ],
  },
  {
    file: "server-death-with-standby.txt",
    about:
      "asp of two workers, a server (member 2) and its standby (member 3). The server tells the standby each push, and\n" +
      "answers when the standby has it. It dies when it has told it of two pushes and not heard back. The first of the\n" +
      "two never arrives, so the standby takes neither. In view 2 it holds the range: both workers, which were not\n" +
      "answered, send their open push again, and it takes each once.",
    strategy: "asp",
    workers: 2,
    faults: "4.2 crash 2",
    updates: 5,
    latency: 0.125,
    options: { standby: true },
  },
  {
    file: "leave-with-hand-over.txt",
    about:
      "allreduce on a ring of three. Worker 1 is asked to leave while it learns. It contributes what it learned to that\n" +
      "round, and an empty update to the next: when that one is complete, all have what it owed. Then it finishes, and in\n" +
      "view 2 the ring closes over the two that are left, which have lost nothing. Its rows are theirs from then on: a\n" +
      "round is two rows of each.",
    strategy: "allreduce",
    workers: 3,
    faults: "1.5 leave 1",
    updates: 5,
    latency: 0.125,
  },
];

function transcriptOf({
  about,
  strategy,
  workers,
  faults,
  updates,
  latency,
  options = {},
  beatSeconds = 0.5,
  shown = [],
}: Story): string {
  const lines: string[] = [];
  const { deadlock, telemetry, alive } = runSimulation({
    strategy: membered(strategyNamed(strategy)!, { beatSeconds, quorum: "majority" }),
    options: strategyOptions({ rowsPerUpdate: 1, ...options }),
    task: quadraticTask({ workers, width: 6, rowsPerWorker: updates }),
    workers,
    seed: 1,
    epochs: 1,
    costs: costs({
      learnSecondsPerRow: 1,
      latencySeconds: latency,
      secondsPerMessage: 0,
      bytesPerSecond: Number.POSITIVE_INFINITY,
    }),
    faults: readFaults(faults),
    eventsMax: 20_000,
    trace: (line) => lines.push(...withoutBeats(line)),
  });
  expect(deadlock).toBeNull();
  const end = telemetry.members.map(({ rank, updates: made, lost }) => {
    return `worker ${rank}: ${made} updates, ${lost} lost${alive[rank] ? "" : ", dead"}`;
  });
  return `${about}\n\nFaults: ${faults}\n\n${partsOf(lines, shown).join("\n")}\n\n${end.join("\n")}\n`;
}

/** Lines of these times; what is left out leaves a line of dots. */
function partsOf(lines: readonly string[], shown: NonNullable<Story["shown"]>): readonly string[] {
  if (shown.length === 0) return lines;
  return shown.flatMap(([from, to]) => {
    const within = lines.filter(
      (line) => Number.parseFloat(line) >= from && Number.parseFloat(line) <= to,
    );
    return [...within, "..."];
  });
}

/** The line without beats and wakes; nothing if that is all it tells. */
function withoutBeats(line: string): string[] {
  const [happened, told = ""] = line.trimStart().split(" -> ");
  const effects = told.split("; ").filter((text) => !/m\/(beat|closed)|^wake|m\/join/.test(text));
  const isNoise = /^\S+ +\S+ \S+ +(wake|from .*: m\/(beat|join|closed))/.test(happened!);
  if (isNoise && effects.join("") === "") return [];
  const shown = effects.join("; ").replaceAll(/, by \d+, in \d+\)/g, ")");
  return [`${happened!.replace(/, by \d+, in \d+\)/, ")")}${shown === "" ? "" : ` -> ${shown}`}`];
}

test.each(stories)("$file reads as it did", (story) => {
  const url = new URL(story.file, import.meta.url);
  const transcript = transcriptOf(story);
  if (process.env.UPDATE_TRANSCRIPTS) writeFileSync(url, transcript);
  expect(transcript).toBe(readFileSync(url, "utf8"));
});

/** Settings of the commands that compare, simulate and check strategies. */
import { readList, readNumber, readRate, readTime } from "./grammar.ts";
import { grammar, type Input, number, scalar, text } from "./setting-fields.ts";
import { readStrategies } from "./strategy-names.ts";

/** That many members, slower by that factor. */
export interface SlowMembers {
  readonly count: number;
  readonly factor: number;
}

/** What only `compare` and `simulate` need. */
export const contestShape = {
  strategies: grammar<readonly string[]>(
    ["serial", "bsp", "ssp", "allreduce"],
    readStrategies,
  ).meta({
    group: "workers",
    syntax: "LIST",
    description: "strategies to compare, as in serial,ssp,./mine.ts",
  }),
  /** Commands that compare take several numbers of workers, where training takes one. */
  workers: grammar<number | "auto" | readonly number[], string | number>("auto", readCounts).meta({
    group: "workers",
    syntax: "N",
    defaultText: "cores this machine or container allows",
    description: "workers that learn; where runs are compared, several, as in 1,2,4",
  }),
  repeat: number(1, { min: 1, max: 1000, integer: true }).meta({
    group: "workers",
    syntax: "N",
    description: "runs of each, with seeds that count up from --seed",
  }),
  targetLoss: grammar<number | null, number>(null, (input) =>
    readNumber(scalar(input), { min: 0 }),
  ).meta({
    group: "stopping",
    syntax: "X",
    description: "loss whose time to reach is compared",
  }),
  slow: grammar<SlowMembers | null>(null, readSlow).meta({
    group: "workers",
    syntax: "COUNT:FACTOR",
    description:
      "simulated workers that learn slower, as in 1:10; which ones follows from the seed",
  }),
  slowLinks: grammar<SlowMembers | null>(null, readSlow).meta({
    group: "workers",
    syntax: "COUNT:FACTOR",
    description: "simulated workers whose links are slower",
  }),
  learnCost: grammar<number>(1e-6, (input) => readTime(scalar(input))).meta({
    group: "workers",
    syntax: "TIME",
    defaultText: "1us",
    description: "virtual time to learn a row",
  }),
  latency: grammar<number>(1e-4, (input) => readTime(scalar(input))).meta({
    group: "workers",
    syntax: "TIME",
    defaultText: "100us",
    description: "virtual time a message travels",
  }),
  bandwidth: grammar<number>(1e9, (input) => readRate(scalar(input))).meta({
    group: "workers",
    syntax: "RATE",
    defaultText: "1Gbps",
    description: "what a member's link carries",
  }),
  messageCost: grammar<number>(2e-5, (input) => readTime(scalar(input))).meta({
    group: "workers",
    syntax: "TIME",
    defaultText: "20us",
    description: "virtual time a message keeps its sender's link busy, beside its bytes",
  }),
  costs: text(null).meta({
    group: "workers",
    syntax: "FILE",
    description: "costs measured by glissade measure, in place of those above",
  }),
  faults: text(null).meta({
    group: "workers",
    syntax: "FILE",
    description: "what happens to simulated members and links, and when: docs/faults.md",
  }),
  faultSeed: grammar<number | null>(null, (input) =>
    readNumber(scalar(input), { min: 0, integer: true }),
  ).meta({
    group: "workers",
    syntax: "N",
    description: "faults are drawn from this seed",
  }),
  schedules: number(1000, { min: 1, max: 1e9, integer: true }).meta({
    group: "workers",
    syntax: "N",
    description: "random schedules to check a strategy under, for each law",
  }),
};

/** One number where one is given, so that commands with one run need not know of lists. */
function readCounts(input: Input): number | "auto" | readonly number[] {
  if (input === "auto") return "auto";
  const items = Array.isArray(input) ? input.map(String) : readList(String(scalar(input)));
  const counts = items.map((item) => readNumber(item, { min: 1, max: 65536, integer: true }));
  return counts.length === 1 ? counts[0]! : counts;
}

function readSlow(input: Input): SlowMembers {
  if (typeof input === "object" && "count" in input) return input as unknown as SlowMembers;
  const [count = "", factor = "", ...more] = String(scalar(input)).split(":");
  if (factor === "" || more.length > 0) {
    throw new RangeError(`expected COUNT:FACTOR as in 1:10, found "${String(input)}"`);
  }
  return {
    count: readNumber(count, { min: 0, integer: true }),
    factor: readNumber(factor, { above: 0 }),
  };
}

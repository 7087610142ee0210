/**
 * Schedules of faults: read from text, written as text, drawn from a seed, and shrunk to the fewest faults
 * that still break something.
 */
import { nextBelow, nextUniform, type RandomState, randomStream } from "../../math/random.ts";
import type { Role } from "../../strategies/strategy.ts";
import type { Fault } from "./faults.ts";

/** A schedule as text, one fault a line. */
export function faultLines(faults: readonly Fault[]): string[] {
  return faults.map((fault) => {
    const head = `${fault.at.toFixed(6)} ${fault.kind}`;
    switch (fault.kind) {
      case "cut":
      case "cut-pair":
        return `${head} ${fault.ranks.join(",")} ${fault.seconds}`;
      case "pause":
        return `${head} ${fault.rank} ${fault.seconds}`;
      case "slow":
      case "slow-link":
        return `${head} ${fault.rank} ${fault.factor}`;
      default:
        return `${head} ${fault.rank}`;
    }
  });
}

/** A fault as a person reads it. */
export function faultWords(fault: Fault, seats: readonly { readonly role: Role }[]): string {
  const nameOf = (rank: number) => `${seats[rank]?.role ?? "member"} ${rank}`;
  const durationOf = (seconds: number) => `for ${Number((1e3 * seconds).toPrecision(3))} ms`;
  const head = `at ${Number((1e3 * fault.at).toPrecision(4))} ms: ${fault.kind} of`;
  switch (fault.kind) {
    case "cut":
      return `${head} ${fault.ranks.map(nameOf).join(", ")} ${durationOf(fault.seconds)}`;
    case "cut-pair":
      return `${head} ${fault.ranks.map(nameOf).join(" and ")} from each other ${durationOf(fault.seconds)}`;
    case "pause":
      return `${head} ${nameOf(fault.rank)} ${durationOf(fault.seconds)}`;
    case "slow":
    case "slow-link":
      return `${head} ${nameOf(fault.rank)} by ${Number(fault.factor.toPrecision(2))} times`;
    default:
      return `${head} ${nameOf(fault.rank)}`;
  }
}

/**
 * The schedule that a text describes; empty lines and lines that begin with # mean nothing.
 * @throws SyntaxError with the line that can't be read.
 */
export function readFaults(text: string): Fault[] {
  const faults = text.split("\n").flatMap((line, k) => {
    const words = line.trim().split(/\s+/);
    if (words[0] === "" || words[0]!.startsWith("#")) return [];
    const fault = faultOf(words);
    if (fault) return [fault];
    throw new SyntaxError(
      `Cannot read fault as line ${k + 1} must be "time kind rank ...": ${line}`,
    );
  });
  return faults.sort((a, b) => a.at - b.at);
}

function faultOf([time, kind, who, amount]: string[]): Fault | null {
  const at = Number(time);
  const rank = Number(who);
  const size = Number(amount);
  if (!(at >= 0) || who === undefined) return null;
  if (kind === "cut" || kind === "cut-pair") {
    const ranks = who.split(",").map(Number);
    if (kind === "cut-pair" && new Set(ranks).size !== 2) return null;
    return ranks.every(isRank) && size > 0 ? { at, kind, ranks, seconds: size } : null;
  }
  if (!isRank(rank)) return null;
  switch (kind) {
    case "crash":
    case "restart":
    case "join":
    case "leave":
    case "lose":
      return { at, kind, rank };
    case "pause":
      return size > 0 ? { at, kind, rank, seconds: size } : null;
    case "slow":
    case "slow-link":
      return size > 0 ? { at, kind, rank, factor: size } : null;
    default:
      return null;
  }
}

function isRank(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}

/** What faults are drawn for. */
export interface FaultQuestion {
  readonly seed: number;
  readonly workers: number;
  /** Ranges of the model that servers hold, and whether each has a standby; servers without one live. */
  readonly servers?: number;
  readonly standby?: boolean;
  /** Faults happen before this time. */
  readonly seconds: number;
  readonly count: number;
  /** First of all many members come late, leave or die at about the same time. */
  readonly storm?: boolean;
  /** Links that break between two members, beside the faults that are counted. */
  readonly links?: number;
}

/** How many links a seed breaks: every fourth one or two. */
export function linksOf(seed: number): number {
  return seed % 4 === 2 ? 1 + (Math.floor(seed / 4) % 2) : 0;
}

/**
 * Draws faults. A crash may be followed by a restart; fewer than half of the members crash, leave or join late,
 * so that views keep their quorum; of a server and its standby one lives; every cut heals.
 */
export function drawFaults(question: FaultQuestion): Fault[] {
  const { seed, seconds, count, workers, servers = 0, standby = false } = question;
  const stream = randomStream({ seed, purpose: "fault-schedule" });
  const members = workers + (standby ? 2 : 1) * servers;
  const faults: Fault[] = [];
  const touched = new Set<number>();
  const mayGo = (rank: number) => {
    if (touched.has(rank) || touched.size + 1 >= members / 2) return false;
    if (rank < workers) return [...touched].filter((one) => one < workers).length + 1 < workers;
    const other = rank < workers + servers ? rank + servers : rank - servers;
    return standby && !touched.has(other);
  };
  if (question.storm) {
    const ranks = Array.from({ length: workers }, (_, rank) => rank).filter((rank) => {
      const goes = mayGo(rank);
      if (goes) touched.add(rank);
      return goes;
    });
    faults.push(...drawStorm(stream, ranks, seconds));
  }
  for (let k = 0; k < count; k++) {
    const at = seconds * nextUniform(stream);
    const rank = nextBelow(stream, members);
    const kind = nextBelow(stream, 9);
    const long = seconds * nextUniform(stream);
    if (kind <= 3 && mayGo(rank)) {
      touched.add(rank);
      faults.push(...drawLife(stream, { at, rank, long, isWorker: rank < workers }));
    } else if (kind === 4) faults.push({ at, kind: "pause", rank, seconds: long / 4 });
    else if (kind === 5) faults.push(drawCut(stream, { at, rank, members, seconds: long / 2 }));
    else if (kind === 6) faults.push({ at, kind: "lose", rank });
    else if (kind === 7)
      faults.push({ at, kind: "slow", rank, factor: 1 + 4 * nextUniform(stream) });
    else faults.push({ at, kind: "slow-link", rank, factor: 1 + 4 * nextUniform(stream) });
  }
  faults.push(...drawLinks(question, members));
  return faults.sort((a, b) => a.at - b.at);
}

/** Links break for so long that nobody would wait. They have a stream of their own: other faults are as without them. */
function drawLinks({ seed, seconds, links = 0 }: FaultQuestion, members: number): Fault[] {
  const stream = randomStream({ seed, purpose: "fault-links" });
  return Array.from({ length: members > 1 ? links : 0 }, () => {
    const at = seconds * nextUniform(stream);
    const one = nextBelow(stream, members);
    const other = (one + 1 + nextBelow(stream, members - 1)) % members;
    const ranks = [Math.min(one, other), Math.max(one, other)];
    return { at, kind: "cut-pair", ranks, seconds: 5 * seconds * nextUniform(stream) };
  });
}

/** These members come late, leave, or die, within a twentieth of the time; rank 0 begins with the others. */
function drawStorm(stream: RandomState, ranks: readonly number[], seconds: number): Fault[] {
  const kind = (["join", "leave", "crash"] as const)[nextBelow(stream, 3)]!;
  const begins = seconds * nextUniform(stream);
  return ranks
    .filter((rank) => kind !== "join" || rank > 0)
    .map((rank) => ({ at: begins + (seconds / 20) * nextUniform(stream), kind, rank }));
}

/** One member, or a group of them, is cut off from the others. */
function drawCut(
  stream: RandomState,
  { at, rank, members, seconds }: { at: number; rank: number; members: number; seconds: number },
): Fault {
  const size = 1 + nextBelow(stream, Math.max(1, Math.floor(members / 2)));
  const ranks = Array.from({ length: size }, (_, k) => (rank + k) % members);
  return { at, kind: "cut", ranks, seconds };
}

/** A member joins late, leaves, dies for good, or comes back; rank 0 and servers begin with the others. */
function drawLife(
  stream: RandomState,
  { at, rank, long, isWorker }: { at: number; rank: number; long: number; isWorker: boolean },
): Fault[] {
  const choice = nextBelow(stream, 5);
  if (choice === 0 && rank > 0 && isWorker) return [{ at, kind: "join", rank }];
  if (choice === 1) return [{ at, kind: "leave", rank }];
  const crash: Fault = { at, kind: "crash", rank };
  return choice === 2 ? [crash] : [crash, { at: at + long, kind: "restart", rank }];
}

/** The fewest faults, found greedily, that still fail: first halves are left out, then single ones. */
export function shrinkFaults(
  faults: readonly Fault[],
  fails: (faults: readonly Fault[]) => boolean,
): readonly Fault[] {
  let kept = faults;
  for (
    let size = Math.ceil(kept.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let from = 0; from < kept.length; ) {
      const fewer = [...kept.slice(0, from), ...kept.slice(from + size)];
      if (isWhole(fewer) && fails(fewer)) kept = fewer;
      else from += size;
    }
  }
  return kept;
}

/** A restart without its crash is no schedule. */
function isWhole(faults: readonly Fault[]): boolean {
  return faults.every(
    (fault) =>
      fault.kind !== "restart" ||
      faults.some((other) => other.kind === "crash" && other.rank === fault.rank),
  );
}

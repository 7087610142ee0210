/**
 * What things cost in virtual time. Learning costs seconds per row; a message leaves its sender's link
 * after the ones before it (secondsPerMessage + bytes / bytesPerSecond), travels for the latency, and
 * takes its turn on the receiver's link. So a server that everybody pushes to is as busy as it would be.
 * Spread multiplies a cost by a random factor of mean 1, which also lets messages overtake each other.
 */
import { nextBelow, nextUniform, type RandomState, randomStream } from "../../math/random.ts";

/** How a cost varies: its factor is 1, uniform in [1 - width, 1 + width], or exponential. */
export type Spread =
  | { readonly kind: "none" }
  | { readonly kind: "uniform"; readonly width: number }
  | { readonly kind: "exponential" };

/** The cost model of a simulation. */
export interface Costs {
  readonly learnSecondsPerRow: number;
  readonly learnSecondsPerUpdate: number;
  readonly learnSpread: Spread;
  readonly latencySeconds: number;
  readonly latencySpread: Spread;
  readonly bytesPerSecond: number;
  readonly secondsPerMessage: number;
  /** Factors by which workers learn slower, by rank. */
  readonly slowMembers: Readonly<Record<number, number>>;
  /** Factors by which members' links are slower, by rank. */
  readonly slowLinks: Readonly<Record<number, number>>;
}

/** A small cluster: 1 us a row, 100 us latency, 1 Gbps, 20 us a message. */
export function costs(given: Partial<Costs> = {}): Costs {
  return {
    learnSecondsPerRow: 1e-6,
    learnSecondsPerUpdate: 0,
    learnSpread: { kind: "none" },
    latencySeconds: 1e-4,
    latencySpread: { kind: "none" },
    bytesPerSecond: 125e6,
    secondsPerMessage: 2e-5,
    slowMembers: {},
    slowLinks: {},
    ...given,
  };
}

/** `count` ranks drawn from the seed, each with that factor: "1:10" is { count: 1, factor: 10 }. */
export function drawSlow(
  { count, factor }: { count: number; factor: number },
  { workers, seed }: { workers: number; seed: number },
): Record<number, number> {
  const stream = randomStream({ seed, purpose: "slow-members" });
  const slow: Record<number, number> = {};
  while (Object.keys(slow).length < Math.min(count, workers)) {
    slow[nextBelow(stream, workers)] = factor;
  }
  return slow;
}

/** A random factor of mean 1. */
export function factorOf(spread: Spread, stream: RandomState): number {
  switch (spread.kind) {
    case "none":
      return 1;
    case "uniform":
      return 1 + spread.width * (2 * nextUniform(stream) - 1);
    case "exponential":
      return -Math.log(1 - nextUniform(stream));
    default:
      return spread satisfies never;
  }
}

/** When each member's links are free again, and by what factor they are slow. */
export interface Network {
  readonly costs: Costs;
  readonly stream: RandomState;
  readonly outFree: Float64Array;
  readonly inFree: Float64Array;
  readonly factor: Float64Array;
}

/** A quiet network of that many members. */
export function createNetwork(model: Costs, members: number, seed: number): Network {
  const factor = new Float64Array(members).fill(1);
  for (const [rank, slow] of Object.entries(model.slowLinks)) {
    if (Number(rank) < members) factor[Number(rank)] = slow;
  }
  return {
    costs: model,
    stream: randomStream({ seed, purpose: "network" }),
    outFree: new Float64Array(members),
    inFree: new Float64Array(members),
    factor,
  };
}

/** When a message sent now arrives; takes its turn on both links. */
export function arrivalOf(
  network: Network,
  { now, from, to, bytes }: { now: number; from: number; to: number; bytes: number },
): number {
  const { costs: model, outFree, inFree, factor, stream } = network;
  const transfer = bytes / model.bytesPerSecond;
  const left = Math.max(now, outFree[from]!) + (model.secondsPerMessage + transfer) * factor[from]!;
  outFree[from] = left;
  const slowest = Math.max(factor[from]!, factor[to]!);
  const latency = model.latencySeconds * slowest * factorOf(model.latencySpread, stream);
  // The receiving link is modelled for bandwidth only: latency spread may reorder messages beyond it.
  const busyUntil = inFree[to]! + transfer * factor[to]!;
  inFree[to] = Math.max(left, busyUntil);
  return inFree[to]! + latency;
}

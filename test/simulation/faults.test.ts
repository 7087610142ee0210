/** Strategies under faults: their invariants hold for whoever lives to the end. */
import { describe, expect, test } from "vitest";
import type { Fault } from "../../src/engines/simulator/faults.ts";
import { adPsgd } from "../../src/strategies/ad-psgd.ts";
import { peerToPeer } from "../../src/strategies/peer-to-peer.ts";
import type { AnyStrategy, StrategyOptions } from "../../src/strategies/strategy.ts";
import { explain, type FaultRun, faultsOf, runFaults, workersOf } from "./support-faults.ts";

/** Any number by SCHEDULES=N. */
const schedules = Number(process.env.SCHEDULES ?? 1000);
const seeds = Array.from({ length: schedules }, (_, k) => k + 1);

type Verdict = (seed: number, faults: readonly Fault[]) => string | null;

function holds(verdict: Verdict): void {
  for (const seed of seeds) {
    const faults = faultsOf(seed, workersOf(seed));
    expect(explain(seed, faults, (fewer) => verdict(seed, fewer))).toBeNull();
  }
}

const known = new Map<string, FaultRun<unknown>>();

/** A run under the faults that its seed draws is made once for all invariants. */
function runOnce(
  strategy: AnyStrategy,
  seed: number,
  { faults, options }: { faults: readonly Fault[]; options?: Partial<StrategyOptions> },
): FaultRun<unknown> {
  const drawn = faultsOf(seed, workersOf(seed));
  const given = options ? { faults, options } : { faults };
  if (drawn.length !== faults.length) return runFaults(strategy, seed, given);
  const key = `${strategy.name} ${JSON.stringify(options ?? {})} ${seed}`;
  const run = known.get(key) ?? runFaults(strategy, seed, given);
  known.set(key, run);
  return run;
}

function ends(strategy: AnyStrategy): Verdict {
  return (seed, faults) => {
    const { result, survivors, hasQuorum } = runOnce(strategy, seed, { faults });
    if (!hasQuorum) return null; // those that are left may not go on
    if (result.deadlock) return result.deadlock;
    return survivors.length > 0 ? null : "nobody lived to the end";
  };
}

/** Every other run of peer-to-peer sends a part of each update and carries the rest. */
function thin(seed: number): Partial<StrategyOptions> {
  return seed % 2 === 0 ? {} : { values: "f16", topK: 1, tolerance: 0.2 };
}

describe("peer-to-peer", { timeout: 300_000 }, () => {
  test("ends without deadlock under faults", () => {
    holds((seed, faults) => {
      const run = runOnce(peerToPeer, seed, { faults, options: thin(seed) });
      return run.hasQuorum ? run.result.deadlock : null;
    });
  });

  test("no update of a departed member is applied by some members of the view and not by others", () => {
    holds((seed, faults) => {
      const { result, survivors, hasQuorum } = runOnce(peerToPeer, seed, {
        faults,
        options: thin(seed),
      });
      if (!hasQuorum) return null;
      const [first, ...others] = survivors.map((rank) => result.replicas[rank]!);
      for (const other of others) {
        const rank = other.values.findIndex((value, k) => value !== first!.values[k]);
        if (rank < 0 && other.rows === first!.rows) continue;
        return `of member ${rank} one applied ${first!.values[rank]} updates, another ${other.values[rank]}`;
      }
      return null;
    });
  });

  test("once quiet, every live member has applied every update of every live member exactly once", () => {
    holds((seed, faults) => {
      const { result, survivors, states, hasQuorum } = runOnce(peerToPeer, seed, {
        faults,
        options: thin(seed),
      });
      if (!hasQuorum) return null;
      for (const rank of survivors) {
        if (states[rank]!.membership.incarnation > 1) continue;
        const { updates } = result.telemetry.members[rank]!;
        for (const holder of survivors) {
          const applied = result.replicas[holder]!.values[rank];
          if (applied !== updates) {
            return `member ${rank} made ${updates} updates, member ${holder} applied ${applied}`;
          }
        }
      }
      return null;
    });
  });
});

describe("membership", { timeout: 300_000 }, () => {
  test("at most one view of each number is ever installed, in ascending order at every member", () => {
    holds((seed, faults) => {
      return runOnce(peerToPeer, seed, { faults, options: thin(seed) }).viewFault;
    });
    holds((seed, faults) => runOnce(adPsgd, seed, { faults }).viewFault);
  });
});

describe("ad-psgd", { timeout: 300_000 }, () => {
  test("ends without deadlock under faults", () => holds(ends(adPsgd)));
});

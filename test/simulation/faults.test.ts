/** Strategies under faults: their invariants hold for whoever lives to the end. */
import { describe, expect, test } from "vitest";
import type { Fault } from "../../src/engines/simulator/faults.ts";
import { adPsgd } from "../../src/strategies/ad-psgd.ts";
import { peerToPeer } from "../../src/strategies/peer-to-peer.ts";
import type { AnyStrategy } from "../../src/strategies/strategy.ts";
import { explain, faultsOf, runFaults, workersOf } from "./support-faults.ts";

const schedules = Number(process.env.SCHEDULES ?? 300);
const seeds = Array.from({ length: schedules }, (_, k) => k + 1);

type Verdict = (seed: number, faults: readonly Fault[]) => string | null;

function holds(verdict: Verdict): void {
  for (const seed of seeds) {
    const faults = faultsOf(seed, workersOf(seed));
    expect(explain(seed, faults, (fewer) => verdict(seed, fewer))).toBeNull();
  }
}

function ends(strategy: AnyStrategy): Verdict {
  return (seed, faults) => {
    const { result, survivors, hasQuorum } = runFaults(strategy, seed, { faults });
    if (!hasQuorum) return null; // those that are left may not go on
    if (result.deadlock) return result.deadlock;
    return survivors.length > 0 ? null : "nobody lived to the end";
  };
}

describe("peer-to-peer", () => {
  test("ends without deadlock under faults", () => holds(ends(peerToPeer)));

  test("no update of a departed member is applied by some members of the view and not by others", () => {
    holds((seed, faults) => {
      const { result, survivors, hasQuorum } = runFaults(peerToPeer, seed, { faults });
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
      const { result, survivors, states, hasQuorum } = runFaults(peerToPeer, seed, { faults });
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

describe("ad-psgd", () => {
  test("ends without deadlock under faults", () => holds(ends(adPsgd)));
});

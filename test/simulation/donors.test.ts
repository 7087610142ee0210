/**
 * Newcomers of rounds whose donors leave, or die and leave, before or while they copy the model: what those had learned
 * goes on in the newcomers, who do not begin from zero.
 */
import { expect, test } from "vitest";
import { faultLaws } from "../../src/engines/simulator/fault-laws.ts";
import { type FaultRun, runFaults } from "../../src/engines/simulator/fault-runs.ts";
import { readFaults } from "../../src/engines/simulator/fault-schedules.ts";
import { allreduce } from "../../src/strategies/allreduce.ts";
import { dPsgd } from "../../src/strategies/d-psgd.ts";
import type { AnyStrategy } from "../../src/strategies/strategy.ts";

const firstJoin = 0.05;

/** Workers from 2 on come while workers 0 and 1 go, from 0 to 80 ms later. */
function* schedules(goes: readonly [string, string], workers: number): Generator<[number, string]> {
  for (const seed of [1, 2, 6]) {
    for (let late = 0; late < 0.08; late += 0.004) {
      const at = firstJoin + late;
      const joins = Array.from({ length: workers - 2 }, (_, k) => {
        return `${firstJoin + 0.01 * k} join ${k + 2}`;
      });
      yield [seed, [...joins, `${at} ${goes[0]} 0`, `${at} ${goes[1]} 1`].join("\n")];
    }
  }
}

/** Newcomers that learned at the end, in the last view. */
function successors({ result, states, survivors }: FaultRun): number[] {
  return survivors.filter((rank) => {
    return rank >= 2 && states[rank]!.inner && result.telemetry.members[rank]!.updates > 0;
  });
}

function brokenLaws(run: FaultRun, { name }: AnyStrategy): (string | null)[] {
  return faultLaws
    .filter(({ of }) => !of || of.includes(name))
    .map(({ holds }) => holds(run))
    .filter((fault) => fault !== null);
}

for (const strategy of [allreduce, dPsgd] as AnyStrategy[]) {
  test.each([
    [["leave", "leave"], 3],
    [["leave", "leave"], 4],
    [["crash", "leave"], 3],
    [["leave", "crash"], 4],
  ] as const)(
    `${strategy.name}: where members %j, newcomers of %d workers go on with what they had`,
    (goes, workers) => {
      let looked = 0;
      for (const [seed, text] of schedules(goes, workers)) {
        const run = runFaults(strategy, seed, { workers, faults: readFaults(text) });
        const { members } = run.result.telemetry;
        expect(brokenLaws(run, strategy), `seed ${seed}\n${text}`).toEqual([]);
        for (const rank of successors(run)) {
          looked++;
          const [a, b] = run.result.replicas[rank]!.values as unknown as [number, number];
          const made = members[0]!.updates + members[1]!.updates;
          // Sums have each update, but for what died with its worker; means have their share of all.
          const least =
            goes.some((kind) => kind === "crash") || strategy === dPsgd ? 0.2 * made : made;
          expect(a + b, `seed ${seed}\n${text}`).toBeGreaterThanOrEqual(least);
        }
      }
      expect(looked).toBeGreaterThan(20);
    },
  );
}

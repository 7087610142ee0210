/**
 * A partition, seen from both sides: the side without a quorum stops, the other goes on without it, and after the cut
 * heals those that were cut off join again. Every law of members that come and go holds.
 */
import { describe, expect, test } from "vitest";
import { faultLaws } from "../../src/engines/simulator/fault-laws.ts";
import { type FaultRun, runFaults } from "../../src/engines/simulator/fault-runs.ts";
import type { Membership } from "../../src/membership/membership.ts";
import { messageStrategies } from "../../src/strategies/all.ts";
import type { AnyStrategy, StrategyOptions } from "../../src/strategies/strategy.ts";

const [cutAt, healsAt] = [0.2, 1.2] as const;
/** By then a cut is noticed: beats come every 20 ms, and ten are waited for. */
const noticedAt = cutAt + 0.4;

interface Seen {
  readonly rank: number;
  readonly now: number;
  readonly kind: string;
  readonly view: number;
}

/** A run of five workers, some of whose members are cut off for a second, with every step that was made. */
function partition(
  strategy: AnyStrategy,
  minority: readonly number[],
  given: Partial<StrategyOptions> = {},
): { run: FaultRun; steps: readonly Seen[] } {
  const steps: Seen[] = [];
  const faults = [{ at: cutAt, kind: "cut", ranks: minority, seconds: healsAt - cutAt } as const];
  const run = runFaults(strategy, 11, {
    workers: 5,
    faults,
    options: { topology: "ring", servers: 1, standby: false, staleness: 1, ...given },
    plan: { epochs: strategy.owns === "columns" ? 40 : 30, duplicates: 0 },
    plant: (beneath) => ({
      ...beneath,
      step(state: { seat: { rank: number }; membership: Membership }, replica, event, out) {
        beneath.step(state, replica, event, out);
        const { rank } = state.seat;
        const view = state.membership.view?.id ?? 0;
        steps.push({ rank, now: event.now, kind: event.kind, view });
      },
    }),
  });
  return { run, steps };
}

function expectPartition(
  { run, steps }: ReturnType<typeof partition>,
  minority: readonly number[],
) {
  const { workers } = run.situation;
  const during = steps.filter(({ now }) => now > noticedAt && now < healsAt);
  const learned = during.filter(({ rank, kind }) => rank < workers && kind === "learned");
  const [small, large] = [true, false].map((inside) =>
    learned.filter(({ rank }) => minority.includes(rank) === inside),
  );
  // What was begun before the cut was noticed may end; nothing else is learned there.
  expect(small!.length).toBeLessThanOrEqual(2 * minority.length);
  expect(small!.filter(({ now }) => now > noticedAt + 0.1)).toEqual([]);
  expect(large!.length).toBeGreaterThan(20);
  for (const { rank, view } of during) {
    if (minority.includes(rank)) expect(view).toBe(1);
    else expect(view).toBeGreaterThan(1);
  }
  expect(steps.at(-1)!.now).toBeGreaterThan(healsAt);
  for (const rank of minority) {
    expect(Math.max(...run.lives[rank]!), `lives of member ${rank}`).toBe(2);
    const after = steps.filter((one) => one.rank === rank && one.now > healsAt + 0.5);
    expect(Math.max(...after.map(({ view }) => view))).toBeGreaterThan(2);
  }
  expect(run.hasQuorum).toBe(true);
  for (const law of faultLaws) {
    if (law.of && !law.of.includes(run.strategy.name)) continue;
    expect(law.holds(run), law.name).toBeNull();
  }
}

const parallel = messageStrategies.filter(({ name }) => name !== "serial");

describe.each(parallel.map((strategy) => ({ strategy, name: strategy.name })))(
  "$name",
  ({ strategy }) => {
    test("the minority stops, the majority goes on, and after the heal all are one again", () => {
      const minority = [3, 4];
      expectPartition(partition(strategy, minority), minority);
    });

    test("so it is when the lowest rank, the authority, is on the smaller side", () => {
      const minority = [0, 1];
      expectPartition(partition(strategy, minority), minority);
    });
  },
);

test.each(["bsp", "asp", "ssp", "dssp"])(
  "%s: a server on the smaller side is replaced by its standby on the larger one",
  (name) => {
    const strategy = parallel.find((one) => one.name === name)!;
    const minority = [4, 5];
    expectPartition(partition(strategy, minority, { standby: true }), minority);
  },
);

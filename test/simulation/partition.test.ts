/**
 * A partition, seen from both sides: the side without a quorum stops, the other goes on without it, and after the cut
 * heals those that were cut off join again. And a single link that breaks: one of its ends goes, and comes back when
 * the link does. Every law of members that come and go holds.
 */
import { describe, expect, test } from "vitest";
import { faultLaws } from "../../src/engines/simulator/fault-laws.ts";
import { type FaultRun, runFaults } from "../../src/engines/simulator/fault-runs.ts";
import type { Fault } from "../../src/engines/simulator/faults.ts";
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

const five = { workers: 5 };
/** Beats go along some pairs only. */
const many = { workers: 12, allPairsMax: 8 };

/** Of more than eight workers' columns the ledger's digits do not fit into a sum (conservation.ts). */
function manyOf({ owns }: AnyStrategy): typeof many {
  return owns === "columns" ? { workers: 8, allPairsMax: 7 } : many;
}

/** A run of workers, five unless told, with a cut of a second, and every step that was made. */
function runWithCut(
  strategy: AnyStrategy,
  cut: { readonly kind: "cut" | "cut-pair"; readonly ranks: readonly number[] },
  given: Partial<StrategyOptions> = {},
  team: typeof five | typeof many = five,
) {
  const faults = [{ at: cutAt, ...cut, seconds: healsAt - cutAt }];
  return runWith(strategy, faults, given, team);
}

function runWith(
  strategy: AnyStrategy,
  faults: readonly Fault[],
  given: Partial<StrategyOptions>,
  { workers, ...membership }: typeof five | typeof many,
): { run: FaultRun; steps: readonly Seen[] } {
  const steps: Seen[] = [];
  const run = runFaults(strategy, 11, {
    workers,
    membership,
    faults,
    options: { topology: "ring", servers: 1, standby: false, staleness: 1, ...given },
    plan: {
      ...{ epochs: strategy.owns === "columns" ? 40 : 30, duplicates: 0 },
      eventsMax: 50_000 * workers,
    },
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

const partition = (strategy: AnyStrategy, ranks: readonly number[], given = {}) =>
  runWithCut(strategy, { kind: "cut", ranks }, given);

function expectPartition(
  { run, steps }: ReturnType<typeof runWithCut>,
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
  expectLaws(run);
}

function expectLaws(run: FaultRun) {
  expect(run.hasQuorum).toBe(true);
  for (const law of faultLaws) {
    if (law.of && !law.of.includes(run.strategy.name)) continue;
    expect(law.holds(run), law.name).toBeNull();
  }
}

/** All but one go on while the link between these is cut, and that one is expelled once, however long it lasts. */
function expectLinkCut(
  { run, steps }: ReturnType<typeof runWithCut>,
  ends: readonly number[],
  goes: number,
) {
  const { workers } = run.situation;
  const during = steps.filter(({ now }) => now > noticedAt && now < healsAt);
  for (let rank = 0; rank < workers; rank++) {
    const learned = during.filter((one) => one.rank === rank && one.kind === "learned");
    if (rank === goes) expect(learned.length).toBeLessThanOrEqual(1);
    else expect(learned.length, `worker ${rank}`).toBeGreaterThan(4);
  }
  for (const rank of ends) {
    const lives = rank === goes ? 2 : 1;
    expect(run.lives[rank]!.size, `lives of member ${rank}`).toBe(lives);
  }
  const back = steps.filter(({ rank, now }) => rank === goes && now > healsAt + 0.2);
  expect(Math.max(...back.map(({ view }) => view))).toBeGreaterThan(2);
  expectLaws(run);
}

const parallel = messageStrategies.filter(({ name }) => name !== "serial");
const withServers = ["bsp", "asp", "ssp", "dssp"];

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

test.each(withServers)(
  "%s: a server on the smaller side is replaced by its standby on the larger one",
  (name) => {
    const strategy = parallel.find((one) => one.name === name)!;
    const minority = [4, 5];
    expectPartition(partition(strategy, minority, { standby: true }), minority);
  },
);

describe("a link that breaks between two members, while all others hear both", () => {
  test.each(parallel.filter(({ name }) => !withServers.includes(name)))(
    "$name goes on without the one of higher rank",
    (strategy) => {
      const ends = [2, 3];
      expectLinkCut(runWithCut(strategy, { kind: "cut-pair", ranks: ends }), ends, 3);
    },
  );

  test.each(withServers)("%s goes on without the worker that does not reach the server", (name) => {
    const strategy = parallel.find((one) => one.name === name)!;
    const ends = [3, 5];
    expectLinkCut(runWithCut(strategy, { kind: "cut-pair", ranks: ends }), ends, 3);
  });

  test.each(
    withServers.flatMap((name) => [
      { name, ends: [2, 3] },
      { name, ends: [0, 1] },
    ]),
  )("$name: workers $ends, which do not hear each other, go on, both of them", ({ name, ends }) => {
    const strategy = parallel.find((one) => one.name === name)!;
    const { run, steps } = runWithCut(strategy, { kind: "cut-pair", ranks: ends });
    expect(Math.max(...steps.map(({ view }) => view))).toBe(1);
    const learned = steps.filter(
      ({ now, kind }) => now > noticedAt && now < healsAt && kind === "learned",
    );
    for (const end of ends)
      expect(learned.filter(({ rank }) => rank === end).length).toBeGreaterThan(4);
    expectLaws(run);
  });
});

describe("a link that breaks among twelve, where beats go along some pairs only", () => {
  test.each(parallel.filter(({ name }) => !withServers.includes(name)))(
    "$name goes on without one of the two",
    (strategy) => {
      const ends = [4, 5];
      const cut = { kind: "cut-pair", ranks: ends } as const;
      const { run, steps } = runWithCut(strategy, cut, {}, manyOf(strategy));
      const [goes] = ends.filter((rank) => run.lives[rank]!.size > 1);
      expect(goes, "one has gone").toBeDefined();
      expectLinkCut({ run, steps }, ends, goes!);
    },
  );

  test.each(withServers)("%s goes on without the worker that does not reach the server", (name) => {
    const strategy = parallel.find((one) => one.name === name)!;
    const ends = [4, 12];
    expectLinkCut(runWithCut(strategy, { kind: "cut-pair", ranks: ends }, {}, many), ends, 4);
  });
});

test.each(parallel)(
  "$name: among many nobody goes who is only slow, stopped for a moment, or on slow links",
  (strategy) => {
    // Beats come every 20 ms, and four are waited for at least.
    const stops = [0.2, 0.4, 0.6, 0.8].flatMap((at): Fault[] => [
      { at, kind: "pause", rank: 3, seconds: 0.07 },
      { at: at + 0.1, kind: "pause", rank: 4, seconds: 0.07 },
      { at: at + 0.05, kind: "lose", rank: 6 },
    ]);
    const slow: Fault[] = [
      { at: 0.1, kind: "slow", rank: 4, factor: 5 },
      { at: 0.1, kind: "slow-link", rank: 5, factor: 8 },
      { at: 0.1, kind: "slow-link", rank: 2, factor: 8 },
    ];
    const { run } = runWith(strategy, [...slow, ...stops], {}, manyOf(strategy));
    for (const lives of run.lives) expect([...lives]).toEqual([1]);
    expectLaws(run);
  },
);

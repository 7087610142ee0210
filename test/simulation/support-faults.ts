/** Runs under faults: a strategy with membership beneath it, on the ledger, under a schedule of a seed. */

import { membered } from "../../src/engines/membered.ts";
import { costs } from "../../src/engines/simulator/costs.ts";
import {
  drawFaults,
  faultLines,
  shrinkFaults,
} from "../../src/engines/simulator/fault-schedules.ts";
import type { Fault } from "../../src/engines/simulator/faults.ts";
import {
  runSimulation,
  type SimulationPlan,
  type SimulationResult,
} from "../../src/engines/simulator/simulator.ts";
import { ledgerTask } from "../../src/learner/ledger-task.ts";
import { nextBelow, randomStream } from "../../src/math/random.ts";
import type { Membership } from "../../src/membership/membership.ts";
import { isQuorum } from "../../src/membership/views.ts";
import {
  type AnyStrategy,
  type StrategyOptions,
  strategyOptions,
  type View,
} from "../../src/strategies/strategy.ts";

/** A member at the end of a run, its strategy's state included. */
export interface LastState<Inner> {
  readonly membership: Membership;
  readonly inner: { readonly state: Inner } | null;
}

/** What a run under faults came to. */
export interface FaultRun<Inner> {
  readonly seed: number;
  readonly faults: readonly Fault[];
  readonly result: SimulationResult;
  /** By rank, of the last life. */
  readonly states: readonly LastState<Inner>[];
  /** Ranks that ran to the end in the last view. */
  readonly survivors: readonly number[];
  /** Whether those that live are a quorum of the last view: else nobody may decide the next. */
  readonly hasQuorum: boolean;
  /** How views broke their order or differed, in words; null when they did neither. */
  readonly viewFault: string | null;
}

/** How a run differs from what its seed draws. */
export interface FaultGiven {
  readonly workers?: number;
  readonly options?: Partial<StrategyOptions>;
  readonly faults?: readonly Fault[];
  readonly plan?: Partial<SimulationPlan>;
}

export function faultsOf(seed: number, workers: number): readonly Fault[] {
  const count = 1 + (seed % 6);
  return drawFaults({ seed, workers, seconds: 0.6, count });
}

export function workersOf(seed: number): number {
  return 3 + nextBelow(randomStream({ seed, purpose: "fault-workers" }), 5);
}

/** Runs a strategy under the faults of a seed. */
export function runFaults<Inner>(
  strategy: AnyStrategy,
  seed: number,
  given: FaultGiven = {},
): FaultRun<Inner> {
  const workers = given.workers ?? workersOf(seed);
  const faults = given.faults ?? faultsOf(seed, workers);
  const states: LastState<Inner>[] = [];
  const views = watchViews(states);
  const beneath = membered(strategy, { beatSeconds: 0.02, quorum: "majority" });
  const result = runSimulation({
    strategy: {
      ...beneath,
      init(seat, options) {
        const state = beneath.init(seat, options);
        states[seat.rank] = state as unknown as LastState<Inner>;
        return state;
      },
    },
    options: strategyOptions({ rowsPerUpdate: 2, ...given.options }),
    task: ledgerTask({ workers, rowsPerWorker: 24 }),
    workers,
    seed,
    epochs: 5,
    costs: costs({
      learnSecondsPerRow: 5e-3,
      learnSpread: { kind: "uniform", width: 0.5 },
      latencySeconds: 1e-3,
      latencySpread: { kind: "exponential" },
    }),
    duplicates: seed % 3 === 0 ? 0.1 : 0,
    faults,
    eventsMax: 400_000,
    watch: (_now, rank) => views.look(rank),
    ...given.plan,
  });
  const last = lastView(states);
  const survivors = survivorsOf(last, states, result.alive);
  const hasQuorum = isQuorum({ ...last, left: [] }, new Set(survivors)) || last.left.length > 0;
  return { seed, faults, result, states, survivors, hasQuorum, viewFault: views.fault() };
}

/** Compares every view that any member installs with those of the same number, and with its own before. */
function watchViews(states: readonly LastState<unknown>[]) {
  const byId = new Map<number, string>();
  const last: { life: string; view: View }[] = [];
  let fault: string | null = null;
  return {
    fault: () => fault,
    look(rank: number) {
      const { view, incarnation } = states[rank]!.membership;
      const before = last[rank];
      if (view === null || before?.view === view) return;
      const life = `${rank}.${incarnation}`;
      if (before?.life === life && view.id <= before.view.id) {
        fault ??= `member ${life} installed view ${view.id} after ${before.view.id}`;
      }
      last[rank] = { life, view };
      const words = JSON.stringify(view);
      const known = byId.get(view.id) ?? words;
      if (known !== words) fault ??= `two views ${view.id}: ${known} and ${words}`;
      byId.set(view.id, known);
    },
  };
}

/** The last view that anybody was in, the dead included. */
function lastView(states: readonly LastState<unknown>[]): View {
  const views = states.flatMap((state) => (state?.membership.view ? [state.membership.view] : []));
  return views.reduce((last, view) => (view.id > last.id ? view : last));
}

/** A newcomer that found nobody left to copy from took no part. */
function hasModel(state: LastState<unknown> | undefined): boolean {
  const inner = state?.inner?.state as { joining?: unknown; asked?: unknown } | undefined;
  return inner !== undefined && !inner.joining && typeof inner.asked !== "number";
}

function survivorsOf(
  { members, left }: View,
  states: readonly LastState<unknown>[],
  alive: readonly boolean[],
): number[] {
  return [...members, ...left]
    .filter(({ rank, incarnation }) => {
      const state = states[rank];
      return alive[rank] && hasModel(state) && state!.membership.incarnation === incarnation;
    })
    .map(({ rank }) => rank);
}

/** Fails with the fewest faults that still break it. */
export function explain(
  seed: number,
  faults: readonly Fault[],
  verdict: (faults: readonly Fault[]) => string | null,
): string | null {
  const message = verdict(faults);
  if (message === null) return null;
  const fewest = shrinkFaults(faults, (fewer) => verdict(fewer) !== null);
  return [
    `seed ${seed}: ${verdict(fewest)}; the fewest faults that do it:`,
    ...faultLines(fewest),
  ].join("\n  ");
}

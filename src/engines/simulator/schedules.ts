/**
 * Random schedules: a seed draws a whole situation - how many workers, of what speed, on what network, with
 * what settings - so that one number replays one run.
 */
import { ledgerTask } from "../../learner/ledger-task.ts";
import { quadraticTask } from "../../learner/quadratic.ts";
import { nextBelow, nextUniform, type RandomState, randomStream } from "../../math/random.ts";
import {
  type AnyStrategy,
  type StrategyOptions,
  strategyOptions,
} from "../../strategies/strategy.ts";
import { topologyNames } from "../../topology/topology.ts";
import { type Costs, costs, type Spread } from "./costs.ts";
import type { SimulationPlan } from "./simulator.ts";

/** A situation without its task. */
export interface Schedule {
  readonly seed: number;
  readonly workers: number;
  readonly epochs: number;
  readonly rowsPerWorker: number;
  readonly options: StrategyOptions;
  readonly costs: Costs;
}

/** Events after which a schedule of this size counts as one that never ends. */
export const scheduleEventsMax = 200_000;

/** Draws the situation of a seed; settings that the strategy refuses are drawn again. */
export function drawSchedule(
  strategy: AnyStrategy,
  seed: number,
  fixed: Partial<StrategyOptions> = {},
): Schedule {
  const stream = randomStream({ seed, purpose: "schedule" });
  for (let tries = 0; tries < 100; tries++) {
    const drawn = drawOnce(stream, seed, fixed);
    // Owners of columns all learn all rows: as many batches as there are workers will do.
    const rowsPerWorker = drawn.options.rowsPerUpdate;
    const schedule = strategy.owns === "columns" ? { ...drawn, rowsPerWorker } : drawn;
    const { workers, options } = schedule;
    if (!strategy.refuses?.({ workers, width: Math.max(8, workers) }, options)) return schedule;
    if (!strategy.refuses?.({ workers: 1, width: 8 }, options)) return { ...schedule, workers: 1 };
  }
  throw new RangeError(
    `Cannot draw schedule as ${strategy.name} refuses everything: current value is seed ${seed}`,
  );
}

function drawOnce(stream: RandomState, seed: number, fixed: Partial<StrategyOptions>): Schedule {
  const workers = 1 + nextBelow(stream, 8);
  const rowsPerUpdate = 1 + nextBelow(stream, 4);
  const staleness = nextBelow(stream, 4);
  return {
    seed,
    workers,
    epochs: 1 + nextBelow(stream, 3),
    // Whole updates only, so that all weigh the same under mean merging.
    rowsPerWorker: rowsPerUpdate * (2 + nextBelow(stream, 6)),
    options: strategyOptions({
      rowsPerUpdate,
      merge: pick(stream, ["sum", "mean", "anticipate"]),
      learn: pick(stream, ["local", "gradient"]),
      staleness,
      stalenessMax: staleness + nextBelow(stream, 8),
      servers: 1 + nextBelow(stream, 3),
      topology: pick(stream, topologyNames),
      order: pick(stream, ["average-then-adapt", "adapt-then-average"]),
      ...fixed,
    }),
    costs: drawCosts(stream, workers),
  };
}

function drawCosts(stream: RandomState, workers: number): Costs {
  const slow: Record<number, number> = {};
  if (nextBelow(stream, 2) === 0) slow[nextBelow(stream, workers)] = 1 + 20 * nextUniform(stream);
  const slowLinks: Record<number, number> = {};
  if (nextBelow(stream, 3) === 0)
    slowLinks[nextBelow(stream, workers)] = 1 + 20 * nextUniform(stream);
  return costs({
    learnSecondsPerRow: 10 ** (-6 + 4 * nextUniform(stream)),
    learnSpread: drawSpread(stream),
    latencySeconds: 10 ** (-6 + 4 * nextUniform(stream)),
    latencySpread: drawSpread(stream),
    slowMembers: slow,
    slowLinks,
  });
}

function drawSpread(stream: RandomState): Spread {
  return pick<Spread>(stream, [
    { kind: "none" },
    { kind: "uniform", width: 0.9 },
    { kind: "exponential" },
  ]);
}

function pick<T>(stream: RandomState, items: readonly T[]): T {
  return items[nextBelow(stream, items.length)]!;
}

/** The schedule on the ledger task, which counts how often each worker's updates were applied. */
export function ledgerPlan(strategy: AnyStrategy, schedule: Schedule): SimulationPlan {
  return planOf(strategy, schedule, ledgerTask(schedule));
}

/** The schedule on the quadratic task, whose values depend on every bit of the order. */
export function quadraticPlan(strategy: AnyStrategy, schedule: Schedule): SimulationPlan {
  const { workers, rowsPerWorker } = schedule;
  const width = Math.max(8, workers);
  const task = quadraticTask({ workers, rowsPerWorker, width, rate: 0.02, noise: 0.1 });
  return planOf(strategy, schedule, task);
}

function planOf(
  strategy: AnyStrategy,
  schedule: Schedule,
  task: SimulationPlan["task"],
): SimulationPlan {
  const { seed, workers, epochs, options } = schedule;
  const eventsMax = scheduleEventsMax;
  return { strategy, options, task, workers, seed, epochs, costs: schedule.costs, eventsMax };
}

/**
 * An engine seats members, feeds each its events and carries out its effects (strategies/strategy.ts has
 * what it promises). Threads, the simulator, a cluster: all take a plan and give a result of one shape, and
 * all pass test/conformance.
 */

import type { Task } from "../learner/learner.ts";
import type { Model } from "../math/replica.ts";
import {
  type AnyStrategy,
  type SeatPlan,
  type StrategyOptions,
  seatPlans,
} from "../strategies/strategy.ts";
import type { Telemetry } from "./telemetry.ts";

/** What to run. */
export interface RunPlan {
  readonly strategy: AnyStrategy;
  readonly options: StrategyOptions;
  readonly task: Task;
  readonly workers: number;
  readonly seed: number;
  /** Stop when all together have learned that many times the task's rows. */
  readonly epochs: number;
  /** Weights to start from, as a model at T = 0; without it zeros. */
  readonly initial?: Model;
}

/** A run as it was when a snapshot had been judged, from which it goes on. */
export interface Resumption {
  /** Number of that snapshot, and in lockstep the rounds that were done. */
  readonly number: number;
  readonly round: number;
  /** Rows learned by all. */
  readonly rows: number;
  /** The model, or by rank each worker's. */
  readonly models: readonly Model[];
  /** The verdict on the snapshot was to stop: the run ends when the next is due. */
  readonly ends: boolean;
}

/** How a run ended. */
export interface EngineResult {
  /** The model, in v-space. */
  readonly model: Model;
  /** Each member's replica at the end, by rank. */
  readonly replicas: readonly Model[];
  readonly seats: readonly SeatPlan[];
  /** How far the workers' replicas are apart, relative to their mean. */
  readonly apart: number;
  /** The engine's own time, virtual in the simulator. */
  readonly seconds: number;
  readonly telemetry: Telemetry;
  /** Rows learned before, by a run that this one goes on from: not in the telemetry. */
  readonly rowsBefore?: number;
  /** It was asked to stop, and not by whoever looks at snapshots. */
  readonly isStopped?: boolean;
  /** Workers that came to the end of it, where they came and went: not as many as planned, perhaps. */
  readonly workers?: number;
  /** Why it is over before all was learned, in words; null where it is not. */
  readonly endedEarly?: string | null;
}

/** Why an engine can't run a strategy, as data. */
export interface Unsupported {
  readonly reason: string;
}

/** Something that runs plans. */
export interface Engine {
  readonly name: string;
  supports(plan: RunPlan): Unsupported | null;
  run(plan: RunPlan): Promise<EngineResult>;
}

/** Why a cluster runs no strategy whose members own columns. */
export const needsColumns = "members of a cluster hold rows, and it needs rows cut by columns";

/** What every engine asks first: does the strategy itself accept to run so? */
export function refusalOf({ strategy, options, workers, task }: RunPlan): Unsupported | null {
  const reason = strategy.refuses?.({ workers, width: task.width }, options) ?? null;
  if (reason !== null) return { reason };
  if (strategy.owns !== "columns" || task.createColumnLearner) return null;
  return { reason: `${strategy.name} needs rows cut by columns, and task ${task.name} has none` };
}

/** The seats of a plan. */
export function seatsOf({ strategy, options, workers, task }: RunPlan): readonly SeatPlan[] {
  const { width } = task;
  const loads = strategy.owns === "columns" ? task.columnLoads?.() : undefined;
  const question = { workers, width, ...(loads ? { columnLoads: loads } : {}) };
  return seatPlans(strategy, question, options);
}

/** The workers of a run: how many, and the pool they wait in where their strategy shares memory. */
import type { ThreadPool } from "../engines/shared/pool.ts";
import type { Arena } from "../kernels/arena.ts";
import { usableCores } from "./machine.ts";
import type { TrainSettings } from "./settings.ts";

/** Strategies whose workers are threads over one memory. */
export type SharedStrategy = "hogwild" | "round-robin" | "replicas";

export interface RunThreads {
  readonly workers: number;
  readonly reason: string;
  /** Null where the strategy shares no memory. */
  readonly pool: ThreadPool | null;
}

export function isSharedStrategy(strategy: string): strategy is SharedStrategy {
  return strategy === "hogwild" || strategy === "round-robin" || strategy === "replicas";
}

/** Whether members of an engine learn; serial and shared memory are the run loop's own. */
export function exchangesMessages({ strategy }: TrainSettings): boolean {
  return strategy !== "serial" && !isSharedStrategy(strategy);
}

/** Starts the threads; they are ready some tens of milliseconds later, so the sooner the better. */
export async function startThreads(
  settings: TrainSettings,
  arena: Arena,
  givenReason: string | undefined,
): Promise<RunThreads> {
  const { strategy, workers: asked } = settings;
  if (strategy === "serial") {
    // Serial learning by touched coordinates is hogwild of one thread.
    const pool = settings.decay === "touched" ? await createPool(arena, 1) : null;
    return { workers: 1, reason: givenReason ?? "serial", pool };
  }
  const cores = usableCores();
  const workers = asked === "auto" ? cores.count : asked;
  const reason = givenReason ?? (asked === "auto" ? cores.reason : "--workers");
  return {
    workers,
    reason,
    pool: isSharedStrategy(strategy) ? await createPool(arena, workers) : null,
  };
}

async function createPool(arena: Arena, workers: number): Promise<ThreadPool> {
  const { ThreadPool } = await import("../engines/shared/pool.ts");
  return new ThreadPool(arena, workers);
}

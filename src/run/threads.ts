/**
 * The threads of a run: how many workers learn, and the pool they wait in. Where data are large the pool is there
 * for one worker too, as judging takes all threads.
 */
import type { ThreadPool } from "../engines/shared/pool.ts";
import { type Team, teamBytesMin } from "./choose-team.ts";
import type { LoadedDataset } from "./load.ts";
import { usableCores } from "./machine.ts";
import type { TrainSettings } from "./settings.ts";
import { autoStrategy } from "./strategy-names.ts";

/** Strategies whose workers are threads over one memory. */
export type SharedStrategy = "hogwild" | "round-robin" | "replicas";

/** More threads than this judge no faster: they wait for memory. */
const judgesMax = 16;

export interface RunThreads {
  /** Who learns; null where that is still to be chosen. */
  readonly workers: { readonly count: number; readonly reason: string } | null;
  /** Null where one thread does all. */
  readonly pool: ThreadPool | null;
}

export function isSharedStrategy(strategy: string): strategy is SharedStrategy {
  return strategy === "hogwild" || strategy === "round-robin" || strategy === "replicas";
}

/** Whether members of an engine learn; serial and shared memory are the run loop's own. */
export function exchangesMessages({ strategy }: TrainSettings): boolean {
  return strategy !== autoStrategy && strategy !== "serial" && !isSharedStrategy(strategy);
}

/** Starts the threads; they are ready some tens of milliseconds later, so the sooner the better. */
export async function startThreads(
  settings: TrainSettings,
  { arena, source }: LoadedDataset,
  { reason, team }: { reason: string | undefined; team: Team | null },
): Promise<RunThreads> {
  const cores = usableCores();
  const { strategy } = settings;
  const bytes = source.summaries.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const judges = bytes >= teamBytesMin ? Math.min(cores.count, judgesMax) : 1;
  const poolOf = (workers: number) => {
    const count = Math.max(workers, judges);
    return count > 1 ? createPool(arena, count) : null;
  };
  if (strategy === autoStrategy) {
    const { workers, merge } = settings;
    const merges = merge === "sum" || merge === "mean";
    const asked = workers !== "auto" ? workers : merges ? cores.count : 1;
    const pool = await poolOf(team?.workers ?? asked);
    return { workers: null, pool };
  }
  if (strategy === "serial") {
    // Serial learning by touched coordinates is hogwild of one thread.
    const pool = settings.decay === "touched" && judges === 1 ? createPool(arena, 1) : poolOf(1);
    return { workers: { count: 1, reason: reason ?? "serial" }, pool: await pool };
  }
  const asked = settings.workers;
  const count = asked === "auto" ? cores.count : asked;
  const why = reason ?? (asked === "auto" ? cores.reason : "--workers");
  const pool = isSharedStrategy(strategy) ? await createPool(arena, Math.max(count, judges)) : null;
  return { workers: { count, reason: why }, pool };
}

async function createPool(arena: LoadedDataset["arena"], workers: number): Promise<ThreadPool> {
  const { ThreadPool } = await import("../engines/shared/pool.ts");
  return new ThreadPool(arena, workers);
}

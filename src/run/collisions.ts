/** How often threads met on shared weights, beside what Hogwild!'s theory makes of the data (Niu et al. 2011, section 4). */
import type { Collisions } from "../learner/solver.ts";
import { describeData, type Rho } from "./describe.ts";
import type { TrainResult } from "./events.ts";
import type { Task } from "./task.ts";

/** Entries looked at for rho: some hundredths of a second, as a run should not wait for it. */
const rhoEntriesMax = 30_000_000;

/** Null where threads do not meet. */
export function collisionsOf(task: Task, met: Collisions | null): TrainResult["collisions"] {
  if (met === null) return null;
  const { watched, collided } = met;
  return { watched, collided, expected: expectedOf(task) };
}

/** Of data in memory only: counting rows that meet takes many passes. */
function expectedOf({ dataset, settings }: Task) {
  const { blocks } = dataset;
  if (blocks.length === 0) return null;
  const { omega, delta, rho } = describeData(blocks, { featuresMax: 1, rhoEntriesMax });
  // Every row has the constant column.
  if (settings.bias) return { omega: omega + 1, delta: 1, rho: certain };
  return { omega, delta, rho };
}

const certain: Rho = { low: 1, high: 1, rowsChecked: 0 };

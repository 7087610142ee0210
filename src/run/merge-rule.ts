/** Rows per update and merging where they are "auto": a rule from data, step and workers, printed. */
import type { LearnContext } from "../learner/context.ts";
import type { Schedule } from "../model/schedule.ts";
import type { AnyStrategy } from "../strategies/strategy.ts";
import { criticalBatch, largestEigenvalue } from "./critical-batch.ts";
import type { RunPort } from "./learn-task.ts";
import type { Task } from "./task.ts";

export interface MergeChoice {
  readonly rowsPerUpdate: number;
  readonly merge: "sum" | "mean";
}

/** Rounds an epoch where nothing asks for more: merging then costs little beside learning. */
const roundsPerEpoch = 16;
/** Updates smaller than this are mostly overhead: the mean of larger ones is taken, where a strategy can. */
const rowsPerUpdateMin = 16;

/** Says what it chose and why. */
export function chooseMerge(
  task: Task,
  context: LearnContext,
  { schedule, strategy, workers }: { schedule: Schedule; strategy: AnyStrategy; workers: number },
  port: RunPort,
): MergeChoice {
  const { settings } = task;
  const begin = performance.now();
  const eigenvalue = largestEigenvalue(context.arena, task.sample, task.width);
  const rate = schedule.rate(task.trainRows);
  const critical = criticalBatch({ eigenvalue, rate });
  const choice = ruleFor({
    given: settings,
    critical,
    workers,
    trainRows: task.trainRows,
    meanAllowed: strategy.pace === "lockstep",
  });
  port.emit({
    kind: "calibrated",
    setting: "merge",
    value: `${choice.merge} of ${choice.rowsPerUpdate} rows`,
    reason: `about ${Math.round(critical)} rows may be learned at the same time before their sum overshoots`,
    seconds: (performance.now() - begin) / 1000,
  });
  return choice;
}

/** The rule itself, on numbers alone. */
export function ruleFor(question: {
  given: { rowsPerUpdate: number | "auto"; merge: "auto" | "sum" | "mean" };
  critical: number;
  workers: number;
  trainRows: number;
  meanAllowed: boolean;
}): MergeChoice {
  const { given, critical, workers, trainRows, meanAllowed } = question;
  const few = Math.max(1, Math.ceil(trainRows / (roundsPerEpoch * workers)));
  const safe = Math.max(1, Math.floor(critical / workers));
  const merge = given.merge === "auto" ? null : given.merge;
  if (given.rowsPerUpdate !== "auto") {
    const { rowsPerUpdate } = given;
    return {
      rowsPerUpdate,
      merge: merge ?? (rowsPerUpdate <= safe || !meanAllowed ? "sum" : "mean"),
    };
  }
  if (merge === "mean") return { rowsPerUpdate: few, merge };
  const rowsPerUpdate = Math.min(few, safe);
  if (merge === "sum" || !meanAllowed) return { rowsPerUpdate, merge: "sum" };
  const tooSmall = rowsPerUpdate < Math.min(rowsPerUpdateMin, few);
  return tooSmall ? { rowsPerUpdate: few, merge: "mean" } : { rowsPerUpdate, merge: "sum" };
}

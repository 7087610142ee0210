/**
 * Rows per update and merging where they are "auto": a rule from workers, rows, strategy and, where updates are
 * summed as they are, the data. docs/merging.md has the study it was chosen by.
 */
import type { Merge } from "../math/update.ts";
import type { AnyStrategy } from "../strategies/strategy.ts";

export interface MergeChoice {
  readonly rowsPerUpdate: number;
  readonly merge: Merge;
  /** Why, in words. */
  readonly reason: string;
}

/** What the rule looks at. */
export interface MergeQuestion {
  readonly given: { readonly rowsPerUpdate: number | "auto"; readonly merge: Merge | "auto" };
  readonly learn: "local" | "gradient";
  readonly workers: number;
  /** Workers there may be in all, where more may join while the run goes; else none but those above. */
  readonly workersMax?: number;
  readonly trainRows: number;
  /** What the strategy follows. */
  readonly merges: readonly Merge[];
  /** Rows that may be learned at the same time before their plain sum overshoots; costs a calibration. */
  critical(): number;
}

/** Rounds an epoch where nothing asks for more: merging then costs little beside learning. */
const roundsPerEpoch = 16;
/** Updates smaller than this are mostly overhead: the mean of larger ones is taken, where a strategy can. */
const rowsPerUpdateMin = 16;
/** So few rows at the same time are summed as they are: no feature can be in more, so half would be anticipated at most. */
const plainRowsMax = 200;

/** Which rules of merging a strategy follows; one that says nothing sums, or in rounds may take the mean. */
export function mergesOf({ merges, pace }: AnyStrategy): readonly Merge[] {
  return merges ?? (pace === "lockstep" ? ["sum", "mean"] : ["sum"]);
}

/** The rule itself, on numbers alone. */
export function ruleFor(question: MergeQuestion): MergeChoice {
  const { given, workers, trainRows, merges } = question;
  const few = Math.max(1, Math.ceil(trainRows / (roundsPerEpoch * workers)));
  const rowsPerUpdate = given.rowsPerUpdate === "auto" ? few : given.rowsPerUpdate;
  const workersMax = Math.max(workers, question.workersMax ?? workers);
  if (isAlone({ ...question, workersMax })) {
    return { rowsPerUpdate, merge: "sum", reason: "one worker merges with nobody" };
  }
  if (!merges.includes("sum")) {
    const reason = "models are averaged, which steps allow for";
    return { rowsPerUpdate, merge: "mean", reason };
  }
  const asked = askedFor(question);
  if (asked === "sum") return ruleForSums(question, few);
  if (asked !== "auto") return { rowsPerUpdate, merge: asked, reason: "as asked" };
  if (question.learn === "gradient" || merges[0] !== "anticipate") {
    return ruleForSums(question, few);
  }
  const together = workersMax * rowsPerUpdate;
  const rows = `${together} rows ${workersMax > workers ? `may be learned at the same time as up to ${workersMax} workers may take part` : "are learned at the same time"}`;
  if (together <= plainRowsMax) return { rowsPerUpdate, merge: "sum", reason: `only ${rows}` };
  const reason = `${rows}: their plain sum would overshoot, their mean lag behind`;
  return { rowsPerUpdate, merge: "anticipate", reason };
}

/**
 * One worker that merges with nobody, also later. Where others may come updates anticipate as many as there are, which
 * for one is none: its steps are those of a sum to the bit.
 */
function isAlone({ workers, workersMax, learn, given, merges }: Required<MergeQuestion>): boolean {
  if (workers > 1 || learn !== "local") return false;
  return workersMax === 1 || given.merge !== "auto" || merges[0] !== "anticipate";
}

/** What was asked for, or the sum where that can't be had, which a warning has said. */
function askedFor({ given, merges, learn }: MergeQuestion): Merge | "auto" {
  const { merge } = given;
  if (merge === "auto") return merge;
  if (merge === "anticipate" && learn === "gradient") return "sum";
  return merges.includes(merge) ? merge : "sum";
}

/** Where updates are not anticipated: sums of few rows, or the mean. */
function ruleForSums(question: MergeQuestion, few: number): MergeChoice {
  const { given, workers, merges } = question;
  const critical = question.critical();
  const safe = Math.max(1, Math.floor(critical / workers));
  const reason = `about ${Math.round(critical)} rows may be learned at the same time before their sum overshoots`;
  const mean = given.merge === "auto" && merges.includes("mean");
  if (given.rowsPerUpdate !== "auto") {
    const { rowsPerUpdate } = given;
    return { rowsPerUpdate, merge: mean && rowsPerUpdate > safe ? "mean" : "sum", reason };
  }
  const rowsPerUpdate = Math.min(few, safe);
  const tooSmall = rowsPerUpdate < Math.min(rowsPerUpdateMin, few);
  return mean && tooSmall
    ? { rowsPerUpdate: few, merge: "mean", reason }
    : { rowsPerUpdate, merge: "sum", reason };
}

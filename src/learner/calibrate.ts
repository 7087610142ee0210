/**
 * Finds the first rate of a schedule before the run: one pass over a sample of rows from the starting weights for each of a
 * few rates, on a replica of its own; the rate with the lowest objective on the sample wins. Rates are tried
 * by factors of four from 1/mean ||x||^2 until the objective rises on both sides, then by two around the
 * best (after Bottou's sgd 2.0, which doubles and halves; the sample is larger here: 1,000 rows are too
 * greedy on dense data, algorithms.md section 12).
 */
import type { Schedule } from "../model/schedule.ts";
import type { LearnContext } from "./context.ts";
import { clearWeights, type Replica, scaleOf, setWeights } from "./replica.ts";
import type { RowList } from "./rows.ts";
import { judge, penaltyOf } from "./sgd.ts";

export interface Calibration {
  readonly rate: number;
  /** Objective on the sample after one pass at that rate. */
  readonly objective: number;
  readonly tries: number;
}

/** How the run will learn: a rate is tried the way it will be used. */
export type LearnSample = (schedule: Schedule, replica: Replica, sample: RowList) => void;

const triesMax = 24;

/** @param scheduleOf the schedule whose first rate is the given one; may refuse a rate by RangeError. */
export function calibrateRate(
  context: LearnContext,
  scheduleOf: (rate: number) => Schedule,
  replica: Replica,
  sample: RowList,
  start: {
    rate: number;
    weights: Float32Array | null;
    learn: LearnSample;
    /** The smallest rate is taken whose objective is above the lowest by no more than this share. */
    tolerance?: number;
  },
): Calibration {
  const tried = new Map<number, number>();
  const objectiveOf = (rate: number): number => {
    const known = tried.get(rate);
    if (known !== undefined) return known;
    const objective = tryRate(context, scheduleOf, replica, sample, {
      rate,
      weights: start.weights,
      learn: start.learn,
    });
    tried.set(rate, objective);
    return objective;
  };
  let best = start.rate;
  for (const factor of [4, 1 / 4, 2, 1 / 2]) {
    while (tried.size < triesMax && objectiveOf(best * factor) < objectiveOf(best)) {
      best *= factor;
      if (factor === 2 || factor === 1 / 2) break;
    }
  }
  if (start.tolerance) {
    const enough = (1 + start.tolerance) * objectiveOf(best);
    while (tried.size < triesMax && objectiveOf(best / 2) <= enough) best /= 2;
  }
  return { rate: best, objective: objectiveOf(best), tries: tried.size };
}

function tryRate(
  context: LearnContext,
  scheduleOf: (rate: number) => Schedule,
  replica: Replica,
  sample: RowList,
  { rate, weights, learn }: { rate: number; weights: Float32Array | null; learn: LearnSample },
): number {
  let schedule: Schedule;
  try {
    schedule = scheduleOf(rate);
  } catch {
    return Number.POSITIVE_INFINITY; // a rate the schedule refuses is no candidate
  }
  if (weights) setWeights(replica, weights);
  else clearWeights(replica);
  learn(schedule, replica, sample);
  const scale = scaleOf(replica, schedule);
  const { address, width } = replica;
  const objective =
    judge(context, { address, scale }, sample).loss + penaltyOf(context, { address, scale, width });
  return Number.isFinite(objective) ? objective : Number.POSITIVE_INFINITY;
}

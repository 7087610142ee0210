/** From `--step` and what the data are like to a schedule; what is "auto" is calibrated on a sample. */
import { calibrateRate, type LearnSample } from "../learner/calibrate.ts";
import type { LearnContext } from "../learner/context.ts";
import type { Replica } from "../learner/replica.ts";
import type { RowList } from "../learner/rows.ts";
import { createSchedule, type Schedule, type ScheduleSpec } from "../model/schedule.ts";
import type { StepRule } from "./rules.ts";

/** A schedule, and how to make the same one with steps `factor` as large. */
export interface StepChoice {
  readonly scheduleOf: (factor: number) => Schedule;
  /** The schedule as plain data, for members elsewhere. */
  readonly spec: ScheduleSpec;
  /** First rate, for AdaGrad and for people. */
  readonly rate: number;
  /** What was chosen, as `--step` would write it. */
  readonly text: string;
  /** Set when a rate was calibrated rather than given. */
  readonly calibrated: { readonly tries: number; readonly rows: number } | null;
}

export interface StepSample {
  /** Rows to try rates on; asked for where a rate is calibrated. */
  readonly rows: () => RowList;
  /** A replica to try rates on; what it held is lost. */
  readonly replica: Replica;
  /** Weights of `--init`, or null for zero. */
  readonly start: Float32Array | null;
  /** Learns the sample the way the run will learn. */
  readonly learn: LearnSample;
  /** Many workers learn it, merging: near the lowest objective the smallest rate is taken. */
  readonly merged?: boolean;
  /** Mean squared norm of the rows: 1 over it is the first rate tried. */
  readonly meanSquaredNorm: number;
  readonly epochRows: number;
  readonly workers: number;
  readonly rowsPerUpdate: number;
  /** A rate that was chosen before: nothing is calibrated again. */
  readonly chosen?: number | null;
}

export function chooseStep(context: LearnContext, rule: StepRule, sample: StepSample): StepChoice {
  const { l2 } = context;
  switch (rule.name) {
    case "auto":
      return l2 > 0
        ? chooseStep(context, { name: "optimal", t0: "auto" }, sample)
        : chooseStep(context, { name: "inverse-scaling", eta0: "auto", power: 0.5 }, sample);
    case "optimal":
      requireRegulariser(l2);
      return fromRate(context, sample, {
        given: rule.t0 === "auto" ? "auto" : 1 / (l2 * rule.t0),
        specOf: (rate) => ({ name: "optimal", l2, t0: 1 / (l2 * rate) }),
        textOf: (rate) => `optimal:t0=${format(1 / (l2 * rate))}`,
      });
    case "constant":
      return fromRate(context, sample, {
        given: rule.eta0,
        specOf: (eta0) => ({ name: "constant", l2, eta0 }),
        textOf: (eta0) => `constant:eta0=${format(eta0)}`,
      });
    case "inverse-scaling":
      return fromRate(context, sample, {
        given: rule.eta0,
        specOf: (eta0) => ({ name: "inverse-scaling", l2, eta0, power: rule.power }),
        textOf: (eta0) => `inverse-scaling:eta0=${format(eta0)},power=${rule.power}`,
      });
    case "decay":
      return fromRate(context, sample, {
        given: rule.eta0,
        specOf: (eta0) => ({ name: "decay", l2, eta0, beta: rule.beta, rows: sample.epochRows }),
        textOf: (eta0) => `decay:eta0=${format(eta0)},beta=${rule.beta}`,
      });
    case "adagrad":
      // AdaGrad's own scaling makes the rate almost free of units: 0.1 is tried unless it is given.
      return fromRate(context, sample, {
        given: rule.eta0 === "auto" ? 0.1 : rule.eta0,
        specOf: (eta0) => ({ name: "constant", l2: 0, eta0 }),
        textOf: (eta0) => `adagrad:eta0=${format(eta0)}`,
      });
    case "antunes": {
      const eta0 = (0.03 / sample.workers) * (100 / sample.rowsPerUpdate);
      return fromRate(context, sample, {
        given: eta0,
        specOf: (rate) => ({ name: "constant", l2, eta0: rate }),
        textOf: (rate) => `antunes (constant:eta0=${format(rate)})`,
      });
    }
    default:
      return rule satisfies never;
  }
}

function fromRate(
  context: LearnContext,
  sample: StepSample,
  options: {
    given: number | "auto";
    specOf: (rate: number) => ScheduleSpec;
    textOf: (rate: number) => string;
  },
): StepChoice {
  const { given, specOf, textOf } = options;
  const scheduleOf = (rate: number) => createSchedule(specOf(rate));
  const chosen = sample.chosen ?? null;
  const found =
    given === "auto" && chosen === null
      ? calibrateRate(context, scheduleOf, sample.replica, sample.rows(), {
          rate: powerOfTwoBelow(1 / sample.meanSquaredNorm),
          weights: sample.start,
          learn: sample.learn,
          tolerance: sample.merged ? mergedTolerance : 0,
        })
      : null;
  const rate = found?.rate ?? chosen ?? (given as number);
  return {
    rate,
    spec: specOf(rate),
    scheduleOf: (factor) => scheduleOf(rate * factor),
    text: textOf(rate),
    calibrated: found ? { tries: found.tries, rows: sample.rows().count } : null,
  };
}

/**
 * A run goes over more rows than the sample, and what merging adds in noise a smaller rate averages out: measured on
 * a9a and ijcnn1 (docs/merging.md), where the lowest objective alone takes rates two to four times too large.
 */
const mergedTolerance = 0.05;

function requireRegulariser(l2: number): void {
  if (l2 > 0) return;
  throw new RangeError(
    "Cannot use --step optimal as its rate is 1/(l2 * t) and l2 is 0: give --l2 above 0, or another --step",
  );
}

/** Rates are powers of two, so that a sample's rounding does not choose between neighbours. */
function powerOfTwoBelow(x: number): number {
  return 2 ** Math.floor(Math.log2(Number.isFinite(x) && x > 0 ? x : 1));
}

function format(x: number): string {
  return String(Number(x.toPrecision(6)));
}

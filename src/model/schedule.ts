/**
 * Step sizes, and the scale that goes with each (design: algorithms.md, sections 0 and 12).
 *
 * A replica is (v, T) with w = s(T) * v, T the rows learned so far. The row that makes the count T+1 decays
 * w by 1 - eta(T+1)*lambda and then steps by -eta(T+1)*slope*x; in v-space that is
 *     s(T+1) = s(T) * (1 - eta(T+1)*lambda),    v += -slope * x * eta(T+1)/s(T+1).
 * So s is a function of T alone, and updates of v add up whatever their order.
 * Invariant: s(0) = 1, s never increases, and s(T) stays above 0.
 */
export interface Schedule {
  readonly name: StepName;
  /** Set for `optimal` only, whose scale has the closed form t0/(t0 + T). */
  readonly t0?: number;
  /** log s(T), T >= 0. */
  logScale(t: number): number;
  /** eta of the row that makes the count t, t >= 1. */
  rate(t: number): number;
}

export type StepName = "optimal" | "constant" | "inverse-scaling" | "decay" | "adagrad" | "antunes";

/** A schedule as plain data: what a member needs to make the same one. */
export type ScheduleSpec =
  | { readonly name: "optimal"; readonly l2: number; readonly t0: number }
  | { readonly name: "constant"; readonly l2: number; readonly eta0: number }
  | {
      readonly name: "inverse-scaling";
      readonly l2: number;
      readonly eta0: number;
      readonly power: number;
    }
  | {
      readonly name: "decay";
      readonly l2: number;
      readonly eta0: number;
      readonly beta: number;
      readonly rows: number;
    };

/** @throws RangeError for steps that would turn the regulariser round. */
export function createSchedule(spec: ScheduleSpec): Schedule {
  switch (spec.name) {
    case "optimal":
      return optimalSchedule(spec);
    case "constant":
      return constantSchedule(spec);
    case "inverse-scaling":
      return inverseScalingSchedule(spec);
    case "decay":
      return decaySchedule(spec);
    default:
      return spec satisfies never;
  }
}

/** eta = 1/(lambda*(t0 + t)): then s(T) = t0/(t0 + T), and eta(T)/s(T) = 1/(lambda*t0) for every T. */
export function optimalSchedule({ l2, t0 }: { l2: number; t0: number }): Schedule {
  requirePositive("optimal step size", "l2", l2);
  requirePositive("optimal step size", "t0", t0);
  return {
    name: "optimal",
    t0,
    logScale: (t) => -Math.log1p(t / t0),
    rate: (t) => 1 / (l2 * (t0 + t)),
  };
}

/** eta = eta0 for every row. */
export function constantSchedule({ l2, eta0 }: { l2: number; eta0: number }): Schedule {
  requirePositive("constant step size", "eta0", eta0);
  const logDecay = logDecayOf(eta0, l2);
  return { name: "constant", logScale: (t) => t * logDecay, rate: () => eta0 };
}

/** eta = eta0 * beta^epoch (Niu et al. 2011, section 4: beta 0.9); an epoch is `rows` rows. */
export function decaySchedule(options: {
  l2: number;
  eta0: number;
  beta: number;
  rows: number;
}): Schedule {
  const { l2, eta0, beta, rows } = options;
  requirePositive("decay step size", "eta0", eta0);
  if (!(beta > 0 && beta <= 1)) {
    throw new RangeError(
      `Cannot use decay step size as beta must be in (0, 1]: current value is ${beta}`,
    );
  }
  logDecayOf(eta0, l2);
  const logScaleAt: number[] = [0];
  const logDecay = (epoch: number) => Math.log1p(-eta0 * beta ** epoch * l2);
  return {
    name: "decay",
    logScale: (t) => {
      const epoch = Math.floor(t / rows);
      while (logScaleAt.length <= epoch) {
        const last = logScaleAt.length - 1;
        logScaleAt.push(logScaleAt[last]! + rows * logDecay(last));
      }
      return logScaleAt[epoch]! + (t - epoch * rows) * logDecay(epoch);
    },
    rate: (t) => eta0 * beta ** Math.floor((t - 1) / rows),
  };
}

/** Rows between two entries of the table that `inverse-scaling` keeps. */
const tableRows = 256;

/** eta = eta0 / t^power. s has no closed form: it is summed once, and a table keeps every 256th sum. */
export function inverseScalingSchedule(options: {
  l2: number;
  eta0: number;
  power: number;
}): Schedule {
  const { l2, eta0, power } = options;
  requirePositive("inverse-scaling step size", "eta0", eta0);
  logDecayOf(eta0, l2);
  const rate = (t: number) => eta0 / t ** power;
  if (l2 === 0) return { name: "inverse-scaling", logScale: () => 0, rate };
  const table: number[] = [0];
  let lastT = 0;
  let lastLogScale = 0;
  return {
    name: "inverse-scaling",
    rate,
    logScale: (t) => {
      // Starts from the last answer when that is nearer than the table's entry: rows come in order.
      let entry = Math.min(Math.floor(t / tableRows), table.length - 1);
      let at = entry * tableRows;
      let sum = table[entry]!;
      if (lastT <= t && lastT > at) {
        at = lastT;
        sum = lastLogScale;
        entry = Math.floor(at / tableRows);
      }
      while (at < t) {
        at++;
        sum += Math.log1p(-rate(at) * l2);
        if (at % tableRows === 0 && table.length === at / tableRows) table.push(sum);
      }
      lastT = t;
      lastLogScale = sum;
      return sum;
    },
  };
}

/**
 * Fills, for `count` rows learned one after the other from T = t on, what the kernels need of a schedule
 * relative to a base b: scale[k] = exp(logS(T_k) - b) before row k and coefficient[k] = eta/exp(logS - b)
 * after it. `stride` is how far T advances a row: 1, or the number of members that learn at the same time
 * and whose updates will be summed.
 */
export function fillSchedule(
  schedule: Schedule,
  options: { t: number; stride: number; base: number; count: number; frozen: boolean },
  scale: Float64Array,
  coefficient: Float64Array,
): void {
  const { t, stride, base, count, frozen } = options;
  const first = Math.exp(schedule.logScale(t) - base);
  for (let k = 0; k < count; k++) {
    const before = t + k * stride;
    scale[k] = frozen || k === 0 ? first : Math.exp(schedule.logScale(before) - base);
    const after = schedule.logScale(before + 1) - base;
    coefficient[k] = schedule.rate(before + 1) / Math.exp(after);
  }
}

function logDecayOf(eta: number, l2: number): number {
  if (!(eta * l2 < 1)) {
    throw new RangeError(
      `Cannot use this step size as eta * l2 must be below 1, or the regulariser overshoots: current value is ${eta * l2}`,
    );
  }
  return Math.log1p(-eta * l2);
}

function requirePositive(what: string, name: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value))) {
    throw new RangeError(`Cannot use ${what} as ${name} must be > 0: current value is ${value}`);
  }
}

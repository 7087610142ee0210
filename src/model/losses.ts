/**
 * The losses: each two pure functions of the prediction p = w.x and the label y (design: algorithms.md,
 * section 0). Classifiers take y in {-1, +1}, regression any y.
 */
export interface Loss {
  readonly name: LossName;
  /** Position of the loss among the kernels' codes. */
  readonly code: number;
  readonly classifies: boolean;
  value(p: number, y: number): number;
  /** d value / d p. */
  slope(p: number, y: number): number;
}

export type LossName = "hinge" | "squared-hinge" | "log" | "squared";

/** max(0, 1 - y*p), the support vector machine's; slope -y where y*p < 1. */
export const hinge: Loss = {
  name: "hinge",
  code: 0,
  classifies: true,
  value: (p, y) => Math.max(0, 1 - y * p),
  slope: (p, y) => (y * p < 1 ? -y : 0),
};

/** max(0, 1 - y*p)^2. */
export const squaredHinge: Loss = {
  name: "squared-hinge",
  code: 1,
  classifies: true,
  value: (p, y) => Math.max(0, 1 - y * p) ** 2,
  slope: (p, y) => (y * p < 1 ? -2 * y * (1 - y * p) : 0),
};

/** log(1 + exp(-y*p)), logistic regression's; the larger part is taken out so that exp never overflows. */
export const log: Loss = {
  name: "log",
  code: 2,
  classifies: true,
  value: (p, y) => {
    const m = y * p;
    return m > 0 ? Math.log1p(Math.exp(-m)) : Math.log1p(Math.exp(m)) - m;
  },
  slope: (p, y) => {
    const m = y * p;
    if (m > 0) {
      const e = Math.exp(-m);
      return (-y * e) / (1 + e);
    }
    return -y / (1 + Math.exp(m));
  },
};

/** (p - y)^2 / 2, least squares. */
export const squared: Loss = {
  name: "squared",
  code: 3,
  classifies: false,
  value: (p, y) => (p - y) ** 2 / 2,
  slope: (p, y) => p - y,
};

export const losses: Readonly<Record<LossName, Loss>> = {
  hinge,
  "squared-hinge": squaredHinge,
  log,
  squared,
};

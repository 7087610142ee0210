// The losses of model/losses.ts: value and slope of the prediction p for label y. The code is a constant at
// every call, so after inlining one branch remains.

export const HINGE: i32 = 0;
export const SQUARED_HINGE: i32 = 1;
export const LOG: i32 = 2;
export const SQUARED: i32 = 3;

// @ts-ignore: decorator
@inline
export function lossValue(loss: i32, p: f64, y: f64): f64 {
  if (loss == HINGE) {
    const gap = 1.0 - y * p;
    return gap > 0.0 ? gap : gap != gap ? gap : 0.0;
  }
  if (loss == SQUARED_HINGE) {
    const gap = 1.0 - y * p;
    return gap > 0.0 ? gap * gap : gap != gap ? gap : 0.0;
  }
  if (loss == LOG) {
    // log(1 + exp(-m)), the larger part taken out so that exp never overflows.
    const m = y * p;
    return m > 0.0 ? Math.log1p(Math.exp(-m)) : Math.log1p(Math.exp(m)) - m;
  }
  const residual = p - y;
  return 0.5 * residual * residual;
}

// @ts-ignore: decorator
@inline
export function lossSlope(loss: i32, p: f64, y: f64): f64 {
  if (loss == HINGE) return y * p < 1.0 ? -y : 0.0;
  if (loss == SQUARED_HINGE) {
    const gap = 1.0 - y * p;
    return gap > 0.0 ? -2.0 * y * gap : 0.0;
  }
  if (loss == LOG) {
    const m = y * p;
    if (m > 0.0) {
      const e = Math.exp(-m);
      return (-y * e) / (1.0 + e);
    }
    return -y / (1.0 + Math.exp(m));
  }
  return p - y;
}

/**
 * y of a raw label: itself in regression, else -1 or +1 by the side of the threshold (the middle of the two
 * labels) it lies on. So blocks keep the labels of their source.
 */
// @ts-ignore: decorator
@inline
export function classOf(loss: i32, label: f32, threshold: f32): f64 {
  if (loss == SQUARED) return <f64>label;
  return label > threshold ? 1.0 : -1.0;
}

/** The slope where the loss is known at run time only. */
export function anySlope(loss: i32, p: f64, y: f64): f64 {
  if (loss == HINGE) return lossSlope(HINGE, p, y);
  if (loss == SQUARED_HINGE) return lossSlope(SQUARED_HINGE, p, y);
  if (loss == LOG) return lossSlope(LOG, p, y);
  return lossSlope(SQUARED, p, y);
}

/** The class likewise. */
export function anyClass(loss: i32, label: f32, threshold: f32): f64 {
  return loss == SQUARED ? classOf(SQUARED, label, threshold) : classOf(HINGE, label, threshold);
}

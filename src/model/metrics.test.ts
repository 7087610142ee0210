import fc from "fast-check";
import { expect, test } from "vitest";
import { hinge, squared } from "./losses.ts";
import { classifierMetrics, regressionMetrics, rocAuc } from "./metrics.ts";

const rows = fc.array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.constantFrom(-1, 1)), {
  minLength: 1,
  maxLength: 60,
});

test("AUC is the share of pairs in the right order, ties half, counted pair by pair", () => {
  fc.assert(
    fc.property(rows, (list) => {
      const predictions = Float32Array.from(list, ([p]) => p);
      const labels = Float32Array.from(list, ([, y]) => y);
      let [right, pairs] = [0, 0];
      for (const [p, y] of list) {
        for (const [q, z] of list) {
          if (y < 0 || z > 0) continue;
          pairs++;
          right += p > q ? 1 : p === q ? 0.5 : 0;
        }
      }
      const auc = rocAuc(predictions, labels);
      if (pairs === 0) expect(auc).toBeNaN();
      else expect(auc).toBeCloseTo(right / pairs, 12);
    }),
  );
});

test("precision is TP/(TP+FP), recall TP/(TP+FN), F1 their harmonic mean; a worked example", () => {
  const predictions = Float32Array.of(2, 1, -1, 0.5, -2, -0.5);
  const labels = Float32Array.of(1, 1, 1, -1, -1, -1);
  const metrics = classifierMetrics(hinge, predictions, labels);
  expect(metrics.confusion).toEqual({
    truePositive: 2,
    falsePositive: 1,
    trueNegative: 2,
    falseNegative: 1,
  });
  expect(metrics.accuracy).toBeCloseTo(4 / 6);
  expect(metrics.precision).toBeCloseTo(2 / 3);
  expect(metrics.recall).toBeCloseTo(2 / 3);
  expect(metrics.f1).toBeCloseTo(2 / 3);
  expect(metrics.loss).toBeCloseTo((0 + 0 + 2 + 1.5 + 0 + 0.5) / 6);
  expect(metrics.auc).toBeCloseTo(7 / 9);
});

test("R squared is 1 for exact predictions and 0 for the mean; constant labels have none", () => {
  const labels = Float32Array.of(1, 2, 3);
  expect(regressionMetrics(squared, labels, labels).rSquared).toBe(1);
  expect(regressionMetrics(squared, Float32Array.of(2, 2, 2), labels).rSquared).toBeCloseTo(0);
  expect(regressionMetrics(squared, labels, Float32Array.of(1, 1, 1)).rSquared).toBeNaN();
});

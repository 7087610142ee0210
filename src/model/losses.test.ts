import fc from "fast-check";
import { expect, test } from "vitest";
import { type LossName, losses } from "./losses.ts";

for (const name of Object.keys(losses) as LossName[]) {
  const loss = losses[name];
  const prediction = fc.double({ min: -30, max: 30, noNaN: true });
  const label = loss.classifies
    ? fc.constantFrom(-1, 1)
    : fc.double({ min: -5, max: 5, noNaN: true });

  test(`${name}: the slope is the derivative of the value, by central differences within 1e-5`, () => {
    fc.assert(
      fc.property(prediction, label, (p, y) => {
        // Hinge has no derivative at its corner, squared hinge no second one.
        fc.pre(Math.abs(1 - y * p) > 1e-3);
        const h = 1e-5;
        const numeric = (loss.value(p + h, y) - loss.value(p - h, y)) / (2 * h);
        expect(Math.abs(numeric - loss.slope(p, y))).toBeLessThan(1e-5 * (1 + Math.abs(numeric)));
      }),
    );
  });

  test(`${name}: the value is never negative, convex along p, and finite however far p is`, () => {
    fc.assert(
      fc.property(prediction, prediction, label, (p, q, y) => {
        const middle = loss.value((p + q) / 2, y);
        const chord = (loss.value(p, y) + loss.value(q, y)) / 2;
        expect(middle).toBeGreaterThanOrEqual(0);
        expect(middle).toBeLessThanOrEqual(chord + 1e-9 * (1 + chord));
      }),
    );
    for (const p of [-1e8, 1e8]) expect(Number.isFinite(loss.value(p, 1))).toBe(true);
  });
}

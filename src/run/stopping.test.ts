import fc from "fast-check";
import { expect, test } from "vitest";
import { readStop, type StopRule } from "./rules.ts";
import {
  autoStopOfSteps,
  createHistory,
  judgeStop,
  type Standing,
  type StopRules,
} from "./stopping.ts";

/** The number of evaluations after which the rules end a run with these losses; null when they never do. */
function endOf(rules: StopRules, losses: readonly number[], more: Partial<Standing> = {}) {
  const history = createHistory();
  for (const [k, loss] of losses.entries()) {
    const standing = { epoch: k + 1, seconds: k, loss, accuracy: 1 - loss, cost: loss, gap: null };
    const verdict = judgeStop(rules, history, { ...standing, ...more });
    if (verdict) return { after: k + 1, rule: verdict.rule };
  }
  return null;
}

function rules(text: string): StopRules {
  return { rules: readStop(text) as readonly StopRule[], gain: null };
}

test("window:k ends when k losses in a row are all above the best before them", () => {
  expect(endOf(rules("window:2"), [5, 4, 4.5, 4.2])).toEqual({ after: 4, rule: "window" });
  expect(endOf(rules("window:2"), [5, 4, 4.5, 3.9, 4.1])).toBeNull();
  // The published reading (only the last loss above the minimum) would end at 3.
  expect(endOf(rules("window:3"), [5, 4, 4.5, 4.6, 3])).toBeNull();
});

test("window:k is what its definition says, on any losses", () => {
  const losses = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(losses, fc.integer({ min: 1, max: 4 }), (list, k) => {
      const holds = (n: number) =>
        n > k && list.slice(n - k, n).every((loss) => list.slice(0, n - k).every((b) => loss > b));
      // "above the best before them": above the smallest, which is less than above all.
      const aboveBest = (n: number) =>
        n > k && list.slice(n - k, n).every((loss) => loss > Math.min(...list.slice(0, n - k)));
      const first = list.findIndex((_, i) => aboveBest(i + 1));
      expect(endOf(rules(`window:${k}`), list)?.after ?? null).toBe(first < 0 ? null : first + 1);
      for (let n = 1; n <= list.length; n++) if (holds(n)) expect(aboveBest(n)).toBe(true);
    }),
  );
});

test("patience:k ends after k evaluations without a better one", () => {
  expect(endOf(rules("patience:3"), [3, 2, 2, 2, 2])).toEqual({ after: 5, rule: "patience" });
  expect(endOf(rules("patience:3"), [3, 2, 2.5, 1.9, 2, 2, 2])).toEqual({
    after: 7,
    rule: "patience",
  });
});

test("plateau ends when two losses differ by less than given", () => {
  expect(endOf(rules("plateau:0.1"), [3, 2, 1.95])).toEqual({ after: 3, rule: "plateau" });
});

test("epochs, time, targets and gap end at their values; the first of a list wins", () => {
  expect(endOf(rules("epochs:3"), [9, 9, 9, 9])).toEqual({ after: 3, rule: "epochs" });
  expect(endOf(rules("time:2s"), [9, 9, 9, 9])).toEqual({ after: 3, rule: "time" });
  expect(endOf(rules("target-loss:0.5,epochs:9"), [0.9, 0.5])).toEqual({
    after: 2,
    rule: "target-loss",
  });
  expect(endOf(rules("target-accuracy:0.6"), [0.9, 0.4])?.rule).toBe("target-accuracy");
  expect(endOf(rules("gap:1%"), [1], { gap: 0.009 })?.rule).toBe("gap");
  expect(endOf(rules("gap:1%"), [1], { gap: 0.011 })).toBeNull();
});

test("auto ends after three epochs that gain less than 0.1 %, however often they are judged", () => {
  const falling = Array.from({ length: 10 }, (_, k) => 1 / (k + 1));
  const flat = Array.from({ length: 6 }, () => 0.1);
  const steps = autoStopOfSteps({ fewPasses: false });
  expect(endOf(steps, [...falling, ...flat])).toEqual({ after: 13, rule: "plateau" });
  expect(endOf(steps, falling)).toBeNull();
  const few = autoStopOfSteps({ fewPasses: true });
  expect(endOf(few, [0.5, 0.4, 0.3999])).toEqual({ after: 3, rule: "plateau" });
});

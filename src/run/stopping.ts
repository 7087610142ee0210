/**
 * The rules that end a run, as a fold of its evaluations (design: algorithms.md, sections 9 and 12). Rules see losses of
 * the validation rows (or, without any, of a sample of the training rows), never of test rows.
 */
import type { StopReason } from "./events.ts";
import type { StopRule } from "./rules.ts";

/** What a rule may look at, after an evaluation. */
export interface Standing {
  readonly epoch: number;
  /** Seconds since the run began to learn. */
  readonly seconds: number;
  readonly loss: number;
  readonly accuracy: number;
  /** What `--metric` selects by, as a cost: smaller is better. */
  readonly cost: number;
  /** Certified relative distance to the optimum, where it is known. */
  readonly gap: number | null;
}

export interface StopHistory {
  readonly costs: number[];
  readonly losses: number[];
  readonly epochs: number[];
}

export interface Verdict {
  readonly rule: StopReason;
  readonly detail: string;
}

export function createHistory(): StopHistory {
  return { costs: [], losses: [], epochs: [] };
}

/** The rules of a run; `gain` ends it after so many epochs, however often judged, that gain less than this share. */
export interface StopRules {
  readonly rules: readonly StopRule[];
  readonly gain: { readonly epochs: number; readonly share: number } | null;
}

/**
 * `--stop auto` for steps: at most 30 epochs, and none after three that gain less than 0.1 %; after one that gains less
 * than 0.15 %, where the rows are so many for their l2 that a few passes do (choose-solver.ts). There the distance to
 * the optimum falls like k^-1.5 or faster, so that after epoch 2 what is left is at most 0.55 of what it gained.
 */
export function autoStopOfSteps({ fewPasses }: { fewPasses: boolean }): StopRules {
  return {
    rules: [{ rule: "epochs", epochs: 30 }],
    gain: fewPasses ? { epochs: 1, share: 1.5e-3 } : { epochs: 3, share: 1e-3 },
  };
}

/**
 * `--stop auto` for dual ascent: a proven gap, or 100 epochs. Nothing else counts: on its way to the optimum dual
 * ascent may stall or get worse for a few passes, on validation rows too.
 */
export function autoStopOfAscent(gap: number): StopRules {
  return {
    rules: [
      { rule: "gap", relative: gap },
      { rule: "epochs", epochs: 100 },
    ],
    gain: null,
  };
}

/** Takes one evaluation into the history and says whether a rule ends the run. */
export function judgeStop(
  { rules, gain }: StopRules,
  history: StopHistory,
  standing: Standing,
): Verdict | null {
  history.costs.push(standing.cost);
  history.losses.push(standing.loss);
  history.epochs.push(standing.epoch);
  const verdict = firstVerdict(rules, history, standing);
  if (verdict || !gain) return verdict;
  const since = evaluationsWithoutGain(history.costs, gain.share);
  const best = history.epochs.at(-1 - since)!;
  if (since < 1 || standing.epoch - best < gain.epochs) return null;
  const epochs = Math.round(standing.epoch - best);
  return {
    rule: "plateau",
    detail: `${epochs === 1 ? "1 epoch" : `${epochs} epochs`} gained less than ${Number((gain.share * 100).toPrecision(2))} %`,
  };
}

function firstVerdict(
  rules: readonly StopRule[],
  history: StopHistory,
  standing: Standing,
): Verdict | null {
  for (const rule of rules) {
    const detail = holds(rule, history, standing);
    if (detail !== null) return { rule: rule.rule, detail };
  }
  return null;
}

/** Why the rule holds, or null. */
function holds(rule: StopRule, { costs, losses }: StopHistory, now: Standing): string | null {
  switch (rule.rule) {
    case "epochs":
      return now.epoch >= rule.epochs ? `${rule.epochs} epochs` : null;
    case "time":
      return now.seconds >= rule.seconds ? `${rule.seconds} s` : null;
    case "target-loss":
      return now.loss <= rule.loss ? `loss ${now.loss.toPrecision(5)} <= ${rule.loss}` : null;
    case "target-accuracy":
      return now.accuracy >= rule.accuracy
        ? `accuracy ${now.accuracy.toPrecision(5)} >= ${rule.accuracy}`
        : null;
    case "gap":
      return now.gap !== null && now.gap <= rule.relative
        ? `within ${percent(now.gap)} of the optimum, as proved`
        : null;
    case "window":
      return windowHolds(losses, rule.evaluations)
        ? `${rule.evaluations} losses in a row above the best before them`
        : null;
    case "patience":
      return evaluationsWithoutGain(costs, 0) >= rule.evaluations
        ? `${rule.evaluations} evaluations without a better one`
        : null;
    case "plateau":
      return plateauHolds(losses, rule.difference)
        ? `two losses differ by less than ${rule.difference}`
        : null;
    default:
      return rule satisfies never;
  }
}

function percent(share: number): string {
  return `${(100 * share).toPrecision(2)} %`;
}

/** The last k losses are all above the best before them. */
function windowHolds(losses: readonly number[], k: number): boolean {
  if (losses.length <= k) return false;
  const best = Math.min(...losses.slice(0, -k));
  return losses.slice(-k).every((loss) => loss > best);
}

function plateauHolds(losses: readonly number[], difference: number): boolean {
  if (losses.length < 2) return false;
  return Math.abs(losses.at(-1)! - losses.at(-2)!) < difference;
}

/** How many evaluations at the end brought no cost below the best before by more than a share `gain` of it. */
function evaluationsWithoutGain(costs: readonly number[], gain: number): number {
  let best = Number.POSITIVE_INFINITY;
  let since = 0;
  for (const cost of costs) {
    if (cost < best - gain * Math.abs(best) || best === Number.POSITIVE_INFINITY) {
      best = cost;
      since = 0;
    } else since++;
  }
  return since;
}

/**
 * The certificate of a run: a dual feasible point bounds how far the weights are from the optimum (design:
 * algorithms.md, section 0). Dual ascent proves its own weights as it goes; for any other solver,
 * passes of dual ascent are run until the bound is below what was asked.
 */
import type { LearnContext } from "../learner/context.ts";
import { createSdcaSolver, type SdcaSolver } from "../learner/sdca.ts";
import type { BestWeights } from "./best.ts";
import type { AnySolver } from "./choose-solver.ts";
import type { RunPort } from "./learn-task.ts";
import type { Task } from "./task.ts";

/** A gap this small ends dual ascent under `--stop auto`, and is what `--certify` works for. */
export const gapDefault = 1e-3;
const passesMax = 100;

/** Relative gap asked for by `--stop gap:...`, else the default. */
export function gapAsked({ settings }: Task): number {
  if (settings.stop === "auto") return gapDefault;
  const rule = settings.stop.find((one) => one.rule === "gap");
  return rule?.rule === "gap" ? rule.relative : gapDefault;
}

/** How far an objective is above a dual value, as a share of it; infinite before there is one. */
export function relativeGap(objective: number, dual: number): number {
  return Number.isFinite(dual) ? (objective - dual) / Math.abs(dual) : Number.POSITIVE_INFINITY;
}

export function isDualAscent(solver: AnySolver): solver is SdcaSolver {
  return solver.name === "sdca";
}

/**
 * When dual ascent should be certified, which costs about two passes: after passes 3, 5, 7, 9, 12, 15, ... a quarter
 * more each time, so that certifying takes at most a third of the time.
 */
export function certificationDue(epochs: number): boolean {
  let due = 3;
  while (due < epochs) due += Math.max(2, Math.round(due / 4));
  return due === epochs;
}

/**
 * Proves the best weights of a run that was not dual ascent; weights of the dual that turn out better
 * take their place.
 * @returns the largest dual value: no weights have an objective below it.
 */
export function certifyBest(
  task: Task,
  context: LearnContext,
  best: BestWeights,
  objectiveOfBest: number,
  port: RunPort,
): number {
  const begin = performance.now();
  const { store, width, settings } = task;
  const solver = createSdcaSolver(context, { store, width, seed: settings.seed });
  const asked = gapAsked(task);
  let objective = objectiveOfBest;
  let dual = Number.NEGATIVE_INFINITY;
  let pass = 0;
  while (pass < passesMax && !(relativeGap(objective, dual) <= asked)) {
    solver.learn(solver.epochRows);
    pass++;
    if (!certificationDue(pass)) continue;
    const proof = solver.certify();
    dual = Math.max(dual, proof.dual);
    if (proof.objective < objective) {
      objective = proof.objective;
      best.replace(solver.weights());
    }
    if (port.stopping.requested) break;
  }
  const relative = relativeGap(objective, dual);
  port.emit({
    kind: "calibrated",
    setting: "certify",
    value: relative,
    reason: `bound on the distance to the optimum, proved by ${pass} passes of dual ascent`,
    seconds: (performance.now() - begin) / 1000,
  });
  return dual;
}

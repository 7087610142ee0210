/** Judging weights: the cost that selects the best, scores for the result, the objective. */
import type { LearnContext } from "../learner/context.ts";
import { judgeStore } from "../learner/row-pass.ts";
import type { RowList } from "../learner/rows.ts";
import { judge, labelsOfList, penaltyOf, predictList } from "../learner/sgd.ts";
import type { Weights } from "../learner/solver.ts";
import { log } from "../model/losses.ts";
import { countConfusion, f1Of, rocAuc } from "../model/metrics.ts";
import type { Score } from "./events.ts";
import type { TrainSettings } from "./settings.ts";
import type { Task } from "./task.ts";

export interface Judged {
  readonly loss: number;
  readonly accuracy: number;
  /** loss + (l2/2)||w||^2, over the rows judged. */
  readonly objective: number;
  /** What `--metric` selects by, smaller is better; NaN when the weights are no numbers. */
  readonly cost: number;
}

/**
 * Judges weights over the rows that rules look at. With the metric `loss`, validation rows are judged by
 * their loss; where training rows stand in for them, by the objective, which is what is minimised.
 */
export function judgeWeights(task: Task, context: LearnContext, weights: Weights): Judged {
  const { loss, accuracy } = judge(context, weights, task.judged);
  const penalty = penaltyOf(context, weights);
  const objective = loss + penalty;
  // A penalty that is no number means weights that are none: hinge loss alone would not show it.
  const cost = Number.isFinite(penalty)
    ? costOf(task, context, weights, { loss, accuracy, objective })
    : Number.NaN;
  return { loss, accuracy, objective, cost };
}

function costOf(
  task: Task,
  context: LearnContext,
  weights: Weights,
  judged: Omit<Judged, "cost">,
): number {
  const metric: TrainSettings["metric"] = task.settings.metric;
  if (metric === "loss") return task.validation ? judged.loss : judged.objective;
  if (metric === "accuracy") return 1 - judged.accuracy;
  const predictions = predictList(context, weights, task.judged);
  const labels = labelsOfList(context, task.judged);
  switch (metric) {
    case "f1":
      return 1 - f1Of(countConfusion(predictions, labels));
    case "auc":
      return 1 - rocAuc(predictions, labels);
    case "log-loss":
      return predictions.reduce((sum, p, k) => sum + log.value(p, labels[k]!), 0) / labels.length;
    default:
      return metric satisfies never;
  }
}

/** Mean loss and accuracy over rows, or null without any. */
export function scoreRows(
  context: LearnContext,
  weights: Weights,
  list: RowList | null,
): Score | null {
  if (!list) return null;
  const { loss, accuracy, rows } = judge(context, weights, list);
  return { loss, rows, accuracy: context.loss.classifies ? accuracy : null };
}

/** P(w) and the mean loss over all training rows. */
export function scoreTraining(task: Task, context: LearnContext, weights: Weights) {
  const { loss, rows } = judgeStore(context, weights, task.store);
  return { objective: loss + penaltyOf(context, weights), loss, rows };
}

/** The end of a run: the best weights as a model, and the record of how it went. */
import { columnsOf } from "../data/dataset.ts";
import type { LearnContext } from "../learner/context.ts";
import { type LinearModel, weightsFromVector } from "../model/model.ts";
import { version } from "../version.ts";
import { certifyBest, relativeGap } from "./certify.ts";
import type { TrainResult } from "./events.ts";
import { scoreRows, scoreTraining } from "./judging.ts";
import type { Ending, JudgedRun } from "./learn-task.ts";
import type { Task } from "./task.ts";
import type { TrainOutcome } from "./train.ts";

/** What a run of several members adds to the record. */
export type MemberTotals = Pick<
  TrainResult,
  "workers" | "updates" | "bytes" | "collisions" | "members"
>;

export const totalsOfOne: MemberTotals = {
  workers: 1,
  collisions: null,
  updates: { sent: 0, applied: 0, lost: 0 },
  bytes: { sent: 0, received: 0, perUpdate: null },
  members: null,
};

export function outcomeOf(parts: JudgedRun, ending: Ending, totals = totalsOfOne): TrainOutcome {
  const { task, context, solver, best, timing, port } = parts;
  const { rule: stopped, detail } = ending;
  const { dataset, settings } = task;
  const begin = performance.now();
  const weights = best.weights();
  let training = scoreTraining(task, context, weights);
  let { dual } = ending;
  if (task.settings.certify && dual === null) {
    dual = certifyBest(task, context, best, training.objective, port);
    training = scoreTraining(task, context, weights);
  }
  const validation = scoreRows(context, weights, task.validation);
  const test = scoreRows(context, weights, task.test);
  timing.evaluate += (performance.now() - begin) / 1000;
  const result: TrainResult = {
    glissade: "1",
    command: "train",
    status: statusOf(stopped),
    strategy: settings.strategy,
    engine: settings.engine,
    workers: totals.workers,
    solver: solver.name === "sdca" ? "sdca" : "sgd",
    loss: settings.loss,
    l2: context.l2,
    rows: dataset.rows,
    columns: columnsOf(dataset),
    nonZeros: dataset.nonZeros,
    epochs: solver.rows / solver.epochRows,
    stopped,
    seconds: {
      load: dataset.loadSeconds,
      train: timing.train,
      evaluate: timing.evaluate,
      total: dataset.loadSeconds + port.seconds(),
    },
    train: training,
    validation,
    test,
    gap:
      dual === null ? null : { relative: relativeGap(training.objective, dual), certified: true },
    collisions: totals.collisions,
    updates: totals.updates,
    bytes: totals.bytes,
    members: totals.members,
    model: null,
    run: null,
    error: stopped === "diverged" ? plainError(detail) : null,
  };
  return { result, model: modelOf(task, context, weights.address) };
}

function statusOf(stopped: Ending["rule"]): TrainResult["status"] {
  if (stopped === "diverged") return "failed";
  return stopped === "interrupted" ? "interrupted" : "done";
}

function plainError(message: string): TrainResult["error"] {
  return { message, file: null, line: null, column: null };
}

function modelOf(task: Task, context: LearnContext, address: number): LinearModel {
  const vector = context.arena.f32(address, task.width);
  return { weights: weightsFromVector(vector, task.dataset), ...modelFacts(task, context) };
}

/** Everything of the model but its weights. */
export function modelFacts(task: Task, context: LearnContext): Omit<LinearModel, "weights"> {
  const { dataset, settings } = task;
  const { indexBase } = dataset;
  return {
    loss: settings.loss,
    l2: context.l2,
    labels: task.labels,
    indexBase,
    bias: settings.bias,
    settings,
    data: dataset.fingerprint,
    version,
  };
}

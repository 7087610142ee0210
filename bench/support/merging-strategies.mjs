/**
 * Strategies of the merging study in the simulator: 16 workers whose updates vary by 30 % in cost, an exchange a tenth
 * of an update, and the plain reference learner on real rows.
 */
import { costs } from "../../dist/engines/simulator/costs.js";
import { runSimulation } from "../../dist/engines/simulator/simulator.js";
import { linearTask } from "../../dist/learner/linear-task.js";
import { strategyNamed } from "../../dist/strategies/all.js";
import { strategyOptions } from "../../dist/strategies/strategy.js";
import { percentOf, problemOf } from "./merging-study.mjs";

const adding = ["asp", "ssp", "dssp", "peer-to-peer"];
const averaging = ["d-psgd ring", "d-psgd exponential", "ad-psgd exponential"];

export const strategyCells = [4, 8, 16, 64].flatMap((rounds) => [
  ...adding.flatMap((strategy) =>
    ["sum", "anticipate"].map((rule) => ({ workers: 16, rounds, rule, strategy })),
  ),
  ...averaging.map((strategy) => ({ workers: 16, rounds, rule: "mean", strategy })),
]);

/** How far above the optimum it ends, in percent. */
export function strategyOver(
  study,
  { strategy, rule },
  { rate, workers, rowsPerUpdate, seed, epochs },
) {
  const problem = problemOf(study, rate);
  const [name, topology = "ring"] = strategy.split(" ");
  const { model } = runSimulation({
    strategy: strategyNamed(name),
    options: strategyOptions({ rowsPerUpdate, merge: rule, topology }),
    task: linearTask({ train: study.data, width: study.data.width, ...problem }),
    ...{ workers, seed, epochs },
    costs: costs({
      learnSecondsPerRow: 1 / rowsPerUpdate,
      learnSpread: { kind: "uniform", width: 0.3 },
      latencySeconds: 0.1,
      ...{ secondsPerMessage: 0, bytesPerSecond: Number.POSITIVE_INFINITY },
    }),
  });
  return percentOf(study, problem, { v: model.values, rows: model.rows });
}

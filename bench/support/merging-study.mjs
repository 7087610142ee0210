/** A problem of the merging study: its rows, the proven optimum, and steps calibrated through the merge. */
import { randomStream, shuffle } from "../../dist/math/random.js";
import { readCsr } from "./csr.mjs";
import { prepareSet } from "./data.mjs";
import { learnRounds, objectiveOf, sharesOf } from "./merging-loop.mjs";

/** Proven optima at l2 1e-4, by dual ascent to a gap of 0.002 % (`train --solver sdca --stop gap:0.002%`). */
const optima = {
  subset: { hinge: 0.1898013, log: 0.2997033 },
  a9a: { hinge: 0.351762, log: 0.3245061 },
  ijcnn1: { hinge: 0.175811, log: 0.2030073 },
  twin: { hinge: 0.2362588, log: 0.329235 },
};
/** Where the rate decides most: set, loss, workers, rounds an epoch. */
export const rateCells = [
  ["a9a", "hinge", 4, 16],
  ["a9a", "hinge", 16, 16],
  ["a9a", "hinge", 64, 8],
  ["a9a", "log", 16, 4],
  ["ijcnn1", "hinge", 16, 16],
  ["ijcnn1", "log", 64, 8],
  ["subset", "hinge", 16, 16],
  ["subset", "log", 16, 16],
];
const l2 = 1e-4;
const sampleRowsMax = 10_000;

/** One epoch is enough of the twin, which has 781,265 rows; five of the others. */
export async function openStudy(set, loss) {
  const { trainCsr } = await prepareSet(set);
  const data = readCsr(trainCsr);
  const rowIds = Uint32Array.from({ length: data.rows }, (_, row) => row);
  return {
    ...{ set, loss, data, rowIds, epochs: set === "twin" ? 1 : 5 },
    shares: sharesOf(data, rowIds),
    norm: meanSquaredNorm(data),
  };
}

export function problemOf({ loss, shares }, rate) {
  return { loss, l2, shares, t0: 1 / (l2 * rate) };
}

/** How far above the optimum a run of that rate ends, in percent. */
export function percentOver(study, { rate, ...run }) {
  const { data, rowIds } = study;
  const problem = problemOf(study, rate);
  return percentOf(study, problem, learnRounds(data, problem, { ...run, rowIds }));
}

export function percentOf({ data, rowIds, set, loss }, problem, model) {
  return 100 * (objectiveOf(data, problem, model, rowIds) / optima[set][loss] - 1);
}

/**
 * The rate that src/run would take: one pass over a sample, merged as the run will be, by factors of four, then of two,
 * then down by two while the objective stays within 5 % of the lowest (`allowance`). Where the sample is less than four rounds its
 * updates are smaller, and steps count as often as in the run.
 */
export function calibrate(study, { workers, rowsPerUpdate, rule }, allowance = 1.05) {
  const { data, rowIds, norm } = study;
  const order = shuffle(rowIds.slice(), randomStream({ seed: 1, purpose: "sample" }));
  const sample = order.subarray(0, Math.min(sampleRowsMax, data.rows));
  const fewer = Math.max(1, Math.floor(sample.length / (4 * workers)));
  const run = { workers, rule, rowIds: sample, seed: 1, epochs: 1, expected: rowsPerUpdate };
  const tried = new Map();
  const objectiveAt = (rate) => {
    if (!tried.has(rate)) {
      const problem = problemOf(study, rate);
      const pass = { ...run, rowsPerUpdate: Math.min(rowsPerUpdate, fewer) };
      const objective = objectiveOf(data, problem, learnRounds(data, problem, pass), sample);
      tried.set(rate, Number.isFinite(objective) ? objective : Number.POSITIVE_INFINITY);
    }
    return tried.get(rate);
  };
  let best = 2 ** Math.floor(Math.log2(1 / norm));
  for (const factor of [4, 1 / 4, 2, 1 / 2]) {
    while (objectiveAt(best * factor) < objectiveAt(best)) {
      best *= factor;
      if (factor === 2 || factor === 1 / 2) break;
    }
  }
  const enough = allowance * objectiveAt(best);
  while (objectiveAt(best / 2) <= enough) best /= 2;
  return best;
}

function meanSquaredNorm({ value, rows }) {
  return value.reduce((sum, x) => sum + x * x, 0) / rows;
}

/** The best weights so far: of the last and the averaged ones at every evaluation, the better by the metric. */
import type { LearnContext } from "../learner/context.ts";
import type { Solver, Weights } from "../learner/solver.ts";
import { createAverage } from "./average.ts";
import { type Judged, judgeWeights } from "./judging.ts";
import type { BestState } from "./run-state.ts";
import type { Task } from "./task.ts";

export interface BestWeights {
  /** Keeps the starting weights to go back to; the larger loss of them and of no weights at all. */
  firstLoss(): number;
  /** Takes a snapshot into the average. */
  average(weights: Weights): void;
  /** Judges the present weights and the average; what is reported is the better one's, unless there is trouble. */
  judge(weights: Weights): JudgedPair;
  /** Keeps judged weights as good ones to go back to, and as the best when they are; true then. */
  keep(weights: Weights, judged: JudgedPair): boolean;
  /** The last good weights, to go back to after trouble; the average starts anew from them. */
  restore(): Float32Array;
  /** Puts better weights in the place of the best. */
  replace(weights: Weights): void;
  /** The best weights, in the arena. */
  weights(): Weights;
  /** Whether judged weights are kept, and not only those it began with. */
  hasBest(): boolean;
  /** A copy of everything kept here. */
  state(): BestState;
  /** Goes on from it, in place of `firstLoss`. */
  resume(state: BestState): void;
}

/** Something whose weights are judged. */
export type Judgeable = Pick<Solver, "name" | "weights">;

/** A judgement, and whose it is. */
export interface JudgedPair extends Judged {
  readonly ofAverage: boolean;
}

export function createBest(task: Task, context: LearnContext, solver: Judgeable): BestWeights {
  const { width } = solver.weights();
  const { arena } = context;
  const kept = arena.allocateF32(width);
  const lastGood = arena.allocateF32(width);
  const average = createAverage(context, width);
  // Dual ascent's own weights only get better; an average of them would only lag behind.
  const mode = solver.name === "sdca" ? "never" : task.settings.average;
  let bestCost = Number.POSITIVE_INFINITY;
  const copyTo = (target: Float32Array, { address, scale }: Weights) => {
    // Share 1 moves the whole way: target = scale * v.
    target.fill(0);
    context.kernels.moveAverage(1, scale, address, target.byteOffset, width);
  };
  /** Of a classifier it is the same for each row; else the rows must be looked at. */
  function lossOfNothing(): number {
    if (context.loss.classifies) return context.loss.value(0, 1);
    kept.fill(0);
    return judgeWeights(task, context, { address: kept.byteOffset, scale: 1, width }).loss;
  }
  return {
    firstLoss() {
      const nothing = lossOfNothing();
      const weights = solver.weights();
      copyTo(lastGood, weights);
      copyTo(kept, weights);
      if (kept.every((weight) => weight === 0)) return nothing;
      return Math.max(nothing, judgeWeights(task, context, weights).loss);
    },
    average: (weights) => {
      if (mode !== "never") average.add(weights);
    },
    judge(weights) {
      const last = judgeWeights(task, context, weights);
      const averaged = mode === "never" ? null : judgeWeights(task, context, average.weights());
      const ofAverage = averaged !== null && (mode === "always" || averaged.cost < last.cost);
      // Trouble shows in the present weights first: an average of earlier ones would hide it.
      return ofAverage && Number.isFinite(last.cost)
        ? { ...averaged, ofAverage }
        : { ...last, ofAverage: false };
    },
    keep(weights, judged) {
      copyTo(lastGood, weights);
      if (!(judged.cost < bestCost)) return false;
      bestCost = judged.cost;
      copyTo(kept, judged.ofAverage ? average.weights() : weights);
      return true;
    },
    restore() {
      const good = lastGood.slice();
      average.reset(good);
      return good;
    },
    replace: (weights) => copyTo(kept, weights),
    weights: () => ({ address: kept.byteOffset, scale: 1, width }),
    hasBest: () => bestCost < Number.POSITIVE_INFINITY,
    state: () => ({
      cost: bestCost,
      snapshots: average.snapshots,
      vectors: { kept: kept.slice(), lastGood: lastGood.slice() },
      average: arena.f32(average.weights().address, width).slice(),
    }),
    resume(state) {
      bestCost = state.cost;
      kept.set(state.vectors.kept);
      lastGood.set(state.vectors.lastGood);
      average.reset(state.average, state.snapshots);
    },
  };
}

/**
 * `--l2 auto`: a few decades by successive halving on the validation rows. Every candidate learns an eighth of the
 * training rows once; the better half then a whole epoch; the best of these is taken. All told less than
 * four epochs, where the run itself learns up to thirty.
 */
import { createReplica, type Replica } from "../learner/replica.ts";
import { type RowList, shuffleEpoch, shuffleShape, sliceRows } from "../learner/rows.ts";
import { learnInPlace } from "../learner/sgd.ts";
import { weightsAt } from "../learner/solver.ts";
import { optimalSchedule } from "../model/schedule.ts";
import { createAverage } from "./average.ts";
import { judgeWeights } from "./judging.ts";
import { chooseStep } from "./schedules.ts";
import type { Task } from "./task.ts";

export interface RegulariserChoice {
  readonly l2: number;
  readonly reason: string;
}

/** Candidates are these multiples of mean ||x||^2 / rows: the unit in which l2 does not depend on scale or size. */
const multiples = [100, 10, 1, 0.1, 0.01];

export function chooseL2(task: Task, replica: Replica): RegulariserChoice {
  const unit = task.meanSquaredNorm / task.trainRows;
  if (!task.validation) {
    const l2 = round(unit);
    return { l2, reason: "mean ||x||^2 / rows, as there are no validation rows to try others on" };
  }
  const rate = startRate(task, round(unit), replica);
  const room = task.dataset.arena.allocateU32(2 * task.trainRows);
  const stream = { seed: task.settings.seed, epoch: 0 };
  const shape = shuffleShape(task.train.map(({ block }) => block));
  const order = shuffleEpoch(task.train, shape, stream, room);
  const all = multiples.map((multiple) => createRival(task, round(multiple * unit), order, rate));
  let rivals = all;
  for (const end of [Math.ceil(task.trainRows / 8), task.trainRows]) {
    for (const rival of rivals) rival.advance(end);
    rivals = rivals.toSorted((x, y) => x.cost - y.cost).slice(0, Math.ceil(rivals.length / 2));
  }
  for (const rival of all) rival.release();
  task.dataset.arena.release(room.byteOffset, room.byteLength);
  const best = rivals[0]!;
  const tried = multiples.map((multiple) => round(multiple * unit)).join(", ");
  return { l2: best.l2, reason: `lowest cost on the validation rows among ${tried}` };
}

/** The first rate hardly depends on l2: one calibration serves all candidates. */
function startRate(task: Task, l2: number, replica: Replica): number {
  const choice = chooseStep(
    task.contextOf(l2),
    { name: "optimal", t0: "auto" },
    {
      rows: task.sample,
      replica,
      start: null,
      meanSquaredNorm: task.meanSquaredNorm,
      epochRows: task.trainRows,
      workers: 1,
      rowsPerUpdate: 1,
    },
  );
  return choice.rate;
}

/** One candidate: it learns the shared order's rows from where it stopped. */
function createRival(task: Task, l2: number, order: RowList, rate: number) {
  const context = task.contextOf(l2);
  const schedule = optimalSchedule({ l2, t0: 1 / (l2 * rate) });
  const replica = createReplica(context.arena, task.width);
  const average = createAverage(context, task.width);
  return {
    l2,
    cost: Number.POSITIVE_INFINITY,
    /** Learns up to a row of the order; its cost is the lower one of the last and the averaged weights. */
    advance(end: number): void {
      const slice = Math.ceil((end - replica.t) / 8);
      while (replica.t < end) {
        const rows = sliceRows(order, replica.t, Math.min(end, replica.t + slice));
        learnInPlace(context, schedule, replica, rows);
        average.add(weightsAt(replica, schedule));
      }
      const both = [weightsAt(replica, schedule), average.weights()];
      const costs = both.map((weights) => judgeWeights(task, context, weights).cost);
      this.cost = Math.min(...costs.map((cost) => (Number.isFinite(cost) ? cost : Infinity)));
    },
    release(): void {
      average.release();
      context.arena.release(replica.address, 4 * replica.width);
    },
  };
}

/** Two digits are enough for a value that is tried by decades, and read better. */
function round(l2: number): number {
  return Number(l2.toPrecision(2));
}

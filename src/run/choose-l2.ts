/**
 * `--l2 auto`: four decades by half decades, by successive halving on the validation rows. Every candidate learns an
 * eighth of the training rows, the better half then a whole epoch, the better half of these four epochs (fewer
 * where the rows are many: there one epoch comes close to the optimum). One epoch alone would favour a small l2,
 * which is only good as long as learning stops early.
 *
 * The choice is the largest l2 whose cost is within half a standard error of the lowest (Breiman, Friedman, Olshen and
 * Stone 1984, section 3.4.3, whole there;
 * half here, as rivals are judged on the same rows): costs this close are told apart by chance, and the more
 * regularised model is safer.
 */
import { createOrder, type RowOrder } from "../learner/order.ts";
import { createReplica, type Replica } from "../learner/replica.ts";
import type { RowList } from "../learner/rows.ts";
import { learnInPlace } from "../learner/sgd.ts";
import { weightsAt } from "../learner/solver.ts";
import { optimalSchedule } from "../model/schedule.ts";
import { createAverage } from "./average.ts";
import { createBreathe } from "./breath.ts";
import { judgeWeights } from "./judging.ts";
import type { RunPort } from "./learn-task.ts";
import { chooseStep } from "./schedules.ts";
import type { Task } from "./task.ts";

export interface RegulariserChoice {
  readonly l2: number;
  readonly reason: string;
}

/** Candidates are these multiples of mean ||x||^2 / rows: the unit in which l2 does not depend on scale or size. */
const multiples = [100, 30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01];
/** Rows after which the last round ends, where that is more than an epoch and less than four. */
const lastRoundRows = 200_000;

/** A run that is asked to stop meanwhile gets the best so far. */
export async function chooseL2(
  task: Task,
  replica: Replica,
  stopping: RunPort["stopping"],
): Promise<RegulariserChoice> {
  const unit = task.meanSquaredNorm / task.trainRows;
  if (!task.validation) {
    const l2 = round(unit);
    return { l2, reason: "mean ||x||^2 / rows, as there are no validation rows to try others on" };
  }
  const rate = startRate(task, round(unit), replica);
  const rows = task.trainRows;
  const order = createOrder(task.dataset.arena, task.store, { seed: task.settings.seed });
  const all = multiples.map((multiple) => createRival(task, round(multiple * unit), rate));
  let rivals = all;
  let learned = 0;
  for (const { end, kept } of rounds(rows)) {
    await advance(rivals, order, end - learned, stopping);
    learned = end;
    rivals = rivals.toSorted((x, y) => x.cost - y.cost).slice(0, kept);
    if (stopping.requested) break;
  }
  const best = choose(rivals, standardError(task, rivals[0]!.cost) / 2);
  for (const rival of all) rival.release();
  order.close();
  const [most, least] = [all[0]!.l2, all.at(-1)!.l2];
  const reason = `lowest cost on the validation rows, within half a standard error, of ${all.length} from ${least} to ${most}`;
  return { l2: best.l2, reason };
}

/** The largest l2 whose cost is within `error` of the lowest; rivals come with the lowest first. */
function choose<Rival extends { l2: number; cost: number }>(
  rivals: readonly Rival[],
  error: number,
): Rival {
  const close = rivals.filter(({ cost }) => cost <= rivals[0]!.cost + error);
  return close.reduce((best, rival) => (rival.l2 > best.l2 ? rival : best));
}

/**
 * Standard error of a mean cost over the validation rows, as if it were a share: sqrt(c * (1 - c) / rows). That
 * is the binomial's for accuracy, and close for a loss where most rows lose nothing and a few lose about one.
 */
function standardError(task: Task, cost: number): number {
  return Math.sqrt(Math.max(0, cost * (1 - Math.min(cost, 0.999))) / task.judged.count);
}

/** Up to which row each round learns, and how many candidates it keeps. */
function rounds(rows: number) {
  const last = Math.max(rows, Math.min(4 * rows, lastRoundRows));
  return [
    { end: Math.ceil(rows / 8), kept: 6 },
    { end: rows, kept: 5 },
    { end: last, kept: 5 },
  ];
}

/** The first rate hardly depends on l2: one calibration serves all candidates. */
function startRate(task: Task, l2: number, replica: Replica): number {
  const context = task.contextOf(l2);
  const choice = chooseStep(
    context,
    { name: "optimal", t0: "auto" },
    {
      rows: task.sample,
      replica,
      start: null,
      learn: (schedule, learner, rows) => learnInPlace(context, schedule, learner, rows),
      meanSquaredNorm: task.meanSquaredNorm,
      epochRows: task.trainRows,
      workers: 1,
      rowsPerUpdate: 1,
    },
  );
  return choice.rate;
}

/** Snapshots that a candidate's average takes in, a round. */
const snapshotsPerRound = 8;

/** All candidates learn the same rows side by side, so that every block is read once for all of them. */
async function advance(
  rivals: readonly Rival[],
  order: RowOrder,
  rows: number,
  stopping: RunPort["stopping"],
): Promise<void> {
  const slice = Math.ceil(rows / snapshotsPerRound);
  const breathe = createBreathe();
  for (let done = 0; done < rows && !stopping.requested; ) {
    const end = Math.min(rows, done + slice);
    while (done < end) {
      const list = order.take(end - done);
      for (const rival of rivals) rival.learn(list);
      done += list.count;
    }
    for (const rival of rivals) rival.snapshot();
    await breathe();
  }
  order.settle();
  for (const rival of rivals) rival.judge();
}

type Rival = ReturnType<typeof createRival>;

/** One candidate. */
function createRival(task: Task, l2: number, rate: number) {
  const context = task.contextOf(l2);
  const schedule = optimalSchedule({ l2, t0: 1 / (l2 * rate) });
  const replica = createReplica(context.arena, task.width);
  const average = createAverage(context, task.width);
  return {
    l2,
    cost: Number.POSITIVE_INFINITY,
    learn(list: RowList): void {
      learnInPlace(context, schedule, replica, list);
    },
    snapshot(): void {
      average.add(weightsAt(replica, schedule));
    },
    /** Its cost is the lower one of the last and the averaged weights. */
    judge(): void {
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

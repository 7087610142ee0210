/**
 * Serial SGD as the run loop drives it: rows in the epoch's order, a cursor that survives a checkpoint, and
 * weights that can be judged, averaged and put back at any moment.
 */
import type { Schedule } from "../model/schedule.ts";
import type { LearnContext } from "./context.ts";
import type { RowOrder } from "./order.ts";
import { createReplica, type Replica, scaleOf, setWeights } from "./replica.ts";
import type { RowList } from "./rows.ts";
import { learnInPlace } from "./sgd.ts";
import { createUpdateRoom, learnByUpdates } from "./update.ts";

/** Where weights lie: w = scale * v, v at an address of the arena. */
export interface Weights {
  readonly address: number;
  readonly scale: number;
  readonly width: number;
}

/** What the run loop needs of whatever learns. */
export interface Solver {
  readonly name: "sgd" | "adagrad" | "sdca";
  /** Rows of an epoch. */
  readonly epochRows: number;
  /** Rows learned since the run began. */
  readonly rows: number;
  /** Learns the next `count` rows of the order, or up to an update's rows more. */
  learn(count: number): void;
  /** The present weights; valid until the next call of `learn`. */
  weights(): Weights;
  /** Goes back to given weights (f32, length width) and takes steps `factor` as large from there. */
  restart(weights: Float32Array, factor: number): void;
  /** A copy of all that learning on depends on. */
  state(): SolverState;
  /** Goes on from the state of a solver that was made from the same data and settings, bit for bit. */
  resume(state: SolverState): void;
  /** Where threads share weights: how often they met; null where nothing was watched. */
  collisions?(): Collisions | null;
}

/** How often threads met on shared weights. */
export interface Collisions {
  /** Rows that were watched while they stepped. */
  readonly watched: number;
  /** Of these, rows of which another thread wrote a coordinate between their reading and their writing. */
  readonly collided: number;
}

/** A solver's state as plain data: exact numbers, and vectors by name. */
export interface SolverState {
  readonly numbers: Readonly<Record<string, number>>;
  readonly vectors: Readonly<Record<string, Float32Array>>;
}

/** What every solver that steps along one schedule is made from. */
export interface SteppingOptions {
  readonly order: RowOrder;
  readonly width: number;
  readonly scheduleOf: (factor: number) => Schedule;
  readonly start: Float32Array | null;
}

/** Who does the steps. */
export interface Stepper {
  /** Takes the next rows of the order, of `left` asked for; may be more. */
  take(order: RowOrder, left: number): RowList;
  /** Learns the rows on the replica, and moves its T. */
  learn(schedule: Schedule, replica: Replica, list: RowList): void;
  /** The replica holds other weights than `learn` left it with. */
  replaced?(replica: Replica): void;
}

/** SGD on one replica that is the model. */
export function createStepping(
  context: LearnContext,
  options: SteppingOptions & { readonly replica?: Replica },
  stepper: Stepper,
): Solver {
  const replica = options.replica ?? createReplica(context.arena, options.width);
  if (options.start) setWeights(replica, options.start);
  stepper.replaced?.(replica);
  const { order } = options;
  let schedule = options.scheduleOf(1);
  let factor = 1;
  let rows = 0;
  return {
    name: "sgd",
    epochRows: order.epochRows,
    get rows() {
      return rows;
    },
    learn(count) {
      for (const end = rows + count; rows < end; ) {
        const list = stepper.take(order, end - rows);
        stepper.learn(schedule, replica, list);
        rows += list.count;
      }
      order.settle();
    },
    weights: () => weightsAt(replica, schedule),
    restart(weights, by) {
      factor *= by;
      schedule = options.scheduleOf(factor);
      replica.v.set(weights);
      replica.base = schedule.logScale(replica.t);
      stepper.replaced?.(replica);
    },
    state() {
      const { t, base, v } = replica;
      const { epoch, taken } = order;
      return { numbers: { rows, epoch, taken, t, base, factor }, vectors: { v: v.slice() } };
    },
    resume({ numbers, vectors }) {
      rows = numbers.rows!;
      factor = numbers.factor!;
      schedule = options.scheduleOf(factor);
      replica.t = numbers.t!;
      replica.base = numbers.base!;
      replica.v.set(vectors.v!);
      order.seek(placeIn(numbers));
      stepper.replaced?.(replica);
    },
  };
}

/** Fused serial SGD: rows change the replica itself. */
export function createSgdSolver(context: LearnContext, options: SteppingOptions): Solver {
  return createStepping(context, options, {
    take: (order, left) => order.take(left),
    learn: (schedule, replica, list) => learnInPlace(context, schedule, replica, list),
  });
}

/**
 * Serial SGD as every strategy does it: an update of `rowsPerUpdate` rows is learned on a private copy and
 * applied. This is what one member of any strategy equals bit for bit.
 */
export function createUpdateSolver(
  context: LearnContext,
  options: SteppingOptions & { rowsPerUpdate: number; learn: "local" | "gradient" },
): Solver {
  const { rowsPerUpdate, learn: mode } = options;
  const room = createUpdateRoom(context, options.width);
  return createStepping(context, options, {
    take: (order) => order.takeWhole(rowsPerUpdate),
    learn: (schedule, replica, list) =>
      learnByUpdates(context, schedule, room, replica, list, { mode, rowsPerUpdate }),
  });
}

/** The place in the order that a state tells. */
export function placeIn({ epoch, taken }: SolverState["numbers"]): {
  epoch: number;
  taken: number;
} {
  return { epoch: epoch!, taken: taken! };
}

export function weightsAt(replica: Replica, schedule: Schedule): Weights {
  const { address, width } = replica;
  return { address, width, scale: scaleOf(replica, schedule) };
}

/**
 * Feature-parallel: each worker holds a column range of all rows and of v. A batch's predictions are the
 * all-reduced sums of partial dot products; then each worker applies the slopes at them to its own columns:
 *
 *     m_p,i = s(T) * sum over columns j of worker p of v_j * x_ij      for the rows i of the batch
 *     m_i   = sum_p m_p,i                                              (reduction.ts, ring or tree)
 *     v_j  += - coefficient(T) * sum_i slope(m_i, y_i) * x_ij          for the own columns j
 *
 * Columns are dealt out so that everybody holds about as many non-zeros.
 *
 * Models that fit no member fit all of them together; a batch costs its margins, not its columns.
 *
 * Source: algorithms.md, section 8.
 * Invariant: the iterates are those of serial mini-batch SGD, up to the order of summation.
 */
import type { Replica } from "../math/replica.ts";
import { type KeyRange, keyRange, type Update } from "../math/update.ts";
import {
  absorbPart,
  beginRound,
  createReduction,
  type Part,
  type Reduction,
  type Round,
  refusesReduction,
} from "./reduction.ts";
import type {
  NodeEvent,
  Outbox,
  Seat,
  SeatingQuestion,
  SeatPlan,
  Strategy,
  StrategyOptions,
} from "./strategy.ts";
import { refusesThinning } from "./thinning.ts";

interface ColumnState {
  readonly rank: number;
  readonly rowsPerUpdate: number;
  readonly reduction: Reduction;
}

type Out = Outbox<Part>;

/** Model parallelism by columns; mini-batch gradients only. */
export const featureParallel: Strategy<ColumnState, Part> = {
  name: "feature-parallel",
  sharing: "messages",
  pace: "lockstep",
  owns: "columns",
  merges: ["sum"],
  conserves: () => "sum",
  seats,
  refuses,
  init: (seat: Seat, { rowsPerUpdate, topology }) => ({
    rank: seat.rank,
    rowsPerUpdate,
    reduction: createReduction(seat, topology),
  }),
  step,
};

/** Ranges with as nearly equal loads as cuts between columns allow, a column each at least. */
function seats({ workers, width, columnLoads }: SeatingQuestion): SeatPlan[] {
  const plan = (range: KeyRange): SeatPlan => ({ role: "worker", range });
  if (!columnLoads) {
    return Array.from({ length: workers }, (_, part) =>
      plan(keyRange(part, { parts: workers, width })),
    );
  }
  const total = columnLoads.reduce((sum, load) => sum + load, 0);
  const ranges: SeatPlan[] = [];
  let [from, before] = [0, 0];
  for (let part = 1; part <= workers; part++) {
    const last = width - (workers - part);
    let to = from + 1;
    before += columnLoads[from]!;
    // The next column comes in if that leaves the cut nearer to where it should be.
    while (to < last && before + columnLoads[to]! / 2 <= (part * total) / workers) {
      before += columnLoads[to++]!;
    }
    if (part === workers) to = width;
    ranges.push(plan({ from, to }));
    from = to;
  }
  return ranges;
}

function refuses({ workers, width }: SeatingQuestion, options: StrategyOptions): string | null {
  if (options.learn !== "gradient") {
    return `feature-parallel takes mini-batch gradients: current value is learn ${options.learn}`;
  }
  if (workers > width) {
    return `feature-parallel needs a column for each worker: current value is ${workers} workers, ${width} columns`;
  }
  return (
    refusesReduction("feature-parallel", options) ??
    refusesThinning("feature-parallel", "it sends predictions and no updates", options)
  );
}

function step(state: ColumnState, replica: Replica, event: NodeEvent<Part>, out: Out): void {
  const { reduction, rowsPerUpdate } = state;
  switch (event.kind) {
    case "start":
      return out.push({ kind: "predict", rows: rowsPerUpdate });
    case "predicted": {
      const values = event.margins.slice();
      return conclude(beginRound(reduction, { values, rows: event.rows }, out), out);
    }
    case "message":
      return conclude(absorbPart(reduction, event, out), out);
    case "learned":
      return absorbSlopes(state, replica, event.update, out);
    case "exhausted":
      return out.push({ kind: "finish" });
    case "wake":
    case "lost":
    case "view":
      return;
    default:
      event satisfies never;
  }
}

/** The margins are whole: applies the slopes at them. */
function conclude(round: Round | null, out: Out): void {
  if (round) out.push({ kind: "adjust", margins: round.values });
}

function absorbSlopes(state: ColumnState, replica: Replica, update: Update, out: Out): void {
  replica.apply(update);
  const clock = state.reduction.clock;
  const report = { kind: "applied", from: state.rank, clock, staleness: 0 } as const;
  out.push({ kind: "report", report });
  out.push({ kind: "predict", rows: state.rowsPerUpdate });
}

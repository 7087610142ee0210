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
 * Members come and go (rounds.ts). The columns of a departed worker are out of the model until somebody comes for
 * its seat; a newcomer begins with zeros and learns them again. A leaver's columns stay as they were.
 *
 * Source: algorithms.md, section 8.
 * Invariant: the iterates are those of serial mini-batch SGD, up to the order of summation.
 */
import type { Model, Replica } from "../math/replica.ts";
import { type KeyRange, keyRange, type Update } from "../math/update.ts";
import {
  becomeDone,
  createEnding,
  type Ending,
  type EndingMessage,
  endingShapes,
  followMembers,
} from "./ending.ts";
import { refusesReduction, usualReductionTopology } from "./reduction.ts";
import { type RoundMessage, roundShapes } from "./round-messages.ts";
import {
  absorbTogether,
  becomeAwake,
  contribute,
  copyToNewcomers,
  createRounds,
  enterRounds,
  followView,
  isSettled,
  leaveWill,
  type RoundRule,
  type Rounds,
} from "./rounds.ts";
import {
  type NodeEvent,
  type Outbox,
  type Seat,
  type SeatingQuestion,
  type SeatPlan,
  type Strategy,
  type StrategyOptions,
  viewOf,
} from "./strategy.ts";
import { refusesThinning } from "./thinning.ts";

interface ColumnState {
  readonly rank: number;
  readonly rowsPerUpdate: number;
  readonly rounds: Rounds;
  readonly ending: Ending;
  /** `adjusting`: the margins are whole, and their slopes are being applied. */
  phase: "joining" | "predicting" | "adjusting" | "parting";
  leaving: boolean;
}

type ColumnMessage = RoundMessage | EndingMessage;
type Out = Outbox<ColumnMessage>;

/** Model parallelism by columns; mini-batch gradients only. */
export const featureParallel: Strategy<ColumnState, ColumnMessage> = {
  name: "feature-parallel",
  sharing: "messages",
  pace: "lockstep",
  owns: "columns",
  merges: ["sum"],
  conserves: () => "sum",
  seats,
  usualTopology: usualReductionTopology,
  refuses,
  // Results are margins, of as many rows as a batch has; newcomers get no columns, only T.
  shapes: {
    ...endingShapes,
    ...roundShapes(
      { type: "values", length: "any" },
      { type: "values", length: "own", orEmpty: true },
    ),
  },
  init,
  step,
  parted({ rounds }, { replica, view }, out) {
    leaveWill(rounds, view, () => ownModel(replica), out);
  },
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

function init(seat: Seat, { rowsPerUpdate, topology }: StrategyOptions): ColumnState {
  const { rank } = seat;
  const view = viewOf(seat);
  return {
    rank,
    rowsPerUpdate,
    rounds: createRounds(seat, topology),
    ending: createEnding(rank, view.members),
    phase: view.id > 1 ? "joining" : "predicting",
    leaving: false,
  };
}

/** What is merged are margins, as they are. */
const marginRule: RoundRule = {
  vectorOf: ({ delta }) => (delta as Float32Array).slice(),
  mergedOf: ({ values, counts }) => ({ rows: counts.rows, delta: values }),
};

function step(state: ColumnState, replica: Replica, event: NodeEvent<ColumnMessage>, out: Out) {
  const { rounds, ending } = state;
  switch (event.kind) {
    case "start":
      if (state.phase === "joining") enterRounds(rounds, { rule: marginRule, replica }, out);
      else askToPredict(state, out);
      break;
    case "predicted":
      becomeMerging(state, event, out);
      break;
    case "message":
      conclude(state, absorbTogether(state, { rule: marginRule, replica }, event, out), out);
      break;
    case "learned":
      absorbSlopes(state, replica, event.update, out);
      break;
    case "view":
      conclude(state, followView(rounds, { rule: marginRule, replica }, event.view, out), out);
      followMembers(ending, event.view.members, out);
      break;
    case "exhausted":
      becomeDone(ending, out);
      break;
    case "leave":
      state.leaving = true;
      break;
    case "wake":
      becomeAwake(rounds, { rule: marginRule, replica }, out);
      break;
    default:
      event satisfies never;
  }
  if (state.phase === "joining" && isSettled(rounds)) askToPredict(state, out);
  if (isSettled(rounds) && state.phase !== "adjusting") {
    copyToNewcomers(rounds, () => ownModel(replica), out);
  }
}

/** What a newcomer copies: nobody else's columns are its own. */
function ownModel({ rows }: Replica): Model {
  return { rows, values: new Float32Array(0) };
}

function askToPredict(state: ColumnState, out: Out): void {
  const { leaving, rounds, rowsPerUpdate, ending } = state;
  state.phase = leaving ? "parting" : "predicting";
  if (leaving && rounds.ranks.length === 1) return out.push({ kind: "finish" });
  if (leaving) becomeDone(ending, out);
  out.push({ kind: "predict", rows: rowsPerUpdate, round: rounds.completed + 1 });
}

/** A leaver's columns count no more: it takes part in one more round with nothing. */
function becomeMerging(
  state: ColumnState,
  { rows, margins }: { rows: number; margins: Float32Array },
  out: Out,
): void {
  const delta = state.phase === "parting" ? new Float32Array(margins.length) : margins.slice();
  conclude(state, contribute(state.rounds, marginRule, { rows, delta }, out), out);
}

/** The margins are whole: applies the slopes at them. */
function conclude(state: ColumnState, merged: Update | null, out: Out): void {
  if (merged === null) return;
  if (state.phase === "parting") return out.push({ kind: "finish" });
  state.phase = "adjusting";
  out.push({ kind: "adjust", margins: merged.delta as Float32Array });
}

function absorbSlopes(state: ColumnState, replica: Replica, update: Update, out: Out): void {
  replica.apply(update);
  const clock = state.rounds.completed;
  const report = { kind: "applied", from: state.rank, clock, staleness: 0 } as const;
  out.push({ kind: "report", report });
  askToPredict(state, out);
}

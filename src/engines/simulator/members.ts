/** The members of a simulation: their replicas, learners, and lives. */
import { type Cursor, createCursor, type RowSpan, updatesPerEpoch } from "../../learner/cursor.ts";
import type { ColumnLearner, Learner } from "../../learner/learner.ts";
import type { Replica } from "../../math/replica.ts";
import type { Effect, Seat, SeatPlan, View } from "../../strategies/strategy.ts";
import { firstView, firstViewOf } from "../../topology/view.ts";
import { absentRanks } from "./faults.ts";
import { ownedIn } from "./moves.ts";
import type { SimulationPlan } from "./simulator.ts";

/** A request for rows, and what it came of. */
export interface HeldRequest {
  readonly effect: Effect<unknown>;
  readonly from: number;
  readonly sentAt: number;
}

/** A simulated member. */
export interface Member {
  readonly rank: number;
  readonly seat: SeatPlan;
  readonly place: Seat;
  state: unknown;
  replica: Replica;
  /** Which life of the rank this is; whether it runs at all. */
  life: number;
  alive: boolean;
  /** Whether the rank has had a life. */
  begun: boolean;
  learner: Learner | null;
  /** Instead of a learner, where strategies own columns; and the rows it predicted last. */
  readonly columns: ColumnLearner | null;
  span: RowSpan | null;
  cursor: Cursor | null;
  /** The view whose rows it has, and the segments they are. */
  view: View | null;
  owned: string;
  /** It hears of no quorum; and what it asked for then, which waits. */
  alone: boolean;
  held: HeldRequest | null;
  learnFactor: number;
  learning: boolean;
  finished: boolean;
  idleSince: number;
}

/** All members of a plan; those that join later are not alive yet. */
export function createMembers(plan: SimulationPlan, seats: readonly SeatPlan[]): Member[] {
  const { strategy, options, task, workers, seed } = plan;
  const ownsColumns = strategy.owns === "columns";
  const learners = seats.slice(0, workers).map(({ range }, rank) => {
    const place = { rank, workers, seed };
    return ownsColumns
      ? { columns: task.createColumnLearner!({ ...place, range }), learner: null }
      : { columns: null, learner: task.createLearner(place) };
  });
  const most = learners.reduce((updates, { columns, learner }) => {
    return Math.max(updates, updatesPerEpoch((columns ?? learner!).rows, options.rowsPerUpdate));
  }, 0);
  const lockstep = strategy.pace === "lockstep" ? { updates: most } : {};
  const absent = absentRanks(plan.faults ?? []);
  const first = firstView({ workers, members: seats.length }).members;
  const view =
    absent.size > 0 ? { view: firstViewOf(first.filter(({ rank }) => !absent.has(rank))) } : {};
  return seats.map((seat, rank): Member => {
    const { learner, columns } = learners[rank] ?? { learner: null, columns: null };
    const owner = learner ?? columns;
    const { rowsPerUpdate } = options;
    const place = { ...placeOf(plan, seats, rank), ...view };
    return {
      rank,
      seat,
      place,
      ...stateOf(plan, place),
      life: 1,
      alive: !absent.has(rank),
      begun: !absent.has(rank),
      learner,
      columns,
      span: null,
      cursor: owner && createCursor({ rows: owner.rows, rowsPerUpdate, ...lockstep }),
      view: null,
      owned: strategy.standing && learner ? ownedIn(null, rank, workers).join() : "",
      alone: false,
      held: null,
      learnFactor: plan.costs.slowMembers[rank] ?? 1,
      learning: false,
      finished: false,
      idleSince: 0,
    };
  });
}

function placeOf(plan: SimulationPlan, seats: readonly SeatPlan[], rank: number): Seat {
  const { role, range } = seats[rank]!;
  const { workers, task, seed } = plan;
  const members = seats.length;
  return { rank, incarnation: 1, role, workers, members, width: task.width, range, seed };
}

/** What a life begins with. */
function stateOf({ task, strategy, options, initial }: SimulationPlan, place: Seat) {
  const { from, to } = place.range;
  const replica = task.createReplica(to - from);
  if (initial) replica.load({ rows: initial.rows, values: initial.values.slice(from, to) });
  return { replica, state: strategy.init(place, options) };
}

/** Begins a life: the first one of a member that was absent, or the next after a crash. */
export function beginLife(plan: SimulationPlan, member: Member): void {
  if (member.begun) member.life++;
  member.begun = true;
  member.alive = true;
  member.learning = false;
  member.alone = false;
  member.held = null;
  Object.assign(member, stateOf(plan, { ...member.place, incarnation: member.life }));
}

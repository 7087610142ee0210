/**
 * Rounds of merged updates in one thread: how a rate is tried for a run of many workers. Each worker of a round
 * learns its rows from the same replica, and their updates merge as the run's will.
 */
import { addDelta, type Merge, type Update } from "../math/update.ts";
import type { Schedule } from "../model/schedule.ts";
import type { Counted } from "./anticipation.ts";
import type { LearnContext } from "./context.ts";
import { type Replica, rebase } from "./replica.ts";
import { type RowList, sliceRows } from "./rows.ts";
import { learnUpdate, type UpdateRoom } from "./update.ts";

/** How a run's updates merge. */
export interface Rounds {
  readonly workers: number;
  readonly rowsPerUpdate: number;
  readonly merge: Merge;
  readonly mode: "local" | "gradient";
  /** How steps count where updates anticipate. */
  readonly counted: Counted | null;
}

/** A sample that is fewer rounds than this is cut into smaller updates: one overshoot tells nothing of the next. */
const roundsMin = 4;

/** Learns the rows on the replica, round by round. */
export function learnByRounds(
  context: LearnContext,
  schedule: Schedule,
  room: UpdateRoom,
  replica: Replica,
  list: RowList,
  rounds: Rounds,
): void {
  const { workers, merge, mode, counted } = rounds;
  const most = Math.max(1, Math.floor(list.count / (roundsMin * workers)));
  const rowsPerUpdate = Math.min(rounds.rowsPerUpdate, most);
  const stride = merge === "sum" ? workers : 1;
  const total = new Float32Array(replica.width);
  for (let start = 0; start < list.count; start += workers * rowsPerUpdate) {
    const end = Math.min(list.count, start + workers * rowsPerUpdate);
    total.fill(0);
    let rows = 0;
    for (let from = start; from < end; from += rowsPerUpdate) {
      const slice = sliceRows(list, from, Math.min(end, from + rowsPerUpdate));
      const how = { mode, stride, counted };
      const update = learnUpdate(context, schedule, room, replica, slice, how);
      rows += absorb(total, update, merge === "mean" ? update.rows / (end - start) : 1);
    }
    for (let j = 0; j < total.length; j++) replica.v[j]! += total[j]!;
    replica.t += rows;
    rebase(replica, schedule, context.kernels);
  }
}

function absorb(total: Float32Array, { delta, rows }: Update, weight: number): number {
  addDelta(total, delta, weight);
  return weight * rows;
}

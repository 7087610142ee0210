/**
 * Rows follow views in a simulation: a member that is in another view than before owns the segments which that view
 * gives it, and learns from them from its next request on. Every member reckons them for itself, as on a cluster; and
 * as there, one that hears of no quorum learns nothing.
 */
import { movedCursor } from "../../learner/cursor.ts";
import { segmentsPerWorker } from "../../learner/segments.ts";
import { ownersIn, segmentsOf } from "../../membership/segments.ts";
import type { View } from "../../strategies/strategy.ts";
import { workerRanks } from "../../topology/view.ts";
import type { Member } from "./members.ts";
import type { SimulationPlan } from "./simulator.ts";

/** The last answer, as thousands of members ask for their part of the same one. */
let latest: { readonly of: string; readonly owners: Int32Array } | null = null;

/** Segments that a rank owns in a view; `null`: as they were dealt out. */
export function ownedIn(view: View | null, rank: number, workers: number): number[] {
  const of = `${workers}: ${view && workerRanks(view).join()}`;
  if (latest?.of !== of) {
    latest = { of, owners: ownersIn(view, { segments: segmentsPerWorker * workers, workers }) };
  }
  return segmentsOf(latest.owners, rank);
}

/** Takes over what the member's view gives it, and whether it hears of a quorum. */
export function followView(plan: SimulationPlan, member: Member): void {
  const { view, alone } = plan.strategy.standing!(member.state);
  member.alone = alone;
  if (view === null || view === member.view) return;
  member.view = view;
  const { learner, cursor, rank } = member;
  if (!learner || !cursor) return;
  const { task, workers, seed, strategy, options } = plan;
  const segments = ownedIn(view, rank, workers);
  const name = segments.join();
  if (name === member.owned) return;
  member.owned = name;
  learner.release?.();
  member.learner = task.createLearner({ rank, workers, seed, segments });
  const { rows } = member.learner;
  const { rowsPerUpdate } = options;
  const lockstep = strategy.pace === "lockstep";
  member.cursor = movedCursor(cursor, { rows, rowsPerUpdate, lockstep });
}

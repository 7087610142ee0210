/**
 * Seats beyond those a run was planned with: more workers may join while it goes, at ranks after all others. They
 * are in no first view, take segments of rows from the others, and ask them for the model as any newcomer does.
 */
import { segmentsPerWorker } from "../../learner/segments.ts";
import type { SeatPlan } from "../../strategies/strategy.ts";
import { type RunPlan, seatsOf } from "../engine.ts";
import { spareSeatsMin, spareSeatsPerWorker } from "./limits.ts";

/** The seats of a plan, then as many for further workers as its strategy, rows and limits bear. */
export function seatsWithSpares(plan: RunPlan, limits: { readonly members: number }): SeatPlan[] {
  const planned = seatsOf(plan);
  const spare = planned.find(({ role }) => role === "worker")!;
  return [...planned, ...Array<SeatPlan>(spareCount(plan, planned, limits)).fill(spare)];
}

/** Workers that may join a run of so many while it goes, where nothing else bounds them. */
export function spareWorkersMax(workers: number): number {
  return Math.max(spareSeatsMin, spareSeatsPerWorker * workers);
}

function spareCount(
  { strategy, options, task, workers }: RunPlan,
  planned: readonly SeatPlan[],
  { members }: { readonly members: number },
): number {
  // Columns are dealt out for good; and what a strategy refuses with one more worker it is not given by this way.
  const question = { workers: workers + 1, width: task.width };
  if (strategy.owns === "columns" || strategy.refuses?.(question, options)) return 0;
  const most = spareWorkersMax(workers);
  // A worker without a segment would have nothing to learn.
  const owners = (segmentsPerWorker - 1) * workers;
  return Math.max(0, Math.min(most, owners, members - planned.length));
}

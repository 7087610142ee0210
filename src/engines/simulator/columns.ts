/**
 * Learning by columns in a simulation: the two effects of feature-parallel. A batch costs every worker its
 * share of the columns, half of it for the predictions and half for the slopes.
 */
import { nextSpan } from "../../learner/cursor.ts";
import type { NodeEvent } from "../../strategies/strategy.ts";
import type { Member } from "./members.ts";
import { isExhausted, learnSeconds, moveTo, type Simulation, schedule } from "./simulator.ts";
import { slotKind } from "./slots.ts";

/** Predicts the next rows on the own columns. */
export function predict(simulation: Simulation, member: Member, round?: number): void {
  const { columns, cursor, rank, replica } = member;
  if (!columns || !cursor) throw new Error(`Member ${rank} owns no columns and can't predict`);
  moveTo(simulation, cursor, round);
  if (isExhausted(simulation, cursor)) {
    return schedule(simulation, { kind: slotKind.exhausted, member: rank });
  }
  member.span = nextSpan(cursor);
  const content = columns.predict(replica, member.span);
  const seconds = columnSeconds(simulation, member);
  schedule(simulation, { kind: slotKind.predicted, member: rank, content }, seconds);
}

/** The answer to `predict`. */
export function predictedEvent(
  { span }: Member,
  now: number,
  margins: Float32Array,
): NodeEvent<unknown> {
  return { kind: "predicted", now, rows: span!.to - span!.from, margins };
}

/** Applies slopes at the margins of the rows predicted last. */
export function adjust(simulation: Simulation, member: Member, margins: Float32Array): void {
  const { columns, span, rank, replica } = member;
  if (!columns || !span) throw new Error(`Member ${rank} has predicted nothing to adjust`);
  const content = columns.adjust(replica, span, margins);
  const seconds = columnSeconds(simulation, member);
  schedule(simulation, { kind: slotKind.learned, member: rank, content }, seconds);
}

function columnSeconds(simulation: Simulation, member: Member): number {
  const { from, to } = member.span!;
  return learnSeconds(simulation, member, to - from) / (2 * simulation.plan.workers);
}

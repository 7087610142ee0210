/** From what members hand in at the end, or at a snapshot, to models and counts. */
import { type Model, type Replica, replicaOver } from "../../math/replica.ts";
import type { SeatPlan } from "../../strategies/strategy.ts";
import { encodeFrame } from "../../wire/frame.ts";
import type { EngineResult, RunPlan } from "../engine.ts";
import { distanceApart, type HeldReplica, resultModel } from "../result.ts";
import {
  createTelemetry,
  type MemberTelemetry,
  mergeTelemetry,
  type Telemetry,
} from "../telemetry.ts";
import type { Roster } from "./roster.ts";

/** A member's model. */
export interface HeldModel {
  readonly rank: number;
  readonly seat: SeatPlan;
  readonly model: Model;
}

/** One model from those of several members: ranges joined, or their mean. */
export function snapshotModel({ task }: RunPlan, held: readonly HeldModel[]): Model {
  if (held.length === 1 && held[0]!.seat.role === "worker") return held[0]!.model;
  return joinModels(task.createReplica(0), held, task.width);
}

/** The result of a run, from the models and counts of those who came to its end. */
export function resultOf(
  of: {
    readonly plan: RunPlan;
    readonly roster: Roster;
    readonly held: readonly (HeldModel & { readonly telemetry: string })[];
  },
  facts: Pick<EngineResult, "seconds" | "rowsBefore" | "isStopped" | "endedEarly" | "workers">,
): EngineResult {
  const { plan, roster, held } = of;
  const telemetry = createTelemetry(roster.seats.map(({ role }) => role));
  for (const { telemetry: json } of held) addTelemetry(telemetry, json);
  countGone(telemetry, roster);
  // Seats for more workers than planned that nobody ever took are nobody's.
  const used = Math.max(
    roster.planned,
    1 + roster.incarnations.findLastIndex((lives) => lives > 0),
  );
  telemetry.members.length = used;
  const seats = roster.seats.slice(0, used);
  const replicas = replicasOf(plan.task.createReplica(0), held);
  const model = resultModel(replicas, plan.task.width);
  const apart = distanceApart(replicas, model);
  const models = held.map((one) => one.model);
  return { model, replicas: models, seats, apart, telemetry, ...facts };
}

/** One model from those of members, by a replica's scale. */
export function joinModels(like: Replica, held: readonly HeldModel[], width: number): Model {
  return resultModel(replicasOf(like, held), width);
}

function replicasOf({ scale }: Replica, held: readonly HeldModel[]): HeldReplica[] {
  return held.map(({ seat, model }) => {
    const replica = replicaOver(model.values, scale);
    replica.rows = model.rows;
    return { seat, replica };
  });
}

interface SentTelemetry {
  readonly members: readonly (Omit<MemberTelemetry, "waitedFor"> & {
    readonly waitedFor: readonly [number, number][];
  })[];
  readonly staleness: readonly [number, number][];
  readonly drops: readonly [string, number][];
}

/** Counts as JSON; empty bars are left out. */
export function telemetryJson({ members, staleness, drops }: Telemetry): string {
  const sent: SentTelemetry = {
    members: members.map((member) => ({ ...member, waitedFor: [...member.waitedFor] })),
    staleness: [...staleness.entries()].filter(([, count]) => count > 0),
    drops: [...drops],
  };
  return JSON.stringify(sent);
}

/** Adds what a member counted to the whole. */
function addTelemetry(total: Telemetry, json: string): void {
  const sent = JSON.parse(json) as SentTelemetry;
  const part: Telemetry = {
    ...createTelemetry(sent.members.map(({ role }) => role)),
    members: sent.members.map((member) => ({ ...member, waitedFor: new Map(member.waitedFor) })),
    drops: new Map(sent.drops),
  };
  for (const [bar, count] of sent.staleness) part.staleness[bar] = count;
  mergeTelemetry(total, part);
}

/** Members that are gone hand in nothing: what they told last is counted. */
function countGone({ members }: Telemetry, { entries, past }: Roster): void {
  for (const entry of [...past, ...entries.values()]) {
    if (entry.state === "finished") continue;
    const counts = members[entry.rank]!;
    counts.updates += entry.updates;
    counts.rows += entry.rows;
    counts.bytesSent += entry.bytes;
    counts.messagesSent += entry.messages;
    counts.lost += entry.lost;
  }
}

/** A member's answer when it is asked for its model; null: it has none that counts. */
export function snapshotReply(
  { counts, telemetry }: { readonly counts: MemberTelemetry; readonly telemetry: Telemetry },
  model: Model | null,
  withTelemetry: boolean,
) {
  return {
    updates: BigInt(counts.updates),
    model: model ? encodeFrame({ kind: "model", ...model }) : new Uint8Array(),
    telemetry: withTelemetry ? telemetryJson(telemetry) : "",
  };
}

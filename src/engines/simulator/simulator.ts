/**
 * The simulator: discrete events in virtual time, one process, production strategies. Same plan and seed,
 * same events, byte for byte; a run that ends with members still waiting is a deadlock and says so.
 *
 * Events are taken in order of time, then of insertion. Effects are carried out in the order they were
 * pushed. An update is computed when its `learn` starts, from the replica as it then is, and delivered
 * after its cost; so nothing need be copied.
 */

import { type Cursor, nextSpan } from "../../learner/cursor.ts";
import { type RandomState, randomStream } from "../../math/random.ts";
import type { Model } from "../../math/replica.ts";
import type { Update } from "../../math/update.ts";
import type { Effect, MessageBody, NodeEvent, Outbox } from "../../strategies/strategy.ts";
import { frameBytes } from "../../wire/frame.ts";
import { type EngineResult, type RunPlan, refusalOf, seatsOf } from "../engine.ts";
import { isMembership } from "../membered.ts";
import { distanceApart, resultModel } from "../result.ts";
import { countDrop, countWait, createTelemetry, foldReport, type Telemetry } from "../telemetry.ts";
import { adjust, predict, predictedEvent } from "./columns.ts";
import { arrivalOf, type Costs, createNetwork, factorOf, type Network } from "./costs.ts";
import {
  createFaultState,
  type Fault,
  type FaultHooks,
  type FaultState,
  happen,
  isKept,
} from "./faults.ts";
import { beginLife, createMembers, type HeldRequest, type Member } from "./members.ts";
import { followView } from "./moves.ts";
import { createQueue, type EventQueue, insert, removeEarliest } from "./queue.ts";
import {
  createSlots,
  releaseSlot,
  type SlotEntry,
  type Slots,
  slotKind,
  takeSlot,
} from "./slots.ts";
import { createTrace } from "./trace.ts";

/** What a simulation takes beside the plan of any engine. */
export interface SimulationPlan extends RunPlan {
  readonly costs: Costs;
  /** Called with every line of the trace. */
  readonly trace?: (line: string) => void;
  /** Called after every step, before its effects are carried out. */
  readonly watch?: Watch;
  /** Called whenever all together have learned that many more rows; true stops the run. */
  readonly observe?: { readonly everyRows: number; readonly at: (moment: Moment) => boolean };
  /** Share of messages that arrive twice: what strategies of ours must tolerate. */
  readonly duplicates?: number;
  /** What happens to members and links; the strategy should be `membered` to live through it. */
  readonly faults?: readonly Fault[];
  /** More events than this is a run that never ends. */
  readonly eventsMax?: number;
}

/** Sees every event a member takes, and the effects it answers with. */
export type Watch = (
  now: number,
  rank: number,
  event: NodeEvent<unknown>,
  effects: readonly Effect<unknown>[],
) => void;

/** A simulation as an observer sees it. */
export interface Moment {
  readonly seconds: number;
  readonly rows: number;
  readonly bytes: number;
  readonly messages: number;
  /** The model as it would be handed out now. */
  model(): Model;
}

/** How a simulation ended. */
export interface SimulationResult extends EngineResult {
  readonly events: number;
  readonly messages: number;
  readonly bytes: number;
  /** Which members ran at the end. */
  readonly alive: readonly boolean[];
  /** Null, or which members were left waiting for what. */
  readonly deadlock: string | null;
}

/** The whole of a simulation. */
export interface Simulation {
  readonly plan: SimulationPlan;
  readonly members: Member[];
  readonly queue: EventQueue;
  readonly slots: Slots;
  readonly network: Network;
  readonly learnStream: RandomState;
  readonly faultStream: RandomState;
  readonly telemetry: Telemetry;
  readonly trace: Watch | null;
  readonly effects: Effect<unknown>[];
  readonly faults: FaultState | null;
  readonly rowsBudget: number;
  now: number;
  events: number;
  messages: number;
  bytes: number;
  rowsClaimed: number;
  rowsLearned: number;
  nextObservation: number;
  /** Lockstep: the number of learns after which every worker is exhausted. */
  updatesLimit: number;
  running: number;
}

/**
 * Runs a plan in virtual time.
 * @throws RangeError when the strategy refuses the plan.
 */
export function runSimulation(plan: SimulationPlan): SimulationResult {
  const refused = refusalOf(plan);
  if (refused) throw new RangeError(`Cannot simulate ${plan.strategy.name}: ${refused.reason}`);
  const simulation = createSimulation(plan);
  for (const fault of plan.faults ?? []) {
    schedule(simulation, { kind: slotKind.fault, member: 0, content: fault }, fault.at);
  }
  for (const { rank, alive } of simulation.members) {
    if (alive) schedule(simulation, { kind: slotKind.start, member: rank });
  }
  const eventsMax = plan.eventsMax ?? 1e10;
  while (simulation.queue.size > 0 && simulation.running > 0) {
    if (simulation.events >= eventsMax) break;
    deliverNext(simulation);
  }
  return resultOf(simulation);
}

function createSimulation(plan: SimulationPlan): Simulation {
  const { task, epochs, seed } = plan;
  const seats = seatsOf(plan);
  const members = createMembers(plan, seats);
  const updates = members.reduce((most, { cursor }) => Math.max(most, cursor?.updates ?? 0), 0);
  return {
    plan,
    members,
    queue: createQueue(),
    slots: createSlots(),
    network: createNetwork(plan.costs, seats.length, seed),
    learnStream: randomStream({ seed, purpose: "learning-time" }),
    faultStream: randomStream({ seed, purpose: "faults" }),
    telemetry: createTelemetry(seats.map(({ role }) => role)),
    trace: plan.trace ? createTrace(plan.trace, seats) : null,
    effects: [],
    faults: plan.faults ? createFaultState(seats.length, seed) : null,
    rowsBudget: epochs * task.rows,
    now: 0,
    events: 0,
    messages: 0,
    bytes: 0,
    rowsClaimed: 0,
    rowsLearned: 0,
    nextObservation: plan.observe?.everyRows ?? Number.POSITIVE_INFINITY,
    updatesLimit: Math.ceil(epochs * updates),
    running: members.filter(({ alive }) => alive).length,
  };
}

export function schedule(simulation: Simulation, entry: SlotEntry, after = 0): void {
  const { slots, queue, now, members } = simulation;
  const slot = takeSlot(slots, entry, now);
  slots.life[slot] = entry.life ?? members[entry.member]!.life;
  insert(queue, now + after, slot);
}

function deliverNext(simulation: Simulation): void {
  const { queue, slots } = simulation;
  simulation.now = queue.time[0]!;
  const slot = removeEarliest(queue);
  const member = simulation.members[slots.member[slot]!]!;
  const from = slots.from[slot]!;
  const kind = slots.kind[slot]!;
  const sentAt = slots.sentAt[slot]!;
  const life = slots.life[slot]!;
  const fromLife = slots.fromLife[slot]!;
  const content = releaseSlot(slots, slot);
  simulation.events++;
  if (kind === slotKind.fault) return happen(simulation, content as Fault, faultHooks(simulation));
  if (simulation.faults) {
    const due = { kind, member, from, life, fromLife, sentAt, content };
    if (isKept(simulation, due, faultHooks(simulation))) return;
  }
  if (member.finished) return countDrop(simulation.telemetry, "member has finished");
  const event = eventOf(simulation, member, { kind, from, content });
  const { effects, plan } = simulation;
  plan.strategy.step(member.state, member.replica, event, effects as Outbox<unknown>);
  if (plan.strategy.standing) followView(plan, member);
  simulation.trace?.(simulation.now, member.rank, event, effects);
  plan.watch?.(simulation.now, member.rank, event, effects);
  for (let i = 0; i < effects.length; i++) {
    carryOut(simulation, member, effects[i]!, { from, sentAt });
  }
  effects.length = 0;
  if (member.held && !member.alone) release(simulation, member, member.held);
  if (kind === slotKind.learned && simulation.rowsLearned >= simulation.nextObservation) {
    observe(simulation);
  }
}

/** What faults ask of the simulation. */
function faultHooks(simulation: Simulation): FaultHooks {
  return {
    begin(member) {
      if (member.alive || member.finished) return;
      beginLife(simulation.plan, member);
      simulation.running++;
      schedule(simulation, { kind: slotKind.start, member: member.rank });
    },
    end(member) {
      if (!member.alive || member.finished) return;
      member.alive = false;
      simulation.running--;
    },
    leave({ rank, alive, finished }) {
      if (alive && !finished) schedule(simulation, { kind: slotKind.leave, member: rank });
    },
    again: (entry, at) => schedule(simulation, entry, at - simulation.now),
  };
}

function eventOf(
  simulation: Simulation,
  member: Member,
  { kind, from, content }: { kind: number; from: number; content: unknown },
): NodeEvent<unknown> {
  const { now } = simulation;
  switch (kind) {
    case slotKind.start:
      return { kind: "start", now };
    case slotKind.learned:
      member.learning = false;
      member.idleSince = now;
      countLearned(simulation, member, content as Update);
      return { kind: "learned", now, update: content as Update };
    case slotKind.exhausted:
      member.learning = false;
      return { kind: "exhausted", now };
    case slotKind.predicted:
      return predictedEvent(member, now, content as Float32Array);
    case slotKind.message:
      return { kind: "message", now, from, body: content };
    case slotKind.leave:
      return { kind: "leave", now };
    default:
      return { kind: "wake", now };
  }
}

function countLearned(simulation: Simulation, { rank, columns }: Member, { rows }: Update): void {
  const counts = simulation.telemetry.members[rank]!;
  counts.updates++;
  // Owners of columns learn the same rows together: they count once.
  if (columns && rank > 0) return;
  counts.rows += rows;
  simulation.rowsLearned += rows;
}

interface Cause {
  readonly from: number;
  readonly sentAt: number;
}

function carryOut(
  simulation: Simulation,
  member: Member,
  effect: Effect<unknown>,
  cause: Cause,
): void {
  switch (effect.kind) {
    case "learn":
      if (member.alone) member.held = { effect, ...cause };
      else learn(simulation, member, effect, cause);
      return;
    case "predict":
      if (member.alone) member.held = { effect, ...cause };
      else predict(simulation, member, effect.round);
      return;
    case "adjust":
      return adjust(simulation, member, effect.margins);
    case "send":
      return send(simulation, member, effect.to, effect.body);
    case "wake":
      return schedule(simulation, { kind: slotKind.wake, member: member.rank }, effect.after);
    case "report":
      return foldReport(simulation.telemetry, effect.report);
    case "drop":
      return countDrop(simulation.telemetry, effect.reason);
    case "finish":
      member.finished = true;
      simulation.running--;
      simulation.telemetry.members[member.rank]!.finishedSeconds = simulation.now;
      return;
    default:
      effect satisfies never;
  }
}

/** A member that was alone hears of others again: what it asked for meanwhile is done. */
function release(simulation: Simulation, member: Member, { effect, ...cause }: HeldRequest): void {
  member.held = null;
  carryOut(simulation, member, effect, cause);
}

function learn(
  simulation: Simulation,
  member: Member,
  effect: Effect<unknown> & { kind: "learn" },
  cause: Cause,
): void {
  const { learner, cursor, rank } = member;
  if (!learner || !cursor) throw new Error(`Member ${rank} is no worker and can't learn`);
  if (member.learning) throw new Error(`Member ${rank} asked to learn twice at once`);
  member.learning = true;
  const counts = simulation.telemetry.members[rank]!;
  // A peer that sent late was waited for; the rest of the idle time was spent on the way.
  const late = cause.sentAt - member.idleSince;
  if (late > 0 && cause.from >= 0 && simulation.members[cause.from]!.learner !== null) {
    countWait(counts, cause.from, late);
  }
  moveTo(simulation, cursor, effect.round);
  if (isExhausted(simulation, cursor)) {
    return schedule(simulation, { kind: slotKind.exhausted, member: rank });
  }
  const span = nextSpan(cursor);
  const rows = span.to - span.from;
  simulation.rowsClaimed += rows;
  const update = learner.learn(member.replica, span, effect);
  const seconds = learnSeconds(simulation, member, rows);
  // Back-pressure: the answer waits until the member's messages have left.
  const after = Math.max(seconds, simulation.network.outFree[rank]! - simulation.now);
  schedule(simulation, { kind: slotKind.learned, member: rank, content: update }, after);
}

/** What learning that many rows takes; counted. */
export function learnSeconds(simulation: Simulation, member: Member, rows: number): number {
  const { learnSecondsPerRow, learnSecondsPerUpdate, learnSpread } = simulation.plan.costs;
  const factor = member.learnFactor * factorOf(learnSpread, simulation.learnStream);
  const seconds = (rows * learnSecondsPerRow + learnSecondsPerUpdate) * factor;
  simulation.telemetry.members[member.rank]!.learnedSeconds += seconds;
  return seconds;
}

/** In lockstep a learn takes what is due in its round, whoever learned before. */
export function moveTo({ plan }: Simulation, cursor: Cursor, round: number | undefined): void {
  if (plan.strategy.pace === "lockstep" && round !== undefined) cursor.taken = round - 1;
}

export function isExhausted(simulation: Simulation, cursor: Cursor): boolean {
  if (simulation.plan.strategy.pace === "lockstep") return cursor.taken >= simulation.updatesLimit;
  // One that owns no rows, as there are fewer than segments, would learn nothing for ever.
  return simulation.rowsClaimed >= simulation.rowsBudget || cursor.rows === 0;
}

function send(simulation: Simulation, { rank, life }: Member, to: number, body: unknown): void {
  const { now, telemetry, network, plan } = simulation;
  const bytes = frameBytes(body as object);
  // What membership says travels too, and is not what the strategy costs.
  if (!simulation.faults || !isMembership(body as MessageBody)) {
    const counts = telemetry.members[rank]!;
    counts.messagesSent++;
    counts.bytesSent += bytes;
    simulation.messages++;
    simulation.bytes += bytes;
  }
  const copies = plan.duplicates && isDuplicate(simulation) ? 2 : 1;
  for (let copy = 0; copy < copies; copy++) {
    const after = arrivalOf(network, { now, from: rank, to, bytes }) - now;
    const kind = slotKind.message;
    schedule(simulation, { kind, member: to, from: rank, fromLife: life, content: body }, after);
  }
}

function isDuplicate({ faultStream, plan }: Simulation): boolean {
  return factorOf({ kind: "uniform", width: 1 }, faultStream) / 2 < plan.duplicates!;
}

function observe(simulation: Simulation): void {
  const { everyRows, at } = simulation.plan.observe!;
  while (simulation.nextObservation <= simulation.rowsLearned) {
    simulation.nextObservation += everyRows;
  }
  const { now: seconds, rowsLearned: rows, bytes, messages } = simulation;
  const living = simulation.members.filter(({ alive }) => alive);
  const model = () => resultModel(living, simulation.plan.task.width);
  if (at({ seconds, rows, bytes, messages, model })) stop(simulation);
}

/** No further rows; in lockstep every worker ends after the round that one of them has begun. */
function stop(simulation: Simulation): void {
  simulation.rowsClaimed = Number.POSITIVE_INFINITY;
  simulation.updatesLimit = simulation.members.reduce(
    (most, { cursor }) => Math.max(most, cursor?.taken ?? 0),
    0,
  );
}

function resultOf(simulation: Simulation): SimulationResult {
  const { members, plan, telemetry, now, events, messages, bytes } = simulation;
  const living = members.filter(({ alive }) => alive);
  const model = resultModel(living, plan.task.width);
  return {
    model,
    alive: members.map(({ alive }) => alive),
    replicas: members.map(({ replica }) => replica.snapshot()),
    seats: members.map(({ seat }) => seat),
    apart: distanceApart(living, model),
    seconds: now,
    telemetry,
    events,
    messages,
    bytes,
    deadlock: describeDeadlock(simulation),
  };
}

function describeDeadlock({ members, running, queue, events }: Simulation): string | null {
  if (running === 0) return null;
  const left = members
    .filter(({ finished, alive }) => alive && !finished)
    .map(({ seat, rank }) => `${seat.role} ${rank}`);
  const shown = left.slice(0, 8).join(", ") + (left.length > 8 ? ", ..." : "");
  return queue.size > 0
    ? `no end after ${events} events: still running ${shown}`
    : `deadlock after ${events} events: nothing is under way and these wait: ${shown}`;
}

/**
 * Parameter server: servers hold key ranges of v and T; workers pull, learn, push. One machine for bsp,
 * asp, ssp and dssp: only the clock policy differs (clocks.ts), and whether updates are applied at
 * arrival or merged by rounds.
 *
 * A worker learns, sends each server its slice of the update, and goes on when every server has answered
 * with its range of the model. Each server counts by itself: what it allows, it allows for the pushes it
 * has seen, so the bound of the policy holds for several servers as it does for one.
 *
 * - bsp: round r ends when every member's update of round r is in; merged in rank order.
 *   Invariant: all states are equal after each round, and a run repeats bit for bit for a seed.
 * - asp: apply at arrival, answer at once.
 * - ssp, dssp: apply at arrival, answer when the clock policy lets the worker go.
 *
 * Source: algorithms.md, section 3; Li et al. 2014, "Scaling distributed machine learning with the
 * parameter server"; Ho et al. 2013 (ssp); Zhao et al. 2019, arXiv 1908.11848 (dssp).
 * Invariant: duplicates, gaps and reordering are recognised by (member, clock) and change nothing.
 * Invariant: per member, updates sent = updates applied + updates reported lost.
 */
import type { Replica } from "../math/replica.ts";
import { type KeyRange, keyRange, type Merge, sliceUpdate, type Update } from "../math/update.ts";
import type { ClockPolicy } from "./clocks.ts";
import type { Answer, Bye, Push, ServerMessage } from "./server.ts";
import { createServer, type ServerState, stepServer } from "./server.ts";
import {
  addingMerge,
  learnEffect,
  type NodeEvent,
  type Outbox,
  type Seat,
  type SeatingQuestion,
  type SeatPlan,
  type Strategy,
  type StrategyOptions,
} from "./strategy.ts";
import { refusesThinning } from "./thinning.ts";

/** What makes one strategy of this machine. */
export interface ServerRule {
  readonly name: string;
  readonly pace: "lockstep" | "free";
  /** Updates of a round are merged together, in rank order; else each is applied when it arrives. */
  readonly rounds: boolean;
  policy(options: StrategyOptions): ClockPolicy;
}

/** A worker's state. */
export interface PullState {
  readonly role: "worker";
  readonly rank: number;
  readonly options: StrategyOptions;
  readonly workers: number;
  readonly ranges: readonly KeyRange[];
  readonly merge: Merge;
  /** Own updates so far. */
  clock: number;
  /** Clock of the last answer of each server. */
  readonly answered: Int32Array;
  answersMissing: number;
  /** The largest T among the answers of this clock. */
  rows: number;
}

type State = PullState | ServerState;

/** The strategy of a rule. */
export function parameterServer(rule: ServerRule): Strategy<State, ServerMessage> {
  return {
    name: rule.name,
    sharing: "messages",
    pace: rule.pace,
    merges: rule.rounds ? ["sum", "mean", "anticipate"] : ["sum", "anticipate"],
    conserves: (options) => (mergeOf(rule, options) === "mean" ? "mean" : "sum"),
    seats,
    refuses: (question, options) => refuses(rule.name, question, options),
    init: (seat, options) =>
      seat.role === "server"
        ? createServer(seat, {
            ...rule,
            policy: rule.policy(options),
            merge: mergeOf(rule, options),
          })
        : createWorker(seat, options, mergeOf(rule, options)),
    step: (state, replica, event, out) =>
      state.role === "server"
        ? stepServer(state, replica, event, out)
        : stepWorker(state, replica, event, out),
  };
}

function refuses(
  name: string,
  { width }: SeatingQuestion,
  options: StrategyOptions,
): string | null {
  const { servers } = options;
  if (servers < 1 || servers > width) {
    return `servers must be from 1 to the ${width} columns: current value is ${servers}`;
  }
  const why = "its servers answer each update with the whole model, beside which updates are small";
  return refusesThinning(name, why, options);
}

function mergeOf(rule: ServerRule, options: StrategyOptions): Merge {
  return rule.rounds ? options.merge : addingMerge(options);
}

function seats({ workers, width }: SeatingQuestion, { servers }: StrategyOptions): SeatPlan[] {
  const whole = { from: 0, to: width };
  return [
    ...Array.from({ length: workers }, (): SeatPlan => ({ role: "worker", range: whole })),
    ...Array.from({ length: servers }, (_, part): SeatPlan => {
      return { role: "server", range: keyRange(part, { parts: servers, width }) };
    }),
  ];
}

function createWorker(seat: Seat, options: StrategyOptions, merge: Merge): PullState {
  const { rank, workers, members, width } = seat;
  const parts = members - workers;
  return {
    role: "worker",
    rank,
    options,
    workers,
    merge,
    ranges: Array.from({ length: parts }, (_, part) => keyRange(part, { parts, width })),
    clock: 0,
    answered: new Int32Array(parts),
    answersMissing: 0,
    rows: 0,
  };
}

function stepWorker(
  state: PullState,
  replica: Replica,
  event: NodeEvent<ServerMessage>,
  out: Outbox<ServerMessage>,
): void {
  switch (event.kind) {
    case "start":
      return out.push(learnEffect(state.options, state.workers, state.merge));
    case "learned":
      return push(state, event.update, out);
    case "exhausted":
      return leave(state, out);
    case "message":
      return absorbAnswer(state, replica, event, out);
    case "wake":
    case "lost":
    case "view":
    case "predicted":
      return;
    default:
      event satisfies never;
  }
}

/** Sends every server its slice of the update. */
function push(state: PullState, update: Update, out: Outbox<ServerMessage>): void {
  state.clock++;
  state.answersMissing = state.ranges.length;
  for (let part = 0; part < state.ranges.length; part++) {
    const { rows, delta } = sliceUpdate(update, state.ranges[part]!);
    const body: Push = { kind: "push", clock: state.clock, rows, delta };
    out.push({ kind: "send", to: state.workers + part, body });
  }
}

function absorbAnswer(
  state: PullState,
  replica: Replica,
  { from, body }: { from: number; body: ServerMessage },
  out: Outbox<ServerMessage>,
): void {
  const part = from - state.workers;
  if (body.kind !== "model" || body.clock !== state.clock || state.answered[part] === body.clock) {
    return out.push({ kind: "drop", from, reason: "stale answer" });
  }
  loadRange(state, replica, part, body);
  state.answersMissing--;
  if (state.answersMissing === 0) out.push(learnEffect(state.options, state.workers, state.merge));
}

/** Servers may be some rows apart; T is the largest, so that the step is never too large. */
function loadRange(state: PullState, replica: Replica, part: number, answer: Answer): void {
  const first = state.answersMissing === state.ranges.length;
  state.rows = first ? answer.rows : Math.max(state.rows, answer.rows);
  state.answered[part] = answer.clock;
  replica.load({ rows: state.rows, values: answer.values }, state.ranges[part]!.from);
}

function leave(state: PullState, out: Outbox<ServerMessage>): void {
  const body: Bye = { kind: "bye", clock: state.clock };
  for (let part = 0; part < state.ranges.length; part++) {
    out.push({ kind: "send", to: state.workers + part, body });
  }
  out.push({ kind: "finish" });
}

/** Bulk synchronous: rounds. */
export const bsp = parameterServer({
  name: "bsp",
  pace: "lockstep",
  rounds: true,
  policy: () => ({ lower: 0, upper: 0, uncapped: false }),
});

/** Asynchronous: apply at arrival, answer at once. */
export const asp = parameterServer({
  name: "asp",
  pace: "free",
  rounds: false,
  policy: () => ({ lower: Infinity, upper: Infinity, uncapped: false }),
});

/** Stale synchronous, threshold `staleness`. */
export const ssp = parameterServer({
  name: "ssp",
  pace: "free",
  rounds: false,
  policy: ({ staleness }) => ({ lower: staleness, upper: staleness, uncapped: false }),
});

/** Dynamic stale synchronous, range `staleness` to `stalenessMax`. */
export const dssp = parameterServer({
  name: "dssp",
  pace: "free",
  rounds: false,
  policy: ({ staleness, stalenessMax, uncapped }) => ({
    lower: staleness,
    upper: Math.max(staleness, stalenessMax),
    uncapped,
  }),
});

/**
 * Parameter server: servers hold key ranges of v and T; workers pull, learn, push. One machine for bsp,
 * asp, ssp and dssp: only the clock policy differs (clocks.ts), and whether updates are applied at
 * arrival or merged by rounds.
 *
 * A worker learns, sends each server its slice of the update, and goes on when every server has answered
 * with its range of the model (puller.ts). Each server counts by itself (server.ts): what it allows, it allows
 * for the pushes it has seen, so the bound of the policy holds for several servers as it does for one.
 *
 * Members come and go (server-view.ts), servers too where each has a standby (standby.ts). A range that nobody
 * holds any more ends the run.
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
import { keyRange, type Merge } from "../math/update.ts";
import type { ClockPolicy } from "./clocks.ts";
import { seatsOf } from "./holders.ts";
import { createPuller, type PullState, stepPuller } from "./puller.ts";
import { stepServer } from "./server.ts";
import {
  createServer,
  type ServerMessage,
  type ServerState,
  serverShapes,
} from "./server-state.ts";
import {
  addingMerge,
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

type State = PullState | ServerState;

/** The strategy of a rule. */
export function parameterServer(rule: ServerRule): Strategy<State, ServerMessage> {
  return {
    name: rule.name,
    sharing: "messages",
    pace: rule.pace,
    merges: rule.rounds ? ["anticipate", "sum", "mean"] : ["anticipate", "sum"],
    conserves: (options) => (mergeOf(rule, options) === "mean" ? "mean" : "sum"),
    seats,
    shapes: serverShapes,
    refuses: (question, options) => refuses(rule.name, question, options),
    init: (seat, options) =>
      seat.role === "server"
        ? createServer(seat, {
            rounds: rule.rounds,
            policy: rule.policy(options),
            merge: mergeOf(rule, options),
            servers: options.servers,
          })
        : createPuller(seat, options, { merge: mergeOf(rule, options), rounds: rule.rounds }),
    vital: ({ members }, { workers }, { servers }) =>
      Array.from({ length: servers }, (_, part) => seatsOf({ workers, servers }, members, part))
        .filter((seats) => seats.length === 1)
        .map(([only]) => only!.rank),
    clockOf: (state) =>
      state.role === "server" || state.phase === "entering" ? 0 : state.clocks[0]!,
    step: (state, replica, event, out) =>
      state.role === "server"
        ? stepServer(state, replica, event, out)
        : stepPuller(state, replica, event, out),
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

function seats(
  { workers, width }: SeatingQuestion,
  { servers, standby }: StrategyOptions,
): SeatPlan[] {
  const whole = { from: 0, to: width };
  const ranges = Array.from({ length: servers }, (_, part): SeatPlan => {
    return { role: "server", range: keyRange(part, { parts: servers, width }) };
  });
  const learners = Array.from({ length: workers }, (): SeatPlan => {
    return { role: "worker", range: whole };
  });
  return [...learners, ...ranges, ...(standby ? ranges : [])];
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

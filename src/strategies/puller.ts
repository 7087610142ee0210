/**
 * A worker of the parameter-server strategies: learns, pushes each holder its slice, goes on when every range has
 * come back. A newcomer enters by asking every holder for its range.
 *
 * When a view begins without some member while the worker waits, what was answered before is void: the worker sends
 * its open push again, to whoever holds each range now, and takes only answers of this view. A holder that has
 * taken the push before answers it again.
 *
 * Invariant: a worker has at most one push that is not answered.
 */
import type { Replica } from "../math/replica.ts";
import {
  emptyUpdate,
  type KeyRange,
  keyRange,
  type Merge,
  sliceUpdate,
  type Update,
} from "../math/update.ts";
import { workerRanks } from "../topology/view.ts";
import { tellLost } from "./earlier.ts";
import { createHolders, followHolders, type Holders, holderRanks, partOf } from "./holders.ts";
import {
  type Answer,
  type Push,
  pairsOf,
  type ServerMessage,
  type ServerOut,
} from "./server-state.ts";
import {
  type EarlierLife,
  learnEffect,
  type NodeEvent,
  type Seat,
  type StrategyOptions,
  type View,
  viewOf,
} from "./strategy.ts";

/** A worker's state. */
export interface PullState {
  readonly role: "worker";
  readonly rank: number;
  readonly options: StrategyOptions;
  readonly merge: Merge;
  readonly rounds: boolean;
  readonly ranges: readonly KeyRange[];
  readonly holders: Holders;
  workers: number;
  /** `parting`: waits to hear that its goodbye is known. */
  phase: "entering" | "learning" | "pushing" | "parting";
  /** By range the clock of the last push, and whether it was answered. */
  readonly clocks: Int32Array;
  readonly answered: Uint8Array;
  /** The update that was pushed last. */
  pushed: Update;
  /** Answers of earlier views are void. */
  view: number;
  /** The largest T among the answers of this clock. */
  rows: number;
  leaving: boolean;
  readonly earlier: EarlierLife[];
}

interface PullRule {
  readonly merge: Merge;
  readonly rounds: boolean;
}

export function createPuller(seat: Seat, options: StrategyOptions, rule: PullRule): PullState {
  const { rank, workers, width } = seat;
  const { servers: parts } = options;
  const view = viewOf(seat);
  return {
    role: "worker",
    rank,
    options,
    ...rule,
    ranges: Array.from({ length: parts }, (_, part) => keyRange(part, { parts, width })),
    holders: createHolders({ workers, servers: parts }, view),
    workers: workerRanks(view).length,
    phase: view.id > 1 ? "entering" : "learning",
    clocks: new Int32Array(parts).fill(seat.round ?? 0),
    answered: new Uint8Array(parts),
    pushed: emptyUpdate,
    view: view.id,
    rows: 0,
    leaving: false,
    earlier: seat.earlier ?? [],
  };
}

export function stepPuller(
  state: PullState,
  replica: Replica,
  event: NodeEvent<ServerMessage>,
  out: ServerOut,
): void {
  switch (event.kind) {
    case "start":
      return state.phase === "entering" ? ask(state, out) : becomeLearning(state, out);
    case "learned":
      return becomePushing(state, event.update, out);
    case "exhausted":
      return becomeParting(state, out);
    case "message":
      return absorb(state, replica, event, out);
    case "view":
      return becomeView(state, event.view, out);
    case "leave":
      state.leaving = true;
      return;
    case "wake":
    case "predicted":
      return;
    default:
      event satisfies never;
  }
}

function becomeLearning(state: PullState, out: ServerOut): void {
  if (state.leaving) return becomeParting(state, out);
  state.phase = "learning";
  const { options, workers, merge, rounds, clocks } = state;
  const round = rounds ? 1 + Math.min(...clocks) : undefined;
  out.push(learnEffect(options, { workers, merge, round }));
}

function becomePushing(state: PullState, update: Update, out: ServerOut): void {
  state.phase = "pushing";
  state.pushed = update;
  for (let part = 0; part < state.ranges.length; part++) state.clocks[part]!++;
  ask(state, out);
}

/** Sends what the present phase waits to have answered. */
function ask(state: PullState, out: ServerOut): void {
  state.answered.fill(0);
  for (let part = 0; part < state.ranges.length; part++) {
    const body = requestOf(state, part);
    for (const to of holderRanks(state.holders, part)) out.push({ kind: "send", to, body });
  }
}

function requestOf(state: PullState, part: number): ServerMessage {
  const clock = state.clocks[part]!;
  switch (state.phase) {
    case "entering":
      return { kind: "enter" };
    case "parting":
      return { kind: "bye", clock, asks: state.options.standby };
    default: {
      const { rows, delta } = sliceUpdate(state.pushed, state.ranges[part]!);
      const body: Push = { kind: "push", clock, rows, delta };
      return body;
    }
  }
}

function absorb(
  state: PullState,
  replica: Replica,
  { from, body }: { from: number; body: ServerMessage },
  out: ServerOut,
): void {
  const part = partOf(state.holders.ranks, from);
  const isDue = state.answered[part] === 0;
  if (body.kind === "gone" && state.phase === "parting" && isDue) {
    state.answered[part] = 1;
    if (!state.answered.includes(0)) out.push({ kind: "finish" });
    return;
  }
  if (body.kind !== "model" || !isDue || !isAwaited(state, part, body)) {
    return out.push({ kind: "drop", from, reason: "stale answer" });
  }
  if (state.phase === "entering") {
    state.clocks[part] = body.clock;
    const life = state.holders.before.find(({ rank }) => rank === from);
    state.holders.lives[part] = life ?? "unknown";
    if (part === 0) accountFor(state, body, out);
  }
  loadRange(state, replica, part, body);
  if (!state.answered.includes(0)) becomeLearning(state, out);
}

/** The server of the first range speaks for all, as it does when it tells of an update that not all have. */
function accountFor({ earlier, rank }: PullState, answer: Answer, out: ServerOut): void {
  const counted = new Map(pairsOf(answer.earlier ?? new Int32Array(0)));
  tellLost(earlier, rank, (incarnation) => counted.get(incarnation), out);
}

function isAwaited({ phase, clocks, view }: PullState, part: number, answer: Answer): boolean {
  if (answer.view < view) return false;
  return phase === "entering" || (phase === "pushing" && answer.clock === clocks[part]);
}

/** Servers may be some rows apart; T is the largest, so that the step is never too large. */
function loadRange(state: PullState, replica: Replica, part: number, answer: Answer): void {
  const first = !state.answered.includes(1);
  state.rows = first ? answer.rows : Math.max(state.rows, answer.rows);
  state.answered[part] = 1;
  replica.load({ rows: state.rows, values: answer.values }, state.ranges[part]!.from);
}

/** Says goodbye; where there are standbys it waits until that is known to them. */
function becomeParting(state: PullState, out: ServerOut): void {
  state.phase = "parting";
  ask(state, out);
  if (!state.options.standby) out.push({ kind: "finish" });
}

/** Follows the holders; asks again if what was asked, or answered, may be gone with somebody. */
function becomeView(state: PullState, view: View, out: ServerOut): void {
  const { holders } = state;
  const { before } = holders;
  const stays = [...view.members, ...view.left];
  const isGone = before.some(
    ({ rank, incarnation }) =>
      !stays.some((life) => life.rank === rank && life.incarnation === incarnation),
  );
  const isMoved = followHolders(holders, view);
  state.workers = workerRanks(view).length;
  if (holders.lives.includes("nobody")) return out.push({ kind: "finish" });
  if (state.phase === "learning" || !(isGone || isMoved)) return;
  state.view = view.id;
  ask(state, out);
}

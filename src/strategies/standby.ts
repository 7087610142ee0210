/**
 * The standby of a parameter server: a second server that holds a replica of the range.
 *
 * The holder tells it every push and goodbye, numbered in the order it took them; the standby takes them in that
 * order, so it holds the same bits, and says up to which number it has them. An answer to a worker leaves only
 * when the standby has everything the answer tells of. So when the holder dies nothing that a worker was told is
 * lost; what was not answered is sent again by its worker, and taken once, by its clock.
 *
 * At a change of view, and for a newcomer, the holder sends a duplicate of everything it knows.
 *
 * Source: algorithms.md, section 10; Alsberg and Day 1976, "A principle for resilient sharing of distributed
 * resources", for the primary that waits for its backup.
 * Invariant: after the holder's death no update is lost that was answered, and none is applied twice.
 */

import type { Replica } from "../math/replica.ts";
import { emptyUpdate, type Update } from "../math/update.ts";
import { lifeName } from "../topology/view.ts";
import { clockArrays, readClocks } from "./clocks.ts";
import { absorbPush, countOutWorker } from "./server.ts";
import {
  type Bye,
  type Duplicate,
  departedOf,
  type Forward,
  type Push,
  pairsOf,
  type ServerMessage,
  type ServerOut,
  type ServerState,
} from "./server-state.ts";

/** Tells the standby what is about to be done. */
export function forward(
  state: ServerState,
  { from, at, body }: { from: number; at: number; body: Push | Bye },
  out: ServerOut,
): void {
  const { rows, delta } = body.kind === "push" ? body : emptyUpdate;
  tell(state, { from, at, what: body.kind, clock: body.clock, rows, delta }, out);
}

function tell(state: ServerState, told: Omit<Forward, "kind" | "number">, out: ServerOut): void {
  if (state.partner === null) return;
  const number = ++state.forwarded;
  out.push({ kind: "send", to: state.partner.rank, body: { kind: "forward", number, ...told } });
}

/** Takes what the holder tells, in its order. */
export function absorbForward(
  state: ServerState,
  replica: Replica,
  { from, body }: { from: number; body: Forward },
  out: ServerOut,
): void {
  if (state.standing === "holder" || body.number <= state.stored) {
    return out.push({ kind: "drop", from, reason: "stored before" });
  }
  state.early.set(body.number, body);
  if (state.standing === "standby") takeForwards(state, replica, from, out);
}

function takeForwards(state: ServerState, replica: Replica, to: number, out: ServerOut): void {
  let taken = false;
  for (;;) {
    const next = state.early.get(state.stored + 1);
    if (next === undefined) break;
    state.early.delete(++state.stored);
    replay(state, replica, next);
    taken = true;
  }
  if (taken) out.push({ kind: "send", to, body: { kind: "stored", number: state.stored } });
}

/** Does what the holder did; the holder answers and reports. */
function replay(state: ServerState, replica: Replica, told: Forward): void {
  const { from, at: now, what, clock, rows, delta } = told;
  const silent: ServerOut = { push: (_effect) => undefined };
  // Who holds the range counts no worker that is not there.
  const counted = state.clocks.present[from] === 1;
  switch (what) {
    case "push": {
      if (!counted) return;
      const body: Push = { kind: "push", clock, rows, delta };
      return absorbPush(state, replica, { from, body, now }, silent);
    }
    case "bye":
      return countOutWorker(state, replica, { member: from, now }, silent);
    case "latest":
      state.latest[from] = { rows, delta };
      return;
    case "merged":
      if (state.merged) state.merged.updates[from] = { rows, delta };
      return;
    case "open":
      if (state.rounds) state.inbox[from] = { rows, delta };
      return;
    default:
      what satisfies never;
  }
}

/** Sends the standby everything; in rounds the open round's pushes follow one by one. */
export function duplicate(state: ServerState, replica: Replica, out: ServerOut): void {
  if (state.partner === null) return;
  const { clocks, inbox, merged, latest } = state;
  const arrays = clockArrays(clocks);
  const stays = inbox.map((update, from) => (clocks.present[from] === 1 ? update : null));
  for (const [from, update] of stays.entries()) {
    if (update === null) continue;
    arrays.counts[from]!--;
    arrays.waits[from] = 0;
  }
  const body: Duplicate = {
    ...{ kind: "duplicate", number: ++state.forwarded, ...replica.snapshot(), ...arrays },
    lives: Int32Array.from([...state.lives].flat()),
    entered: state.entered.slice(),
    departed: Int32Array.from([...state.departed.values()].flat()),
    beforeRows: merged?.before.rows ?? 0,
    before: merged?.before.values ?? null,
  };
  out.push({ kind: "send", to: state.partner.rank, body });
  const again = (what: Forward["what"]) => (update: Update | null, from: number) => {
    if (update === null) return;
    const { rows, delta } = update;
    const clock = clocks.counts[from]!;
    tell(state, { from, at: clocks.lastPush[from] || 0, what, clock, rows, delta }, out);
  };
  latest.forEach(again("latest"));
  merged?.updates.forEach(again("merged"));
  // What counts of workers that are gone first: the last push of those that stay may end the round.
  inbox.map((update, from) => (stays[from] ? null : update)).forEach(again("open"));
  stays.forEach(again("push"));
}

/** Takes everything over, whatever was known before. */
export function absorbDuplicate(
  state: ServerState,
  replica: Replica,
  { from, body }: { from: number; body: Duplicate },
  out: ServerOut,
): void {
  if (state.standing === "holder" || body.number <= state.stored) {
    return out.push({ kind: "drop", from, reason: "stored before" });
  }
  replica.load({ rows: body.rows, values: body.values });
  state.clocks = readClocks(state.clocks.policy, body);
  state.lives.clear();
  for (const [rank, incarnation] of pairsOf(body.lives)) state.lives.set(rank, incarnation);
  state.entered.set(body.entered);
  for (const departed of departedOf(body.departed)) {
    const [rank, incarnation] = departed;
    state.departed.set(lifeName(rank, incarnation), departed);
  }
  state.inbox.fill(null);
  state.latest.fill(null);
  const { before, beforeRows } = body;
  const updates = new Array<Update | null>(state.latest.length).fill(null);
  state.merged = before && { before: { rows: beforeRows, values: before }, updates };
  state.answered = null;
  state.standing = "standby";
  const { lives, before: members } = state.holders;
  lives[state.part] = members.find(({ rank }) => rank === from) ?? "unknown";
  state.stored = body.number;
  for (const number of state.early.keys()) {
    if (number <= body.number) state.early.delete(number);
  }
  const stored: ServerMessage = { kind: "stored", number: body.number };
  out.push({ kind: "send", to: from, body: stored });
  takeForwards(state, replica, from, out);
}

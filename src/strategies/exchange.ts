/**
 * One exchange between two members of ad-psgd, so that it happens exactly once on both whatever is lost,
 * repeated or overtaken, and nobody waits:
 *
 *     i sends (k, x_i)
 *     j, once per k:  D = (x_i - x_j)/2,  x_j += D,  logs (k, D) until acknowledged;  replies (k, D),
 *                     from the log when k comes again
 *     i, once per k:  x_i -= D, whatever it learned meanwhile;  acknowledges k.  i asks again when the
 *                     answer is late, and never gives up alone
 *
 * Where the options thin (`values`, `topK`, `tolerance`), x_i travels rounded, and of D the chosen part; both sides
 * change by the D that travelled, so nothing need be carried: what was left out is still how far they are apart.
 *
 * A member begins one exchange at a time, so k only grows and one entry a partner is enough of a log. x is
 * (v, T): the exchange is linear in both, as updates are, so the two commute.
 *
 * Source: algorithms.md, sections 7 and 12.
 * Invariant: the sum of replicas minus logged, unreceived D changes only by learning.
 * Invariant: between two members that stay alive an exchange happens exactly once on both.
 */
import { addDuration, type DeadlineRule, type Durations, deadlineOf } from "../math/deadline.ts";
import { halfDifference, type Model, type Replica } from "../math/replica.ts";
import { type Delta, isDense, toDense, type Update } from "../math/update.ts";
import { packPart, type Thinning, unpackOwn } from "../wire/carry.ts";
import { type Unpacked, unpackOnce } from "../wire/packed.ts";
import { type FieldShape, type MessageShapes, modelRows, ordinal } from "../wire/shape.ts";
import type { MessageBody, Outbox } from "./strategy.ts";
import { isThin, wholeUpdates } from "./thinning.ts";

/** v of a model or of a D; packed where the options thin it. */
type Vector = Float32Array | Uint8Array;

/** x_i, for exchange k. */
export interface Offer extends MessageBody {
  readonly kind: "offer";
  readonly k: number;
  readonly rows: number;
  readonly values: Vector;
}

/** D of exchange k. */
export interface Difference extends MessageBody {
  readonly kind: "difference";
  readonly k: number;
  readonly rows: number;
  readonly values: Vector;
}

/** D of exchange k has been taken; it need not be kept. */
export interface Received extends MessageBody {
  readonly kind: "received";
  readonly k: number;
}

export type ExchangeMessage = Offer | Difference | Received;

const vector: FieldShape = {
  type: "either",
  of: [
    { type: "packed", length: "whole" },
    { type: "values", length: "whole" },
  ],
};

export const exchangeShapes: MessageShapes = {
  offer: { fields: { k: ordinal, rows: modelRows, values: vector } },
  difference: {
    fields: { k: ordinal, rows: { type: "rows", of: "model", signed: true }, values: vector },
  },
  received: { fields: { k: ordinal } },
};

/** An exchange that was begun and not yet answered. */
export interface OpenExchange {
  readonly to: number;
  readonly offer: Offer;
  readonly since: number;
  retryAt: number;
  tries: number;
}

/** The last exchange with one partner that began it; both are null once it is acknowledged. */
export interface Answered {
  readonly k: number;
  difference: Difference | null;
  /** D as it was applied here. */
  delta: Delta | null;
}

/** One member's exchanges. */
export interface Exchanges {
  /** Exchanges begun so far. */
  k: number;
  open: OpenExchange | null;
  /** By partner that began. */
  readonly answered: Map<number, Answered>;
  readonly durations: Durations;
  /** How x_i travels, and what of D does. */
  readonly thinning: Thinning;
}

type Out = Outbox<ExchangeMessage>;

const rule: DeadlineRule = { floorSeconds: 0.01, firstSeconds: 1, spreads: 8 };

/** Begins an exchange with `to`. */
export function begin(
  exchanges: Exchanges,
  replica: Replica,
  { to, now }: { to: number; now: number },
  out: Out,
): void {
  const { rows, values } = offered(replica, exchanges.thinning);
  const offer: Offer = { kind: "offer", k: ++exchanges.k, rows, values };
  exchanges.open = { to, offer, since: now, retryAt: now, tries: 0 };
  offerAgain(exchanges, now, out);
}

/** x_i as it travels: rounding it moves no sum, since both sides change by the D that follows from it. */
function offered(replica: Replica, thinning: Thinning): { rows: number; values: Vector } {
  if (!isThin(thinning)) return replica.lend();
  const { values } = thinning;
  return { rows: replica.rows, values: packPart(replica.values, { ...wholeUpdates, values }) };
}

/** Asks once more, with the same k, when the answer is late; waits twice as long each time. */
export function retryLate(exchanges: Exchanges, now: number, out: Out): void {
  if (exchanges.open && now >= exchanges.open.retryAt) offerAgain(exchanges, now, out);
}

function offerAgain({ open, durations }: Exchanges, now: number, out: Out): void {
  const after = deadlineOf(durations, rule) * 2 ** Math.min(open!.tries++, 10);
  // A little early, so that the wake finds it due whatever the sum rounds to.
  open!.retryAt = now + after * 0.999;
  out.push({ kind: "send", to: open!.to, body: open!.offer });
  out.push({ kind: "wake", after });
}

/** Answers an exchange: averages once per k, repeats what it answered, drops what is past; true when it averaged. */
export function absorbOffer(
  { answered, thinning }: Exchanges,
  replica: Replica,
  { from, body }: { from: number; body: Offer },
  out: Out,
): boolean {
  const last = answered.get(from);
  if (last && (body.k < last.k || (body.k === last.k && last.difference === null))) {
    out.push({ kind: "drop", from, reason: "stale exchange" });
    return false;
  }
  if (last?.difference && last.k === body.k) {
    out.push({ kind: "send", to: from, body: last.difference });
    return false;
  }
  const theirs = readVector(body.values, replica);
  if ("fault" in theirs) {
    out.push({ kind: "drop", from, reason: theirs.fault });
    return false;
  }
  const model = { rows: body.rows, values: denseOf(theirs.delta, replica) };
  const { rows, delta, values } = isThin(thinning)
    ? meetInPart(replica, model, thinning)
    : meetWhole(replica, model);
  const difference: Difference = { kind: "difference", k: body.k, rows, values };
  answered.set(from, { k: body.k, difference, delta });
  out.push({ kind: "send", to: from, body: difference });
  return true;
}

function readVector(values: Vector, { values: { length } }: Replica): Unpacked {
  return values instanceof Uint8Array ? unpackOnce(values, length) : { delta: values };
}

function denseOf(delta: Delta, { values }: Replica): Float32Array {
  return isDense(delta) ? delta : toDense(delta, values.length);
}

/** D, applied; as it was, and as it travels. */
interface Meeting extends Update {
  readonly values: Vector;
}

function meetWhole(replica: Replica, model: Model): Meeting {
  const { rows, delta } = replica.meet(model);
  return { rows, delta, values: delta };
}

function meetInPart(replica: Replica, model: Model, thinning: Thinning): Meeting {
  const values = packPart(halfDifference(model.values, replica.values), thinning);
  const update = {
    rows: (model.rows - replica.rows) / 2,
    delta: unpackOwn(values, model.values.length),
  };
  replica.apply(update);
  return { ...update, values };
}

/** Ends the open exchange: takes D out of the own replica. False when it was not the open one. */
export function absorbDifference(
  exchanges: Exchanges,
  replica: Replica,
  { from, body, now }: { from: number; body: Difference; now: number },
  out: Out,
): boolean {
  const { open } = exchanges;
  if (open?.to !== from || open.offer.k !== body.k) {
    out.push({ kind: "drop", from, reason: "stale exchange" });
    return false;
  }
  const read = readVector(body.values, replica);
  if ("fault" in read) {
    out.push({ kind: "drop", from, reason: read.fault });
    return false;
  }
  // D.rows is half of what ours were above theirs when we offered them, and nobody has learned less than nothing.
  if (body.rows > open.offer.rows / 2) {
    out.push({ kind: "drop", from, reason: "difference larger than the model", blame: true });
    return false;
  }
  replica.apply({ rows: body.rows, delta: read.delta }, -1);
  takeBack(replica, open.offer.values);
  addDuration(exchanges.durations, now - open.since);
  exchanges.open = null;
  out.push({ kind: "send", to: from, body: { kind: "received", k: body.k } });
  return true;
}

/** Nobody reads the values of a past k: if they still travel somewhere, they are dropped by k alone. */
function takeBack(replica: Replica, values: Vector): void {
  if (values instanceof Float32Array) replica.takeBack(values);
}

/** Forgets a D that has been taken. */
export function absorbReceived(
  { answered }: Exchanges,
  replica: Replica,
  { from, body: { k } }: { from: number; body: Received },
): void {
  const last = answered.get(from);
  if (last?.k !== k) return;
  if (last.difference) takeBack(replica, last.difference.values);
  last.difference = null;
  last.delta = null;
}

/**
 * A partner is gone: its exchanges are settled as they stand. Reports each that was open: one that we began
 * and never saw answered has changed nothing here; a D that we added and cannot know taken is drift. One that left
 * in good order answers nothing any more, but has taken what it was given.
 */
export function settle(
  exchanges: Exchanges,
  { rank, member, left }: { rank: number; member: number; left: boolean },
  out: Out,
): void {
  const tell = (drift: number) =>
    out.push({ kind: "report", report: { kind: "settled", rank, member, drift } });
  if (exchanges.open?.to === member) {
    exchanges.open = null;
    tell(0);
  }
  if (left) return;
  const last = exchanges.answered.get(member);
  if (last?.delta) tell(lengthOf(last.delta));
  exchanges.answered.delete(member);
}

function lengthOf(delta: Delta): number {
  const values = isDense(delta) ? delta : delta.value;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i]! * values[i]!;
  return Math.sqrt(squares);
}

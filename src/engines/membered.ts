/**
 * A strategy whose members come and go: `membered(strategy)` is the same strategy with membership beneath it,
 * and runs wherever the strategy does. It beats, agrees on views and tells the strategy of each; a newcomer's
 * strategy begins when it is in a view.
 *
 * Every message of the strategy carries the life that sent it and the view it was sent in. One sent in a later
 * view than ours waits until we are there; one of a life that is in no view is dropped (fencing). A member that
 * was expelled, because it was cut off for too long, forgets its state and joins as a new life; what it learned
 * in between is counted as lost.
 *
 * Source: algorithms.md, section 10; Birman and Joseph 1987 for views and what is delivered in which.
 * Invariant: a message is delivered in the view it was sent in, or in a later one.
 * Invariant: nothing of a life that was expelled is delivered after the view that expelled it, and nothing that was sent to
 * it is delivered to its next life.
 */
import type { Replica } from "../math/replica.ts";
import { authorityOf as decidingRank } from "../membership/links.ts";
import {
  absorbMembership,
  allOver,
  beat,
  becomeNewLife,
  conclude,
  createMembership,
  type Membership,
  type MembershipOptions,
  type Verdict,
} from "../membership/membership.ts";
import { membershipShapes } from "../membership/message-shapes.ts";
import type { MembershipMessage } from "../membership/messages.ts";
import { listeners } from "../membership/news.ts";
import { hasLostLease, isSparse, noteDeath, suspected } from "../membership/suspicion.ts";
import { includesLife, livesMax } from "../membership/views.ts";
import { noteSign, noteUse } from "../membership/ways.ts";
import {
  type AnyStrategy,
  type EarlierLife,
  type Effect,
  type MessageBody,
  type NodeEvent,
  type Outbox,
  type Seat,
  type Standing,
  type Strategy,
  type StrategyOptions,
  type View,
  viewOf,
} from "../strategies/strategy.ts";
import { anyKind, count, type MessageShapes } from "../wire/shape.ts";

/** A message of the strategy beneath: sent by that life, in that view. */
interface Sent extends MessageBody {
  readonly by: number;
  readonly in: number;
}

interface Held {
  readonly from: number;
  readonly body: Sent;
}

interface MemberedState {
  readonly seat: Seat;
  readonly options: StrategyOptions;
  membership: Membership;
  /** What lives that were expelled made, until it is accounted for. */
  readonly earlier: EarlierLife[];
  /** The strategy's own state; null before its life begins. */
  inner: { state: unknown } | null;
  innerFinished: boolean;
  /** Of the first view, or has learned in this life: it is where the others are. */
  entered: boolean;
  /** The view that expelled our life before this one: what was sent in it, or earlier, was not for us. */
  expelledBy: number;
  /** A learn is under way; of an earlier life if `stale`, and whether the present one waits to learn. */
  learning: boolean;
  stale: boolean;
  pending: Effect<never>[];
  held: Held[];
  /** Asked to leave; and the present life's strategy has yet to be asked. */
  leaving: boolean;
  leaveOwed: boolean;
  /** Its strategy has left, and it is counted out once what it sent was heard. */
  parting: "no" | "begins" | "waits";
  nextBeat: number;
  innerWakes: number[];
  /** The earliest wake the engine was asked for. */
  wakeAt: number;
  finished: boolean;
}

type Message = MembershipMessage | Sent | { readonly kind: "m/closed"; readonly by: number };
type Out = Outbox<Message>;

const heldMax = 100_000;
/** Which process of its rank a life belongs to, counted from 1: the incarnation of its seat. */
export function processOf(life: number): number {
  return Math.floor((life - 1) / livesMax) + 1;
}

/** The first life of a process. */
export function firstLifeOf(process: number): number {
  return (process - 1) * livesMax + 1;
}

/** How a `membered` member stands, by its state; and since when it is alone, in seconds of the run, or infinity. */
export function standingOf(state: unknown): Standing & { readonly aloneSince: number } {
  const { view, incarnation, aloneSince } = (state as MemberedState).membership;
  return { view, incarnation, alone: aloneSince < Number.POSITIVE_INFINITY, aloneSince };
}

/** Whether it is in no view, or hears of no quorum of the one it is in. */
export function isApart(state: unknown): boolean {
  const { view, alone } = standingOf(state);
  return view === null || alone;
}

/** Whether it is as far as the others: no newcomer that still waits for their model. */
export function hasEntered(state: unknown): boolean {
  return (state as MemberedState).entered;
}

/** Which process of that rank is in its view; null for none. */
export function processIn(state: unknown, rank: number): number | null {
  const life = standingOf(state).view?.members.find((one) => one.rank === rank);
  return life ? processOf(life.incarnation) : null;
}

/** Whether it was asked to leave and went at once, as it was in no view and owed nothing. */
export function leftWithoutPart(state: unknown): boolean {
  const { finished, leaving, leaveOwed, inner } = state as MemberedState;
  return finished && leaving && !leaveOwed && inner === null;
}

/** The rank that decides who takes part, as far as is known here. */
export function authorityOf(state: unknown, now: number): number | null {
  const { membership } = state as MemberedState;
  return membership.view ? (decidingRank(membership, now) ?? null) : null;
}

/** Ranks of its view whose beat is late, in words. */
export function missingOf(state: unknown, now: number): string {
  return [...suspected((state as MemberedState).membership, now)].join(", ") || "anybody";
}

/** The process of that member is known to have ended; to be followed by a `wake`. */
export function becomeBereaved(state: unknown, rank: number): void {
  noteDeath((state as MemberedState).membership, rank);
  becomeDue(state as MemberedState);
}

/** Whether its strategy has just left: `becomeParted` is owed once the others have all it sent. True once. */
export function beginsToPart(state: unknown): boolean {
  const member = state as MemberedState;
  if (member.parting !== "begins") return false;
  member.parting = "waits";
  return true;
}

/** What it sent was heard: it asks to be counted out; to be followed by a `wake`. */
export function becomeParted(state: unknown): void {
  const member = state as MemberedState;
  if (member.parting !== "waits") return;
  member.parting = "no";
  member.membership.leaving.add(member.membership.rank);
  becomeDue(member);
}

/** The next wake is a beat, whenever it comes. */
function becomeDue(state: MemberedState): void {
  state.nextBeat = Number.NEGATIVE_INFINITY;
  state.wakeAt = Number.NEGATIVE_INFINITY;
}

/** The strategy, with members that come and go. */
export function membered(
  strategy: AnyStrategy,
  options: MembershipOptions,
): Strategy<MemberedState, Message> {
  return {
    ...strategy,
    shapes: memberedShapes(strategy),
    init: (seat, settings) => createMembered(strategy, options, seat, settings),
    step: (state, replica, event, out) => step(strategy, state, { replica, event }, out),
    standing: standingOf,
  };
}

/** Of a strategy that does not say what its messages look like nothing is known but what is added to each. */
function memberedShapes({ shapes }: AnyStrategy): MessageShapes {
  const inner: MessageShapes = shapes ?? { [anyKind]: { fields: {}, open: true } };
  const sent = { by: { type: "life" }, in: count } as const;
  const entries = Object.entries(inner).map(([kind, shape]) => {
    return [kind, { ...shape, fields: { ...shape.fields, ...sent } }];
  });
  return { ...Object.fromEntries(entries), ...membershipShapes };
}

function createMembered(
  strategy: AnyStrategy,
  rule: MembershipOptions,
  seat: Seat,
  options: StrategyOptions,
): MemberedState {
  const { rank, role, members: ranks } = seat;
  const incarnation = firstLifeOf(seat.incarnation);
  const first = viewOf(seat);
  const view = includesLife(first.members, { rank, incarnation, role }) ? first : null;
  return {
    seat,
    options,
    membership: {
      ...createMembership({ rank, incarnation, role, ranks, view, around: first }, rule),
      vital: view ? (strategy.vital?.(view, seat, options) ?? []) : [],
    },
    earlier: [],
    inner: view ? { state: strategy.init(seat, options) } : null,
    innerFinished: false,
    entered: view !== null,
    expelledBy: 0,
    learning: false,
    stale: false,
    pending: [],
    held: [],
    leaving: false,
    leaveOwed: false,
    parting: "no",
    nextBeat: Number.NEGATIVE_INFINITY,
    innerWakes: [],
    wakeAt: Number.POSITIVE_INFINITY,
    finished: false,
  };
}

interface Given {
  readonly replica: Replica;
  readonly event: NodeEvent<Message>;
}

/** Everything one step needs. */
interface Context {
  readonly strategy: AnyStrategy;
  readonly state: MemberedState;
  readonly replica: Replica;
  readonly now: number;
  readonly out: Out;
}

function step(strategy: AnyStrategy, state: MemberedState, { replica, event }: Given, out: Out) {
  const context: Context = { strategy, state, replica, now: event.now, out };
  switch (event.kind) {
    case "message":
      absorb(context, event);
      break;
    case "wake":
      absorbWake(context);
      break;
    case "start":
      if (state.inner) stepInner(context, event);
      break;
    case "view":
      return;
    case "leave":
      absorbLeave(context, event);
      break;
    default:
      absorbLearned(context, event);
  }
  becomeConcluded(context, conclude(state.membership));
  if (state.finished) return;
  if (allOver(state.membership)) return close(context);
  askWake(context);
}

/** Gives an event to the strategy and carries its effects over. */
function stepInner(context: Context, event: NodeEvent<never>): void {
  const { strategy, state, replica, now, out } = context;
  const { membership } = state;
  if (!state.inner || state.innerFinished) return;
  const effects: Effect<MessageBody>[] = [];
  strategy.step(state.inner.state, replica, event, effects);
  for (const effect of effects) {
    switch (effect.kind) {
      case "send": {
        noteUse(membership, effect.to, now);
        const body = { ...effect.body, by: membership.incarnation, in: membership.view!.id };
        out.push({ ...effect, body });
        break;
      }
      case "wake":
        state.innerWakes.push(now + effect.after);
        break;
      case "finish":
        state.innerFinished = true;
        // One that leaves asks to be counted out; of one whose part is over the run ends.
        if (!state.leaving) membership.over = true;
        else if (membership.options.partsHeard) state.parting = "begins";
        else membership.leaving.add(membership.rank);
        state.nextBeat = Number.NEGATIVE_INFINITY;
        break;
      case "learn":
      case "predict":
      case "adjust":
        becomeLearning(state, effect, out);
        break;
      default:
        out.push(effect);
    }
  }
}

/**
 * The member leaves: what it owes is its strategy's affair. One that is in no view owes nothing, but a word on what its
 * lives before made: it comes back for that.
 */
function absorbLeave(context: Context, event: NodeEvent<never> & { kind: "leave" }): void {
  const { state, out } = context;
  state.leaving = true;
  if (state.inner) stepInner(context, event);
  else if (state.earlier.length > 0) state.leaveOwed = true;
  else becomeFinished(state, out);
}

/** Who was expelled before it had left comes back for it: only the others know what of it counts. */
function leaveIfOwed(context: Context): void {
  const { state, now } = context;
  if (!state.leaveOwed) return;
  state.leaveOwed = false;
  stepInner(context, { kind: "leave", now });
}

/** One learn at a time: a new life waits until the answer to the earlier one's has come. */
function becomeLearning(state: MemberedState, effect: Effect<never>, out: Out): void {
  if (state.stale) {
    state.pending = [effect];
    return;
  }
  state.learning = true;
  out.push(effect);
}

/** What an earlier life learned is lost. */
function absorbLearned(
  context: Context,
  event: NodeEvent<never> & { kind: "learned" | "predicted" | "exhausted" },
): void {
  const { state, out } = context;
  state.learning = false;
  if (!state.stale) {
    state.entered = true;
    stepInner(context, event);
    return leaveIfOwed(context);
  }
  state.stale = false;
  if (event.kind === "learned") {
    out.push({ kind: "report", report: { kind: "lost", from: state.seat.rank, updates: 1 } });
  }
  for (const effect of state.pending.splice(0)) becomeLearning(state, effect, out);
}

function absorb(context: Context, { from, body }: { from: number; body: Message }): void {
  const { state, out, now } = context;
  if (body.kind === "m/closed") {
    // Nobody closes before we have said that our part is over.
    if (state.membership.over || state.leaving) return passClosed(context);
    return out.push({ kind: "drop", from, reason: "closed before its time" });
  }
  if (isMembership(body)) {
    return becomeConcluded(context, absorbMembership(state.membership, { from, body, now }, out));
  }
  deliver(context, { from, body: body as Sent });
}

/** Whether a message is membership's own, and not the strategy's. */
export function isMembership(body: MessageBody): body is MembershipMessage {
  return body.kind.startsWith("m/");
}

/** Delivers a message of the strategy in its view or later, unless its sender is fenced. */
function deliver(context: Context, { from, body }: Held): void {
  const { state, out, now } = context;
  const { view } = state.membership;
  if (body.in <= state.expelledBy) {
    return out.push({ kind: "drop", from, reason: "for an earlier life" });
  }
  if (body.in > (view?.id ?? 0)) {
    if (state.held.length < heldMax) state.held.push({ from, body });
    else out.push({ kind: "drop", from, reason: "too many messages of later views" });
    return;
  }
  const life = { rank: from, incarnation: body.by, role: "worker" } as const;
  if (!view || !includesLife([...view.members, ...view.left], life)) {
    return out.push({ kind: "drop", from, reason: "fenced" });
  }
  const { by, in: _in, ...inner } = body;
  noteUse(state.membership, from, now);
  noteSign(state.membership, { from, by, now });
  stepInner(context, { kind: "message", now, from, body: inner as never });
}

function absorbWake(context: Context): void {
  const { state, now, out } = context;
  // An engine may wake us for a time that no longer matters.
  if (now < state.wakeAt) return;
  state.wakeAt = Number.POSITIVE_INFINITY;
  if (now >= state.nextBeat) {
    beat(state.membership, now, out);
    state.nextBeat = now + state.membership.options.beatSeconds * 0.999;
    if (hasLostLease(state.membership, now)) return becomeFinished(state, out);
  }
  const due = state.innerWakes.filter((at) => at <= now);
  state.innerWakes = state.innerWakes.filter((at) => at > now);
  // As many as were asked for: strategies count them.
  for (const _ of due) stepInner(context, { kind: "wake", now });
}

function becomeConcluded(context: Context, verdict: Verdict | null): void {
  if (verdict === null) return;
  if (verdict.kind === "expelled") return becomeExpelled(context, verdict.view);
  const { state, strategy, now } = context;
  const { view } = verdict;
  state.membership.vital = strategy.vital?.(view, state.seat, state.options) ?? [];
  leaveWill(context, view);
  // Counted out because our part was over: what we sent still arrives, and nothing more is asked of us.
  if (!includesLife(view.members, { ...state.seat, incarnation: state.membership.incarnation })) {
    return becomeFinished(state, context.out);
  }
  if (state.inner) stepInner(context, { kind: "view", now, view });
  else {
    const { incarnation } = state.membership;
    const seat = { ...state.seat, incarnation, view, earlier: state.earlier };
    state.inner = { state: strategy.init(seat, state.options) };
    stepInner(context, { kind: "start", now });
    if (state.seat.role === "server") leaveIfOwed(context);
  }
  for (const message of state.held.splice(0)) deliver(context, message);
}

/** A strategy that has left may have what a newcomer needs, who came before it was counted out. */
function leaveWill({ strategy, state, replica, out }: Context, view: View): void {
  const { inner, innerFinished, leaving, membership } = state;
  if (!inner || !innerFinished || !leaving) return;
  const effects: Effect<MessageBody>[] = [];
  strategy.parted?.(inner.state, { replica, view }, effects);
  for (const effect of effects) {
    if (effect.kind !== "send") continue;
    const body = { ...effect.body, by: membership.incarnation, in: view.id };
    out.push({ ...effect, body });
  }
}

/** Cut off for too long: the next life begins with nothing but the rows. */
function becomeExpelled({ state, strategy }: Context, { id }: View): void {
  const { incarnation } = state.membership;
  const clock = state.inner && strategy.clockOf?.(state.inner.state);
  if (clock) state.earlier.push({ incarnation, clock });
  state.membership = becomeNewLife(state.membership);
  state.inner = null;
  state.innerFinished = false;
  state.parting = "no";
  state.leaveOwed = state.leaving;
  state.entered = false;
  state.expelledBy = id;
  state.stale = state.learning || state.stale;
  state.pending = [];
  state.innerWakes = [];
  state.nextBeat = Number.NEGATIVE_INFINITY;
}

/** Everybody is over: tells those that have not heard. */
function close({ state, out }: Context): void {
  const { membership } = state;
  const body = { kind: "m/closed", by: membership.incarnation } as const;
  for (const to of listeners(membership)) out.push({ kind: "send", to, body });
  becomeFinished(state, out);
}

/** Among many nobody tells all others: who hears of the end passes it on. */
function passClosed(context: Context): void {
  const { membership } = context.state;
  const { view } = membership;
  if (view && isSparse(membership, view.members.length)) return close(context);
  becomeFinished(context.state, context.out);
}

function becomeFinished(state: MemberedState, out: Out): void {
  if (state.finished) return;
  state.finished = true;
  out.push({ kind: "finish" });
}

/** Asks for one wake, at the earliest time that matters. */
function askWake({ state, now, out }: Context): void {
  const due = Math.min(state.nextBeat, ...state.innerWakes);
  if (due >= state.wakeAt) return;
  const after = Math.max(0, due - now);
  state.wakeAt = now + after;
  out.push({ kind: "wake", after });
}

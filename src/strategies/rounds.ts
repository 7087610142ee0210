/**
 * Rounds that survive changes of view: in round r every worker contributes an update, all get the merged one.
 *
 * At a change of view the open round is given up, and every member tells all others which round it completed.
 * Once it has heard all: R is the largest. Some may have completed R with a departed member's contribution, so R
 * stands: the lowest of those that completed it gives its result to those that did not, and a copy of the model
 * to newcomers. Then the ring or tree forms anew over the members of the view, and round R + 1 is begun, or begun
 * again, with the contributions of who is there. If the view changes again all this begins again.
 *
 * A newcomer may come when the others are about to end, or have: it finds nobody with a model, and ends too. Where they
 * died, or were asked to leave, the run has not ended: the lowest rank waits a while for the copy that one of those that
 * left may have sent it, or another newcomer, in an earlier view; then it begins with that or its own, and gives it to the others.
 *
 * A leaver contributes an empty update to one more round; when that is complete all have what it owed.
 *
 * Source: algorithms.md, sections 4 and 10.
 * Invariant: all members of a view get the same bits in every round.
 * Invariant: of a departed worker an update is in the models of all members of the view, or of none.
 * Invariant: every survivor's contribution is in each round exactly once.
 */
import type { Model, Replica } from "../math/replica.ts";
import { isDense, type Update } from "../math/update.ts";
import { workerRanks } from "../topology/view.ts";
import { tellLost } from "./earlier.ts";
import { absorbEnding, type Ending, type EndingMessage, willSeconds } from "./ending.ts";
import {
  absorbPart,
  beginRound,
  createReduction,
  type Reduction,
  type Round,
  reform,
} from "./reduction.ts";
import type { Merged, RoundCopy, RoundMessage, Status } from "./round-messages.ts";
import {
  type EarlierLife,
  type Outbox,
  type Seat,
  type StrategyOptions,
  type View,
  type ViewMember,
  viewOf,
} from "./strategy.ts";

/** One worker's rounds. */
export interface Rounds {
  readonly rank: number;
  readonly reduction: Reduction;
  view: number;
  ranks: readonly number[];
  /** The last round whose result is here, and that result; -1: no model yet. */
  completed: number;
  last: Update | null;
  /** The own contribution to the round after, once it is made. */
  own: Update | null;
  /** What is known of the others in this view; null once that is settled. */
  settling: { readonly waiting: Set<number>; readonly completed: Map<number, number> } | null;
  /** Others completed a round more: its result, or for a newcomer the model, is on the way. */
  behind: boolean;
  /** It came before all others were heard. */
  gift: { readonly from: number; readonly body: Merged | RoundCopy } | null;
  /** A newcomer's, of an earlier view: a copy of the model by one that may be gone. */
  will: RoundCopy | null;
  /** Nobody of the view has a model: the lowest rank begins the run anew, perhaps by a will. */
  orphaned: boolean;
  /** How many wakes are due that were asked for to wait for a will. */
  wakes: number;
  /** Newcomers that are owed a copy of the model. */
  newcomers: readonly number[];
  /** Lives that are gone, and the last round each had a part in; Infinity until that is settled. */
  readonly departed: Departed[];
  /** The members of the view, and own lives that are not accounted for yet. */
  members: readonly ViewMember[];
  readonly earlier: EarlierLife[];
  /** The run has come to its end for somebody, who has the model; who leaves says nothing of the sort. */
  haveOthersEnded: boolean;
  /** Somebody left before this view who may have had a model. */
  haveOthersLeft: boolean;
}

interface Departed {
  readonly rank: number;
  readonly incarnation: number;
  round: number;
}

/** How a strategy makes its rounds: its vector for an update, and the merged update for the sum. */
export interface RoundRule {
  vectorOf(update: Update): Float32Array;
  mergedOf(round: Round): Update;
}

type Out = Outbox<RoundMessage>;

export function createRounds(seat: Seat, topology: StrategyOptions["topology"]): Rounds {
  const view = viewOf(seat);
  const ranks = workerRanks(view);
  const { rank, round = 0 } = seat;
  return {
    rank,
    reduction: { ...createReduction(topology, { view: view.id, ranks, own: rank }), clock: round },
    view: view.id,
    ranks,
    completed: view.id > 1 ? -1 : round,
    last: null,
    own: null,
    settling: null,
    behind: false,
    gift: null,
    will: null,
    orphaned: false,
    wakes: 0,
    newcomers: [],
    departed: [],
    members: view.members,
    earlier: seat.earlier ?? [],
    haveOthersEnded: hasEnded(view),
    haveOthersLeft: view.left.length > 0,
  };
}

/** The last round that this member made an update for. */
export function roundOf({ completed, own }: Rounds): number {
  return Math.max(0, completed) + Number(own !== null && own.rows > 0);
}

/** A newcomer's first step: tells the others that it has no model; one that finds itself alone begins, or ends. */
export function enterRounds(rounds: Rounds, parts: RoundParts, out: Out): void {
  if (rounds.completed >= 0) return;
  becomeSettling(rounds, out);
  settle(rounds, parts, out);
}

/** Whether the next round may be learned for: there is a model, and everybody's is known to be the same. */
export function isSettled({ settling, behind, completed, orphaned }: Rounds): boolean {
  return settling === null && !behind && !orphaned && completed >= 0;
}

/** Gives the own update of the next round; returns the merged update if the round ends at once. */
export function contribute(
  rounds: Rounds,
  rule: RoundRule,
  update: Update,
  out: Out,
): Update | null {
  rounds.own = update;
  return isSettled(rounds) ? beginOwn(rounds, rule, out) : null;
}

function beginOwn(rounds: Rounds, rule: RoundRule, out: Out): Update | null {
  const { own, ranks, reduction } = rounds;
  if (own === null) return null;
  // Alone there is nothing to merge, and the update is taken as it is: bit for bit what serial does.
  if (ranks.length === 1) {
    reduction.clock++;
    return complete(rounds, own);
  }
  const round = beginRound(reduction, { values: rule.vectorOf(own), rows: own.rows }, out);
  return round && complete(rounds, rule.mergedOf(round));
}

function complete(rounds: Rounds, merged: Update): Update {
  rounds.completed++;
  rounds.last = merged;
  rounds.own = null;
  return merged;
}

/** How a strategy makes its rounds, and the model that they are about. */
export interface RoundParts {
  readonly rule: RoundRule;
  readonly replica: Replica;
}

/** A message of rounds, or of their end; returns the merged update if the open round ends by it. */
export function absorbTogether(
  { rounds, ending }: { readonly rounds: Rounds; readonly ending: Ending },
  parts: { readonly rule: RoundRule; readonly replica: Replica },
  { from, body }: { readonly from: number; readonly body: RoundMessage | EndingMessage },
  out: Outbox<RoundMessage | EndingMessage>,
): Update | null {
  if (body.kind !== "done" && body.kind !== "over")
    return absorbRound(rounds, parts, { from, body }, out);
  absorbEnding(ending, { from, body }, out);
  return null;
}

/** Takes a message of the rounds; returns the merged update of a round that ends by it. */
function absorbRound(
  rounds: Rounds,
  parts: RoundParts,
  { from, body }: { from: number; body: RoundMessage },
  out: Out,
): Update | null {
  switch (body.kind) {
    case "status":
      return absorbStatus(rounds, parts, { from, body }, out);
    case "merged":
    case "round-copy":
      if (body.kind === "round-copy" && isWill(rounds, body))
        return takeWill(rounds, parts, body, out);
      if (body.view !== rounds.view || rounds.gift !== null) {
        out.push({ kind: "drop", from, reason: "stale round" });
        return null;
      }
      rounds.gift = { from, body };
      return takeGift(rounds, parts, out);
    default: {
      const round = absorbPart(rounds.reduction, { from, body }, out);
      return round && complete(rounds, parts.rule.mergedOf(round));
    }
  }
}

/** Takes over a view: the open round is given up, and everybody says where it is. */
export function followView(rounds: Rounds, parts: RoundParts, view: View, out: Out): Update | null {
  noteDeparted(rounds, view);
  rounds.haveOthersEnded = hasEnded(view);
  rounds.haveOthersLeft = view.left.length > 0;
  rounds.members = view.members;
  rounds.view = view.id;
  rounds.ranks = workerRanks(view);
  rounds.newcomers = [];
  rounds.reduction.round = null;
  becomeSettling(rounds, out);
  return settle(rounds, parts, out);
}

function noteDeparted({ members, departed }: Rounds, view: View): void {
  for (const { rank, incarnation } of members) {
    const isIt = (life: ViewMember) => life.rank === rank && life.incarnation === incarnation;
    if (view.members.some(isIt) || view.left.some(isIt)) continue;
    departed.push({ rank, incarnation, round: Number.POSITIVE_INFINITY });
  }
}

function hasEnded({ left }: View): boolean {
  return left.some(({ ended }) => ended);
}

function becomeSettling(rounds: Rounds, out: Out): void {
  const { view, ranks, rank, completed } = rounds;
  const others = ranks.filter((other) => other !== rank);
  rounds.settling = { waiting: new Set(others), completed: new Map() };
  rounds.behind = false;
  rounds.orphaned = false;
  keepGift(rounds);
  const body: Status = { kind: "status", view, completed };
  for (const to of others) out.push({ kind: "send", to, body });
}

function absorbStatus(
  rounds: Rounds,
  parts: RoundParts,
  { from, body }: { from: number; body: Status },
  out: Out,
): Update | null {
  if (body.view !== rounds.view || !rounds.settling?.waiting.delete(from)) {
    out.push({ kind: "drop", from, reason: "stale status" });
    return null;
  }
  rounds.settling.completed.set(from, body.completed);
  return settle(rounds, parts, out);
}

/** Everybody is heard: gives what others lack, and goes on if nothing is lacking here. */
function settle(rounds: Rounds, parts: RoundParts, out: Out): Update | null {
  const { settling, rank, ranks, view } = rounds;
  if (settling === null || settling.waiting.size > 0) return null;
  const known = new Map(settling.completed).set(rank, rounds.completed);
  const most = Math.max(...known.values());
  if (most < 0) return becomeOrphaned(rounds, parts, out);
  const donor = ranks.find((other) => known.get(other) === most)!;
  if (donor === rank) becomeDonor(rounds, known, most, out);
  rounds.settling = null;
  for (const life of rounds.departed) life.round = Math.min(life.round, most);
  rounds.completed = known.get(rank)!;
  rounds.behind = rounds.completed < most;
  reform(rounds.reduction, { view, ranks, own: rank }, most);
  return rounds.behind ? takeGift(rounds, parts, out) : beginOwn(rounds, parts.rule, out);
}

/**
 * All that had a model are gone, and a run that has not ended goes on: the lowest rank waits for a will where somebody may
 * have left one, the others for what it begins with.
 */
function becomeOrphaned(rounds: Rounds, parts: RoundParts, out: Out): null {
  keepGift(rounds);
  const { view, ranks, rank, will, haveOthersEnded, haveOthersLeft } = rounds;
  rounds.settling = null;
  if (haveOthersEnded) {
    out.push({ kind: "finish" });
    return null;
  }
  reform(rounds.reduction, { view, ranks, own: rank }, 0);
  if (rank !== ranks[0]) {
    rounds.behind = true;
    if (will) return takeWill(rounds, parts, will, out);
    return null;
  }
  rounds.orphaned = true;
  if (will || !haveOthersLeft) return begin(rounds, parts, out);
  rounds.wakes++;
  out.push({ kind: "wake", after: willSeconds });
  return null;
}

/** The time for a will is up. */
export function becomeAwake(rounds: Rounds, parts: RoundParts, out: Out): void {
  if (rounds.wakes > 0) rounds.wakes--;
  if (rounds.orphaned && rounds.wakes === 0) begin(rounds, parts, out);
}

/** The lowest newcomer begins with a will, or with its own model; the others get a copy. */
function begin(rounds: Rounds, { replica }: RoundParts, out: Out): null {
  const { will, ranks, rank, departed } = rounds;
  rounds.orphaned = false;
  rounds.completed = 0;
  if (will) takeModel(rounds, replica, will, out);
  rounds.reduction.clock = rounds.completed;
  for (const life of departed) life.round = Math.min(life.round, rounds.completed);
  rounds.newcomers = ranks.filter((other) => other !== rank);
  return null;
}

/** Who has left gives newcomers a copy still, of the view it left in: they may find nobody else who has one. */
export function leaveWill(rounds: Rounds, view: View, model: () => Model, out: Out): void {
  const { members, completed } = rounds;
  if (completed < 0) return;
  rounds.newcomers = view.members
    .filter((life) => life.role === "worker" && !members.some((one) => isSame(one, life)))
    .map(({ rank }) => rank);
  rounds.members = view.members;
  copyToNewcomers(rounds, model, out);
}

function isSame(one: ViewMember, other: ViewMember): boolean {
  return one.rank === other.rank && one.incarnation === other.incarnation;
}

/** Whether a copy is none that the donor of this view gives: it was meant for an earlier one, or for who begins anew. */
function isWill({ completed, view, orphaned }: Rounds, body: RoundCopy): boolean {
  return completed < 0 && (body.view < view || orphaned);
}

/** What came of a donor that may be gone before it counted. */
function keepGift(rounds: Rounds): void {
  const { gift, completed } = rounds;
  if (gift?.body.kind === "round-copy" && completed < 0) keepWill(rounds, gift.body);
  rounds.gift = null;
}

function keepWill(rounds: Rounds, body: RoundCopy): void {
  if (rounds.will === null || rounds.will.round < body.round) rounds.will = body;
}

/** Who does not begin anew itself tells the one that does, which may be who it needs. */
function takeWill(rounds: Rounds, parts: RoundParts, body: RoundCopy, out: Out): null {
  keepWill(rounds, body);
  const { orphaned, behind, settling, view, ranks, rank, will } = rounds;
  if (orphaned) return begin(rounds, parts, out);
  if (settling === null && behind && ranks[0] !== rank) {
    out.push({ kind: "send", to: ranks[0]!, body: { ...will!, view } });
  }
  return null;
}

/** Gives the result of the last round to those that lack it; newcomers are owed a copy. */
function becomeDonor(
  rounds: Rounds,
  known: ReadonlyMap<number, number>,
  round: number,
  out: Out,
): void {
  const { ranks, view, last } = rounds;
  rounds.newcomers = ranks.filter((other) => known.get(other) === -1);
  const lack = ranks.filter((other) => known.get(other) === round - 1 && round > 0);
  if (lack.length === 0) return;
  const body: Merged = { kind: "merged", view, round, ...resultOf(last) };
  for (const to of lack) out.push({ kind: "send", to, body });
}

/** A result as it travels; what a member merged alone nobody else lacks. */
function resultOf(last: Update | null): { rows: number; values: Float32Array } {
  if (last === null || !isDense(last.delta)) return { rows: 0, values: new Float32Array(0) };
  return { rows: last.rows, values: last.delta };
}

/**
 * Who is behind takes what the others have: the result of a round they completed with what we had contributed to
 * it; a newcomer the model.
 */
function takeGift(rounds: Rounds, { rule, replica }: RoundParts, out: Out): Update | null {
  const { gift, behind, completed, own } = rounds;
  if (gift === null || !behind) return null;
  const { from, body } = gift;
  if ((body.kind === "merged") !== completed >= 0) return null;
  if (body.kind === "merged" && own && body.values.length !== rule.vectorOf(own).length) {
    out.push({ kind: "drop", from, reason: "result of another length", blame: true });
    return null;
  }
  rounds.behind = false;
  if (body.kind === "merged") return complete(rounds, { rows: body.rows, delta: body.values });
  takeModel(rounds, replica, body, out);
  rounds.reduction.clock = rounds.completed;
  return null;
}

/** A newcomer is as far as a copy. */
function takeModel(rounds: Rounds, replica: Replica, body: RoundCopy, out: Out): void {
  takeCopy(replica, body);
  rounds.completed = body.round;
  rounds.last = { rows: body.lastRows, delta: body.last };
  rounds.own = null;
  rounds.will = null;
  takeDeparted(rounds, body.departed, out);
}

/** Takes over who is gone, and tells what of its own earlier lives is lost. */
function takeDeparted(rounds: Rounds, words: Int32Array, out: Out): void {
  const { departed, rank: own, earlier } = rounds;
  departed.length = 0;
  for (let k = 0; k + 3 <= words.length; k += 3) {
    departed.push({ rank: words[k]!, incarnation: words[k + 1]!, round: words[k + 2]! });
  }
  const lives = new Map(
    departed.filter(({ rank }) => rank === own).map((life) => [life.incarnation, life.round]),
  );
  tellLost(earlier, own, (incarnation) => lives.get(incarnation), out);
}

/** Where members hold parts of the model, a newcomer's part begins at zero: only T is copied. */
function takeCopy(replica: Replica, { rows, values }: RoundCopy): void {
  if (values.length === replica.values.length) replica.load({ rows, values });
  else replica.rows = rows;
}

/** Sends newcomers the model; to be asked where the replica is as the last round left it. */
export function copyToNewcomers(rounds: Rounds, model: () => Model, out: Out): void {
  if (rounds.newcomers.length === 0) return;
  const { view, completed: round } = rounds;
  const { rows: lastRows, values: last } = resultOf(rounds.last);
  const lives = rounds.departed.flatMap(({ rank, incarnation, round: of }) => [
    rank,
    incarnation,
    of,
  ]);
  const departed = Int32Array.from(lives);
  const body: RoundCopy = { kind: "round-copy", view, round, ...model(), lastRows, last, departed };
  for (const to of rounds.newcomers) out.push({ kind: "send", to, body });
  rounds.newcomers = [];
}

/**
 * Who exchanges with whom in which round, for strategies whose members may be some rounds apart: a list of
 * formations, each holding from a round on.
 *
 * At a change of view every member tells all others which round it has begun, and the formations it knows. M is
 * the largest round of all: up to M the formations before hold, from M + 1 on the members of the view form the
 * next. Nobody begins a round while it does not know M.
 *
 * Invariant: all members of a view use the same formation in each round they begin in it.
 */
import { count, type MessageBounds, type MessageShape } from "../wire/shape.ts";
import type { MessageBody, Outbox, View, ViewMember } from "./strategy.ts";

/** The sender has begun round `round` (-1: it has no model), and knows of these formations. */
export interface Standing extends MessageBody {
  readonly kind: "standing";
  readonly view: number;
  readonly round: number;
  readonly plan: Uint32Array;
}

export const standingShape: MessageShape = {
  fields: {
    view: count,
    round: { type: "count", least: -1 },
    plan: { type: "words", fault: planFault },
  },
};

/** The members of a view, from round `from` on. */
export interface Formation {
  readonly view: number;
  readonly from: number;
  readonly members: readonly ViewMember[];
}

/** What one member knows of formations. */
export interface Formations {
  readonly rank: number;
  /** Ascending by view. */
  list: Formation[];
  view: number;
  members: readonly ViewMember[];
  /** Members of the view that have not told where they are, and where the others are; null once settled. */
  settling: { readonly waiting: Set<number>; readonly rounds: Map<number, number> } | null;
  best: readonly Formation[];
}

export function createFormations(rank: number, view: View): Formations {
  const { id, members } = view;
  const list = id > 1 ? [] : [{ view: id, from: 0, members }];
  return { rank, list, view: id, members, settling: null, best: [] };
}

/** The formation of a round: of those that have begun the latest. */
export function formationOf({ list }: Formations, round: number): Formation {
  return list.findLast(({ from }) => from <= round) ?? list[0]!;
}

/** Begins to settle a view: tells all others where we are. */
export function becomeSettling(
  formations: Formations,
  view: Pick<View, "id" | "members">,
  round: number,
  out: Outbox<Standing>,
): void {
  const { rank, list } = formations;
  formations.view = view.id;
  formations.members = view.members;
  const others = view.members.map((life) => life.rank).filter((other) => other !== rank);
  formations.settling = { waiting: new Set(others), rounds: new Map([[rank, round]]) };
  formations.best = list;
  const body: Standing = { kind: "standing", view: view.id, round, plan: planWords(list) };
  for (const to of others) out.push({ kind: "send", to, body });
}

/** Takes where another member is. */
export function absorbStanding(
  formations: Formations,
  { from, body }: { from: number; body: Standing },
): void {
  const { settling, view, best } = formations;
  if (body.view !== view || !settling?.waiting.delete(from)) return;
  settling.rounds.set(from, body.round);
  const plan = readPlan(body.plan);
  if ((plan.at(-1)?.view ?? 0) > (best.at(-1)?.view ?? 0)) formations.best = plan;
}

/** What a settled view means: the first round of its formation, who gives models away, and to whom. */
export interface Settled {
  readonly from: number;
  readonly donor: number;
  /** Nobody has a model: the donor is a newcomer, too. */
  readonly orphaned: boolean;
  readonly newcomers: readonly ViewMember[];
}

/** Once all are heard: the next formation. Null until then, and when there is nothing to settle. */
export function settle(formations: Formations): Settled | null {
  const { settling, members, view, best } = formations;
  if (settling === null || settling.waiting.size > 0) return null;
  const { rounds } = settling;
  const from = 1 + Math.max(0, ...rounds.values());
  formations.settling = null;
  // Formations that nobody can be in any more are forgotten: none is further behind than the slowest.
  const slowest = Math.min(...[...rounds.values()].filter((round) => round >= 0));
  const keep = best.findLastIndex((formation) => formation.from <= slowest);
  formations.list = [...best.slice(Math.max(0, keep)), { view, from, members }];
  const withModel = members.filter(({ rank }) => rounds.get(rank)! >= 0);
  const donor = (withModel[0] ?? members[0]!).rank;
  const newcomers = members.filter(({ rank }) => rounds.get(rank)! < 0 && rank !== donor);
  return { from, donor, orphaned: withModel.length === 0, newcomers };
}

function planWords(list: readonly Formation[]): Uint32Array {
  const words = list.flatMap(({ view, from, members }) => [
    ...[view, from, members.length],
    ...members.flatMap(({ rank, incarnation }) => [rank, incarnation]),
  ]);
  return Uint32Array.from(words);
}

/** Whether words are formations: ascending by view and round, each of members whose ranks ascend. */
function planFault(words: Uint32Array, { members }: Pick<MessageBounds, "members">): string | null {
  let [view, from] = [0, 0];
  let k = 0;
  while (k < words.length) {
    const count = words[k + 2]!;
    // Of words that are missing no comparison holds.
    if (!(words[k]! > view && words[k + 1]! >= from && count >= 1))
      return "has formations out of order";
    view = words[k]!;
    from = words[k + 1]!;
    k += 3;
    if (!(count <= members && k + 2 * count <= words.length)) return "has more members than words";
    for (let place = 0, rank = -1; place < count; place++, k += 2) {
      if (words[k]! <= rank || words[k]! >= members) return "has ranks that nobody has";
      rank = words[k]!;
    }
  }
  return null;
}

function readPlan(words: Uint32Array): Formation[] {
  const list: Formation[] = [];
  for (let k = 0; k + 3 <= words.length; ) {
    const [view, from, count] = [words[k]!, words[k + 1]!, words[k + 2]!];
    const members: ViewMember[] = [];
    for (k += 3; members.length < count; k += 2) {
      members.push({ rank: words[k]!, incarnation: words[k + 1]!, role: "worker" });
    }
    list.push({ view, from, members });
  }
  return list;
}

/**
 * Who asks to join. Any member that hears it tells the authority where newcomers do not ask everybody (news.ts). A life
 * whose process was expelled before waits until every member that has dealings with it has told the authority that
 * it hears it, and is heard by it: the link for which it went may still be broken (links.ts), and it would go again
 * a moment later. So it says who has answered it, and only those may speak for it.
 *
 * Among many not everybody need be asked: those will do between whom and its earlier life a link was broken, as that
 * had heard.
 */
import type { ViewMember } from "../topology/view.ts";
import { authorityOf } from "./links.ts";
import type { Membership } from "./membership.ts";
import type { JoinGrounds, MembershipMessage, MembershipOut } from "./messages.ts";
import { isSparse } from "./suspicion.ts";
import { haveDealings, includesLife, viewWords, wasExpelled } from "./views.ts";

/** Who hears a life that wants to join. */
export interface Witnesses {
  readonly incarnation: number;
  readonly by: Set<number>;
  /** Ranks that its earlier life did not hear, or that did not hear it. */
  readonly lacks: Uint32Array;
}

/** A life that asks, and on what grounds. */
type Asks = ViewMember & JoinGrounds;

/** What a newcomer says. */
export function joinBody({
  incarnation: by,
  role,
  answeredBy,
  lacks,
}: Membership): MembershipMessage {
  return { kind: "m/join", by, role, hears: Uint32Array.from(answeredBy).sort(), lacks };
}

/** A member has heard our wish: it is told at once that we hear it, too. */
export function noteAnswer(state: Membership, from: number, out: MembershipOut): null {
  const { view, answeredBy } = state;
  if (view !== null || answeredBy.has(from)) return null;
  answeredBy.add(from);
  out.push({ kind: "send", to: from, body: joinBody(state) });
  return null;
}

/**
 * A life asks us; the authority is told of it if it may not have been asked, or must know who was. One that is in our view
 * has not heard so: who decided the view may not reach it.
 */
export function hearNewcomer(state: Membership, asks: Asks, now: number, out: MembershipOut): null {
  const { view, rank: own, joining, incarnation: by } = state;
  const { rank, incarnation, role, lacks } = asks;
  if (view === null) return null;
  const answer = (body: MembershipMessage) => out.push({ kind: "send", to: rank, body });
  if (includesLife(view.members, asks)) {
    answer({ kind: "m/install", by, view: viewWords(view) });
    return null;
  }
  if (wasExpelled(asks) && !asks.hears.includes(own)) {
    answer({ kind: "m/heard", by });
    return null;
  }
  noteNewcomer(state, asks, own);
  if (joining.get(rank)?.incarnation !== incarnation) return null;
  if (!isSparse(state, state.ranks) && !wasExpelled(asks)) return null;
  const authority = authorityOf(state, now);
  if (authority === undefined || authority === own) return null;
  const wish = { kind: "m/wish", by, rank, incarnation, role, lacks } as const;
  out.push({ kind: "send", to: authority, body: wish });
  return null;
}

/** That member, perhaps ourselves, hears a life that wants to join. */
export function noteNewcomer(
  state: Membership,
  asks: ViewMember & Pick<JoinGrounds, "lacks">,
  witness: number,
): null {
  const { view, joining, witnesses } = state;
  const { rank, incarnation, role, lacks } = asks;
  const known = joining.get(rank) ?? view?.members.find((life) => life.rank === rank);
  if (view === null || (known && known.incarnation > incarnation)) return null;
  if (known?.incarnation === incarnation && !joining.has(rank)) return null;
  joining.set(rank, { rank, incarnation, role });
  const told = witnesses.get(rank);
  if (told?.incarnation === incarnation) told.by.add(witness);
  else witnesses.set(rank, { incarnation, by: new Set([witness]), lacks });
  return null;
}

/** Whether a life may be in the next view, from which `gone` are missing. */
export function isAdmissible(
  state: Membership,
  life: ViewMember,
  gone: ReadonlySet<number>,
): boolean {
  if (!wasExpelled(life)) return true;
  const { view, rank: own } = state;
  const { by: hears, lacks } = state.witnesses.get(life.rank)!;
  const isMany = isSparse(state, view!.members.length);
  return view!.members.every((other) => {
    if (hears.has(other.rank) || other.rank === life.rank) return true;
    if (isMany && !lacks.includes(other.rank)) return true;
    if (!haveDealings(view!, other, life)) return true;
    return other.rank !== own && gone.has(other.rank);
  });
}

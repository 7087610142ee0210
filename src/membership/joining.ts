/**
 * Who asks to join. Any member that hears it tells the authority where newcomers do not ask everybody (news.ts). A life
 * whose process was expelled before waits until every member that has dealings with it has told the authority that
 * it hears it: the link for which it went may still be broken (links.ts), and it would go again a moment later.
 *
 * Among members that beat some pairs only nobody is expelled for a link, and the authority's own word will do.
 */
import type { ViewMember } from "../topology/view.ts";
import { authorityOf } from "./links.ts";
import type { Membership } from "./membership.ts";
import type { MembershipOut } from "./messages.ts";
import { isSparse } from "./suspicion.ts";
import { haveDealings, includesLife, viewWords, wasExpelled } from "./views.ts";

/** Who hears a life that wants to join. */
export interface Witnesses {
  readonly incarnation: number;
  readonly by: Set<number>;
}

/**
 * A life asks us; the authority is told of it if it may not have been asked, or must know who was. One that is in our view
 * has not heard so: who decided the view may not reach it.
 */
export function hearNewcomer(
  state: Membership,
  life: ViewMember,
  now: number,
  out: MembershipOut,
): null {
  const { view, rank, joining, incarnation: by } = state;
  if (view && includesLife(view.members, life)) {
    out.push({
      kind: "send",
      to: life.rank,
      body: { kind: "m/install", by, view: viewWords(view) },
    });
    return null;
  }
  noteNewcomer(state, life, rank);
  if (view === null || joining.get(life.rank)?.incarnation !== life.incarnation) return null;
  if (!isSparse(state, state.ranks) && !needsWitnesses(state, life)) return null;
  const authority = authorityOf(state, now);
  if (authority === undefined || authority === rank) return null;
  out.push({ kind: "send", to: authority, body: { kind: "m/wish", by, ...life } });
  return null;
}

/** That member, perhaps ourselves, hears a life that wants to join. */
export function noteNewcomer(state: Membership, asks: ViewMember, witness: number): null {
  const { view, joining, witnesses } = state;
  const { rank, incarnation, role } = asks;
  const known = joining.get(rank) ?? view?.members.find((life) => life.rank === rank);
  if (view === null || (known && known.incarnation > incarnation)) return null;
  if (known?.incarnation === incarnation && !joining.has(rank)) return null;
  joining.set(rank, { rank, incarnation, role });
  const told = witnesses.get(rank);
  if (told?.incarnation === incarnation) told.by.add(witness);
  else witnesses.set(rank, { incarnation, by: new Set([witness]) });
  return null;
}

function needsWitnesses(state: Membership, life: ViewMember): boolean {
  return wasExpelled(life) && !isSparse(state, state.view!.members.length);
}

/** Whether a life may be in the next view, from which `gone` are missing. */
export function isAdmissible(
  state: Membership,
  life: ViewMember,
  gone: ReadonlySet<number>,
): boolean {
  if (!needsWitnesses(state, life)) return true;
  const { view, rank: own } = state;
  const hears = state.witnesses.get(life.rank)!.by;
  return view!.members.every((other) => {
    if (hears.has(other.rank) || other.rank === life.rank) return true;
    if (!haveDealings(view!, other, life)) return true;
    return other.rank !== own && gone.has(other.rank);
  });
}

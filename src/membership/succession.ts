/** What the authority wants to follow the view: who is out of it, who has finished, who comes (membership.ts has it agreed). */
import type { View } from "../topology/view.ts";
import { isAdmissible } from "./joining.ts";
import { leftOut } from "./links.ts";
import type { Membership } from "./membership.ts";
import { givenUp } from "./suspicion.ts";
import { successorView } from "./views.ts";

/** So long the others may take to finish before those that have are counted out. */
const overBeats = 8;

/** Nobody is admitted once somebody has finished: the model is being handed in. */
export function wantedView(state: Membership, now: number): View {
  const view = state.view!;
  const gone = givenUp(state, now);
  for (const rank of leftOut(state, gone)) gone.add(rank);
  const over = view.members
    .filter(({ rank }) => (rank === state.rank ? state.over : state.heard.get(rank)?.over))
    .map(({ rank }) => rank);
  if (over.length > 0) state.overSince = Math.min(state.overSince, now);
  const late = now - state.overSince > overBeats * state.options.beatSeconds;
  const finished = new Set(late && over.length < view.members.length ? over : []);
  const stays = view.members.some(({ rank }) => !gone.has(rank) && !state.leaving.has(rank));
  if (stays) for (const rank of state.leaving) finished.add(rank);
  const closed = state.overSince < Number.POSITIVE_INFINITY;
  const joining = [...state.joining.values()].filter(
    (life) => !closed && isAdmissible(state, life, gone),
  );
  return successorView(view, { gone, finished, ended: new Set(over), joining });
}

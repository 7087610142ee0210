/** The end of a run whose members have finished: their models and counts, and what is said of those that are missing. */
import type { EngineResult } from "../engine.ts";
import type { CoordinatorOptions } from "./coordinator-options.ts";
import { fetchFinished, tellMissed } from "./member-calls.ts";
import { resultOf } from "./results.ts";
import { earlyEnd, type Roster } from "./roster.ts";

/**
 * The result of the run; `dismiss` lets members go, once their models are here.
 * @throws ClusterError or CallError when the model is not whole, or nobody came to the end.
 */
export async function conclude(
  { plan, credentials, onEvent }: Pick<CoordinatorOptions, "plan" | "credentials" | "onEvent">,
  of: { readonly roster: Roster; readonly dismiss: () => void },
  facts: Pick<EngineResult, "seconds" | "rowsBefore" | "isStopped">,
): Promise<EngineResult> {
  const { roster, dismiss } = of;
  tellMissed(roster, onEvent);
  const endedEarly = earlyEnd(roster);
  const held = await fetchFinished(roster, credentials, onEvent);
  dismiss();
  const finished = [...roster.entries.values()].filter(
    ({ state, seat }) => state === "finished" && seat.role === "worker",
  );
  const workers = endedEarly === null ? finished.length : plan.workers;
  return resultOf({ plan, roster, held }, { ...facts, endedEarly, workers });
}

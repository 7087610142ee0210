/** Faults as a command asks for them: given, or drawn from a seed to fit a run; with membership beneath the strategy. */
import { type AnyStrategy, seatPlans } from "../../strategies/strategy.ts";
import { membered } from "../membered.ts";
import { drawFaults, linksOf } from "./fault-schedules.ts";
import type { Fault } from "./faults.ts";
import type { SimulationPlan } from "./simulator.ts";

/** What is asked: neither means that nothing happens, and no membership. */
export interface FaultsAsked {
  readonly faults?:
    | { readonly faults: readonly Fault[]; readonly beatSeconds: number | null }
    | undefined;
  readonly faultSeed?: number | undefined;
}

type Priced = Pick<SimulationPlan, "options" | "task" | "workers" | "epochs" | "costs"> & {
  readonly strategy: AnyStrategy;
};

/** A beat is due every so many latencies, and not more often than this. */
const [beatLatencies, beatSecondsMin] = [20, 1e-3] as const;

/**
 * What a plan gains by faults.
 * @throws RangeError when they name members that are not there.
 */
export function underFaults(asked: FaultsAsked, plan: Priced): Partial<SimulationPlan> {
  const { faults, faultSeed } = asked;
  if (!faults && faultSeed === undefined) return {};
  const { strategy, options, task, workers, costs } = plan;
  const seats = seatPlans(strategy, { workers, width: task.width }, options);
  const hasServers = seats.some(({ role }) => role === "server");
  const servers = hasServers ? { servers: options.servers, standby: options.standby } : {};
  // Faults are spread over about the time that learning takes when nothing is waited for.
  const seconds = (plan.epochs * task.rows * costs.learnSecondsPerRow) / workers;
  const drawn = () =>
    drawFaults({
      seed: faultSeed!,
      workers,
      seconds,
      count: Math.ceil(seats.length / 2),
      links: linksOf(faultSeed!),
      ...servers,
    });
  const list = faults?.faults ?? drawn();
  const beyond = list
    .flatMap((fault) => ("ranks" in fault ? fault.ranks : [fault.rank]))
    .find((rank) => rank >= seats.length);
  if (beyond !== undefined) {
    throw new RangeError(
      `the faults name member ${beyond}, and members are 0 to ${seats.length - 1}, servers included`,
    );
  }
  const usual = Math.max(beatSecondsMin, beatLatencies * costs.latencySeconds);
  const beatSeconds = faults?.beatSeconds ?? usual;
  return { strategy: membered(strategy, { beatSeconds, quorum: "majority" }), faults: list };
}

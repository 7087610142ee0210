/**
 * Runs under faults: a strategy with membership beneath it, on the ledger, under a schedule drawn from a seed, and
 * everything that the laws of fault-laws.ts look at.
 */

import type { Task } from "../../learner/learner.ts";
import { ledgerTask } from "../../learner/ledger-task.ts";
import { segmentsPerWorker } from "../../learner/segments.ts";
import { nextBelow, randomStream } from "../../math/random.ts";
import type { Membership, MembershipOptions } from "../../membership/membership.ts";
import { ownersIn, segmentsOf } from "../../membership/segments.ts";
import { isQuorum } from "../../membership/views.ts";
import {
  type AnyStrategy,
  type StrategyOptions,
  seatPlans,
  strategyOptions,
  type View,
} from "../../strategies/strategy.ts";
import { workerRanks } from "../../topology/view.ts";
import { membered } from "../membered.ts";
import { watchConservation } from "./conservation.ts";
import { costs } from "./costs.ts";
import { drawFaults, linksOf } from "./fault-schedules.ts";
import type { Fault } from "./faults.ts";
import { watchLinks } from "./link-watch.ts";
import { runSimulation, type SimulationPlan, type SimulationResult } from "./simulator.ts";

/** A member at the end of a run, its strategy's state included. */
export interface LastState {
  readonly membership: Membership;
  readonly leaving: boolean;
  readonly inner: { readonly state: unknown } | null;
}

/** What a run under faults came to. */
export interface FaultRun {
  readonly strategy: AnyStrategy;
  readonly situation: FaultSituation;
  readonly faults: readonly Fault[];
  readonly result: SimulationResult;
  /** By rank, of the last life. */
  readonly states: readonly LastState[];
  /** Incarnations that each rank had. */
  readonly lives: readonly ReadonlySet<number>[];
  /** Ranks that ran to the end in the last view, or left before in good order. */
  readonly survivors: readonly number[];
  /** Whether those that live are a quorum of the last view: else nobody may decide the next. */
  readonly hasQuorum: boolean;
  /** How views broke their order or differed, in words; null when they did neither. */
  readonly viewFault: string | null;
  /** How segments of rows had no owner or two in a view, in words; null when each had one. */
  readonly rowsFault: string | null;
  /** What merging did not conserve, in words (conservation.ts); null when it conserved all. */
  readonly lossFault: string | null;
  /** How members that do not hear each other stayed in one view, in words; null when they did not for long. */
  readonly linksFault: string | null;
  /** What a watcher of the run found, in words. */
  readonly watched: string | null;
}

/** What a seed draws beside the faults. */
export interface FaultSituation {
  readonly seed: number;
  readonly workers: number;
  readonly options: StrategyOptions;
}

/** How a run differs from what its seed draws. */
export interface FaultGiven {
  readonly workers?: number;
  readonly options?: Partial<StrategyOptions>;
  readonly faults?: readonly Fault[];
  readonly membership?: Partial<MembershipOptions>;
  readonly plan?: Partial<SimulationPlan>;
  /** Changes the strategy with membership beneath it: how tests plant bugs in membership. */
  readonly plant?: (beneath: AnyStrategy) => AnyStrategy;
  /** Looks at a member's own state after each of its steps; returns what is wrong. */
  readonly watch?: (look: { rank: number; state: unknown; now: number }) => string | null;
}

/** Draws how many members there are, and the settings that matter to views. */
export function drawSituation(
  strategy: AnyStrategy,
  seed: number,
  { workers: givenWorkers, options: given = {} }: FaultGiven = {},
): FaultSituation {
  const stream = randomStream({ seed, purpose: "fault-workers" });
  const workers = givenWorkers ?? 3 + nextBelow(stream, 5);
  const topologies = ["ring", "tree", "exponential", "complete"] as const;
  const draw = () =>
    strategyOptions({
      rowsPerUpdate: 2,
      learn: strategy.owns === "columns" ? "gradient" : "local",
      topology: topologies[nextBelow(stream, topologies.length)]!,
      order: nextBelow(stream, 2) === 0 ? "average-then-adapt" : "adapt-then-average",
      servers: 1 + nextBelow(stream, 2),
      standby: nextBelow(stream, 3) > 0,
      staleness: nextBelow(stream, 3),
      stalenessMax: 2 + nextBelow(stream, 5),
      ...given,
    });
  for (let tries = 0; tries < 50; tries++) {
    const options = draw();
    if (!strategy.refuses?.({ workers, width: Math.max(8, workers) }, options)) {
      return { seed, workers, options };
    }
  }
  throw new RangeError(`Cannot draw options as ${strategy.name} refuses all: seed is ${seed}`);
}

/** The faults that a seed draws for a situation. */
export function faultsOf(
  strategy: AnyStrategy,
  { seed, workers, options }: FaultSituation,
): readonly Fault[] {
  const seats = seatPlans(strategy, { workers, width: Math.max(8, workers) }, options);
  const hasServers = seats.some(({ role }) => role === "server");
  const { standby } = options;
  const servers = hasServers ? { servers: options.servers, standby } : {};
  const count = 1 + (seed % 6);
  const about = { seed, workers, seconds: 0.4, count, storm: seed % 5 === 4, links: linksOf(seed) };
  return drawFaults({ ...about, ...servers });
}

/** Runs a strategy under the faults of a seed. */
export function runFaults(strategy: AnyStrategy, seed: number, given: FaultGiven = {}): FaultRun {
  const situation = drawSituation(strategy, seed, given);
  const { workers, options } = situation;
  const faults = given.faults ?? faultsOf(strategy, situation);
  const states: LastState[] = [];
  const lives: Set<number>[] = [];
  const views = watchViews(states);
  const rows = watchRows(workers);
  const links = watchLinks(faults);
  const rule = { beatSeconds: 0.02, quorum: "majority", ...given.membership } as const;
  const conservation = watchConservation(strategy);
  const sound = membered(conservation.strategy, rule);
  const beneath = given.plant ? given.plant(sound) : sound;
  let watched: string | null = null;
  const columns = strategy.owns === "columns";
  const result = runSimulation({
    strategy: {
      ...beneath,
      init(seat, settings) {
        const state = beneath.init(seat, settings);
        states[seat.rank] = state as unknown as LastState;
        lives[seat.rank] ??= new Set();
        return state;
      },
    },
    options,
    task: rows.watched(
      ledgerTask({ workers, rowsPerWorker: columns ? Math.ceil(24 / workers) : 24 }),
    ),
    workers,
    seed,
    epochs: 3,
    costs: costs({
      learnSecondsPerRow: 5e-3,
      learnSpread: { kind: "uniform", width: 0.5 },
      latencySeconds: 1e-3,
      latencySpread: { kind: "exponential" },
    }),
    duplicates: seed % 3 === 0 ? 0.1 : 0,
    faults,
    eventsMax: 50_000,
    watch(now, rank, _event, effects) {
      views.look(rank);
      const { membership, inner } = states[rank]!;
      if (!columns) rows.look(rank, membership.view);
      links.look(membership, { now, effects });
      lives[rank]!.add(membership.incarnation);
      const state = inner?.state;
      if (given.watch && state) watched ??= given.watch({ rank, state, now });
    },
    ...given.plan,
  });
  const last = lastView(states);
  const survivors = survivorsOf(last, states, result.alive);
  // Once somebody has finished, those that did are counted out, and who is left need be no quorum.
  const closed = states.some(({ membership }) => membership.overSince < Number.POSITIVE_INFINITY);
  const hasQuorum = isQuorum({ ...last, left: [] }, new Set(survivors)) || closed;
  const viewFault = views.fault();
  const rowsFault = rows.fault();
  const lossFault = conservation.fault(
    (rank) => survivors.includes(rank) && lives[rank]!.size === 1,
  );
  const about = { strategy, situation, faults, result, states, lives, rowsFault, lossFault };
  const linksFault = links.fault();
  return { ...about, linksFault, survivors, hasQuorum, viewFault, watched };
}

/** Compares every view that any member installs with those of the same number, and with its own before. */
function watchViews(states: readonly LastState[]) {
  const byId = new Map<number, string>();
  const last: { life: string; view: View }[] = [];
  let fault: string | null = null;
  return {
    fault: () => fault,
    look(rank: number) {
      const { view, incarnation } = states[rank]!.membership;
      const before = last[rank];
      if (view === null || before?.view === view) return;
      const life = `${rank}.${incarnation}`;
      if (before?.life === life && view.id <= before.view.id) {
        fault ??= `member ${life} installed view ${view.id} after ${before.view.id}`;
      }
      last[rank] = { life, view };
      const { id, members, left } = view;
      const words = JSON.stringify({ id, members, left });
      const known = byId.get(id) ?? words;
      if (known !== words) fault ??= `two views ${id}: ${known} and ${words}`;
      byId.set(id, known);
    },
  };
}

/**
 * Notes which segments a member has learned from since each view, by the learners that the engine asked for: of the
 * members of one view no two may have the same, and all together have all of them.
 */
function watchRows(workers: number) {
  const segments = segmentsPerWorker * workers;
  const held = Array.from({ length: workers }, (_, rank) =>
    segmentsOf(ownersIn(null, { segments, workers }), rank),
  );
  const owners = new Map<number, { owner: Int32Array; expected: Set<number>; view: View }>();
  let fault: string | null = null;
  return {
    fault() {
      for (const { view, owner, expected } of owners.values()) {
        const nobody = owner.indexOf(-1);
        // Servers may outlast the workers, whose part is over.
        if (expected.size > 0 || nobody < 0 || workerRanks(view).length === 0) continue;
        fault ??= `segment ${nobody} has no owner in view ${view.id}`;
      }
      return fault;
    },
    watched(task: Task): Task {
      return {
        ...task,
        createLearner(seat) {
          if (seat.segments) held[seat.rank] = [...seat.segments];
          return task.createLearner(seat);
        },
      };
    },
    look(rank: number, view: View | null) {
      if (view === null || rank >= workers) return;
      const known = owners.get(view.id) ?? {
        ...{ view, owner: new Int32Array(segments).fill(-1) },
        expected: new Set(workerRanks(view)),
      };
      owners.set(view.id, known);
      if (!known.expected.delete(rank)) return;
      for (const segment of held[rank]!) {
        const other = known.owner[segment]!;
        if (other >= 0)
          fault ??= `segment ${segment} is of members ${other} and ${rank} in view ${view.id}`;
        known.owner[segment] = rank;
      }
    },
  };
}

/** The last view that anybody was in, the dead included. */
function lastView(states: readonly LastState[]): View {
  const views = states.flatMap((state) => (state?.membership.view ? [state.membership.view] : []));
  return views.reduce((last, view) => (view.id > last.id ? view : last));
}

/** A newcomer that found nobody left to copy from took no part. */
function hasModel(state: LastState | undefined): boolean {
  const inner = state?.inner?.state as
    | { joining?: unknown; asked?: unknown; phase?: unknown; standing?: unknown }
    | undefined;
  if (inner === undefined || inner.joining || typeof inner.asked === "number") return false;
  return !["joining", "entering"].includes(String(inner.phase)) && inner.standing !== "apart";
}

function survivorsOf(
  { members, left }: View,
  states: readonly LastState[],
  alive: readonly boolean[],
): number[] {
  return [...members, ...left]
    .filter(({ rank, incarnation }) => {
      const state = states[rank];
      return alive[rank] && hasModel(state) && state!.membership.incarnation === incarnation;
    })
    .map(({ rank }) => rank)
    .sort((a, b) => a - b);
}

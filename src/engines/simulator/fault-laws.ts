/**
 * The laws that strategies keep under faults: each looks at a run and says null, or what is wrong in words. A
 * schedule that breaks one is shrunk to the fewest faults that still do.
 */
import { lackBound } from "../../strategies/peer-lack.ts";
import type { PeerState } from "../../strategies/peer-state.ts";
import type { AnyStrategy } from "../../strategies/strategy.ts";
import { lifeName } from "../../topology/view.ts";
import type { CheckOptions, CheckReport } from "./check.ts";
import { type FaultGiven, type FaultRun, runFaults } from "./fault-runs.ts";
import { faultLines, shrinkFaults } from "./fault-schedules.ts";
import type { Fault } from "./faults.ts";

/** One law under faults. */
export interface FaultLaw {
  readonly name: string;
  /** Strategies it is a law of; without it of all. */
  readonly of?: readonly string[];
  holds(run: FaultRun): string | null;
}

const serverStrategies = ["bsp", "asp", "ssp", "dssp"];

/** Every law. */
export const faultLaws: readonly FaultLaw[] = [
  { name: "ends without deadlock", holds: ends },
  {
    name: "at most one view of each number is installed, in ascending order at every member",
    holds: ({ viewFault }) => viewFault,
  },
  {
    name: "members that do not hear each other are not in one view for long",
    holds: ({ linksFault, hasQuorum }) => (hasQuorum ? linksFault : null),
  },
  {
    name: "every segment of rows has exactly one owner in every view",
    holds: ({ rowsFault }) => rowsFault,
  },
  {
    name: "all members of a view get the same bits in every round",
    of: ["allreduce"],
    holds: replicasAgree,
  },
  {
    name: "no update of a departed member is applied by some members of the view and not by others",
    of: ["peer-to-peer"],
    holds: replicasAgree,
  },
  {
    name: "of a worker that lives every update counts exactly once, or is told as lost by one that was expelled",
    of: ["allreduce", "peer-to-peer", ...serverStrategies],
    holds: livingCount,
  },
  {
    name: "of a worker that lives every update counts exactly once",
    of: ["d-psgd", "ad-psgd", "feature-parallel"],
    holds: ownCount,
  },
  {
    name: "averaging leaves the mean of the replicas unchanged, rows and columns of the weights sum to one in every view",
    of: ["d-psgd"],
    holds: ({ lossFault }) => lossFault,
  },
  {
    name: "an exchange happens exactly once on both, so the sum of the live replicas changes only by learning",
    of: ["ad-psgd"],
    holds: ({ lossFault }) => lossFault,
  },
  {
    name: "every survivor's contribution is in each round exactly once",
    of: ["feature-parallel"],
    holds: ({ lossFault }) => lossFault,
  },
  {
    name: "of a life that ends no more is lost than was open, of one that leaves nothing",
    of: ["allreduce", ...serverStrategies],
    holds: departedCount,
  },
  {
    name: "no update of a departed worker is applied by some servers and dropped by others",
    of: serverStrategies,
    holds: serversAgree,
  },
  {
    name: "a server that alone holds a range is waited for while it lives",
    of: serverStrategies,
    holds: onlyServersStay,
  },
  {
    name: "no worker starts an iteration more than sU ahead of the slowest member of its view",
    of: serverStrategies,
    holds: ({ watched }) => watched,
  },
  {
    name: "no worker begins an update while too many of a lower rank are missing here that another says to have",
    of: ["peer-to-peer"],
    holds: ({ watched }) => watched,
  },
];

function ends({ hasQuorum, result, survivors }: FaultRun): string | null {
  if (!hasQuorum) return null; // those that are left may not go on
  if (result.deadlock) return result.deadlock;
  return survivors.length > 0 ? null : "nobody lived to the end";
}

/** Workers that were there to the end, by rank; those that left before know less. */
function lastWorkers({ survivors, states, situation }: FaultRun): number[] {
  return survivors.filter((rank) => rank < situation.workers && !states[rank]!.leaving);
}

function replicasAgree(run: FaultRun): string | null {
  if (!run.hasQuorum) return null;
  const [first, ...others] = lastWorkers(run).map((rank) => run.result.replicas[rank]!);
  for (const other of others) {
    const rank = other.values.findIndex((value, k) => value !== first!.values[k]);
    if (rank < 0 && other.rows === first!.rows) continue;
    return `of member ${rank} one applied ${first!.values[rank]} updates, another ${other.values[rank]}`;
  }
  return null;
}

/** How many updates of each worker the model holds; null where it cannot be said. */
function modelOf(run: FaultRun): Float32Array | null {
  const { result, states, strategy, situation, survivors } = run;
  if (!serverStrategies.includes(strategy.name)) {
    const [first] = lastWorkers(run);
    return first === undefined ? null : result.replicas[first]!.values;
  }
  const values = new Float32Array(Math.max(8, situation.workers));
  for (let part = 0; part < situation.options.servers; part++) {
    const rank = holderOf(run, part);
    if (rank === undefined || !survivors.includes(rank) || !states[rank]) return null;
    values.set(result.replicas[rank]!.values, result.seats[rank]!.range.from);
  }
  return values;
}

/** The server that held a range when the run ended. */
function holderOf({ states, situation, result }: FaultRun, part: number): number | undefined {
  const { workers, options } = situation;
  const seats = [workers + part, workers + options.servers + part];
  return seats.find((rank) => {
    const inner = states[rank]?.inner?.state as
      | { standing?: string; partner?: unknown }
      | undefined;
    const left = states[rank]?.leaving;
    return result.alive[rank] && inner?.standing === "holder" && !left;
  });
}

function livingCount(run: FaultRun): string | null {
  const model = run.hasQuorum ? modelOf(run) : null;
  if (model === null) return null;
  for (const rank of run.survivors) {
    if (rank >= run.situation.workers) continue;
    if (run.faults.some((fault) => fault.kind === "crash" && fault.rank === rank)) continue;
    const { updates, lost } = run.result.telemetry.members[rank]!;
    const told = run.lives[rank]!.size > 1 ? lost : 0;
    if (model[rank] !== updates - told) {
      const of = told > 0 ? `, of which ${told} are told as lost` : "";
      return `member ${rank} made ${updates} updates${of}, the model holds ${model[rank]}`;
    }
  }
  return null;
}

/** Where every member applies its own updates: all that it made, each once. */
function ownCount({ result, survivors, lives, situation, hasQuorum }: FaultRun): string | null {
  if (!hasQuorum) return null;
  for (const rank of survivors) {
    if (rank >= situation.workers || lives[rank]!.size > 1) continue;
    const { updates, applied } = result.telemetry.members[rank]!;
    if (applied !== updates) return `member ${rank} made ${updates} updates and applied ${applied}`;
  }
  return null;
}

function departedCount(run: FaultRun): string | null {
  const model = run.hasQuorum ? modelOf(run) : null;
  if (model === null) return null;
  for (let rank = 0; rank < run.situation.workers; rank++) {
    const { updates } = run.result.telemetry.members[rank]!;
    const lives = run.lives[rank]!.size;
    const lost = updates - model[rank]!;
    // In rounds one that does not know yet that it was expelled may end a round alone, and learn for the next.
    const openMax = run.strategy.name === "allreduce" ? 2 : 1;
    const open = openMax * (run.survivors.includes(rank) ? lives - 1 : lives);
    if (lost < 0 || lost > open) {
      return `member ${rank} made ${updates} updates in ${lives} lives, the model holds ${model[rank]}`;
    }
  }
  return null;
}

function serversAgree(run: FaultRun): string | null {
  const { situation, result, hasQuorum } = run;
  if (!hasQuorum || modelOf(run) === null) return null;
  const rows = Array.from({ length: situation.options.servers }, (_, part) => {
    return result.replicas[holderOf(run, part)!]!.rows;
  });
  return rows.every((count) => count === rows[0])
    ? null
    : `servers hold the updates of ${rows.join(" and ")} rows`;
}

function onlyServersStay(run: FaultRun): string | null {
  const { situation, hasQuorum, result, states } = run;
  if (!hasQuorum || situation.options.standby) return null;
  for (let part = 0; part < situation.options.servers; part++) {
    const rank = situation.workers + part;
    const lives = [...run.lives[rank]!];
    if (!result.alive[rank] || run.faults.some((fault) => "rank" in fault && fault.rank === rank)) {
      continue;
    }
    if (lives.length > 1) return `server ${rank} was expelled, and with it its range`;
    if (!states[rank]?.inner) return `server ${rank} has no model any more`;
  }
  return null;
}

interface ServerLike {
  readonly role?: string;
  readonly standing?: string;
  readonly flush?: unknown;
  readonly clocks?: {
    readonly counts: Int32Array;
    readonly present: Uint8Array;
    readonly waiting: ReadonlyMap<number, readonly number[]>;
    readonly policy: { readonly upper: number };
  };
}

/** A worker that does not wait may start: it may be at most sU ahead of the slowest that is present. */
function watchLead({ state }: { state: unknown }): string | null {
  const { role, standing, clocks } = state as ServerLike;
  if (role !== "server" || standing !== "holder" || !clocks) return null;
  const waits = new Set([...clocks.waiting.values()].flat());
  const present = [...clocks.counts.keys()].filter((rank) => clocks.present[rank] === 1);
  const slowest = Math.min(...present.map((rank) => clocks.counts[rank]!));
  for (const rank of present) {
    const lead = clocks.counts[rank]! - slowest;
    if (!waits.has(rank) && lead > clocks.policy.upper) {
      return `worker ${rank} may start ${lead} ahead, at most ${clocks.policy.upper} are allowed`;
    }
  }
  return null;
}

/** How far a worker of peer-to-peer was, and how many updates it made since it knew that it lacks too many. */
interface Late {
  readonly incarnation: number;
  readonly clock: number;
  readonly late: number;
}

/** A worker that lacks too many ends the update that it is at, and no other. */
function createLackWatch(): Watch {
  const last = new Map<number, Late>();
  return ({ rank, state }) => {
    const peer = state as PeerState;
    const { incarnation, clock, exhausted } = peer;
    const before = last.get(rank);
    const lack = lackOf(peer);
    const isKnown = lack > lackBound(peer) && !exhausted && before?.incarnation === incarnation;
    const late = isKnown ? before.late + clock - before.clock : 0;
    last.set(rank, { incarnation, clock, late });
    if (late <= 1) return null;
    return `worker ${rank} made ${late} updates while it lacked ${lack} of a member of lower rank`;
  };
}

/** The most updates of a member of lower rank that are missing, by what others say to have. */
function lackOf({ rank, lives, peers }: PeerState): number {
  const present = [...peers.values()].filter(({ standing }) => standing === "present");
  const lacks = present
    .filter((peer) => peer.rank < rank)
    .map((peer) => {
      const life = lifeName(peer.rank, peer.incarnation);
      const told = [...lives.values()]
        .filter(({ standing }) => standing === "present")
        .map(({ has }) => has.get(life) ?? 0);
      return Math.max(...told) - peer.intake.below - peer.intake.ahead.size;
    });
  return Math.max(0, ...lacks);
}

type Watch = NonNullable<FaultGiven["watch"]>;

/** What is looked at while a run of that strategy goes. */
function createWatch({ name }: AnyStrategy): Watch {
  return name === "peer-to-peer" ? createLackWatch() : watchLead;
}

/** A law that a schedule breaks. */
export interface FaultViolation {
  readonly law: string;
  readonly seed: number;
  readonly message: string;
  readonly faults: readonly Fault[];
}

/** Runs one seed and holds it to every law; the first that is broken, with the fewest faults that do it. */
export function checkFaults(
  strategy: AnyStrategy,
  seed: number,
  given: FaultGiven = {},
): FaultViolation | null {
  const runWith = (faults?: readonly Fault[]) => {
    return runFaults(strategy, seed, {
      watch: createWatch(strategy),
      ...given,
      ...(faults ? { faults } : {}),
    });
  };
  const run = runWith(given.faults);
  for (const law of faultLaws) {
    if (law.of && !law.of.includes(strategy.name)) continue;
    if (law.holds(run) === null) continue;
    const faults = shrinkFaults(run.faults, (fewer) => law.holds(runWith(fewer)) !== null);
    return { law: law.name, seed, message: law.holds(runWith(faults))!, faults };
  }
  return null;
}

/** Checks that many seeds; stops at the first that breaks a law. */
export function checkUnderFaults(
  strategy: AnyStrategy,
  { schedules, seed = 1, source = strategy.name }: CheckOptions,
): CheckReport {
  for (let k = seed; k < seed + schedules; k++) {
    const found = checkFaults(strategy, k);
    if (!found) continue;
    const told = [found.message, "the fewest faults that do it:", ...faultLines(found.faults)];
    const replay = `npx glissade check ${source} --fault-seed ${k} --schedules 1`;
    const violation = { seed: k, message: told.join("\n          "), replay };
    const verdict = { law: found.law, schedules: k - seed + 1, violation };
    return { strategy: strategy.name, passed: false, verdicts: [verdict] };
  }
  const own = faultLaws.filter(({ of }) => !of || of.includes(strategy.name));
  const verdicts = own.map(({ name: law }) => ({ law, schedules, violation: null }));
  return { strategy: strategy.name, passed: true, verdicts };
}

/** A violation as lines for a person. */
export function violationLines({ law, seed, message, faults }: FaultViolation): string[] {
  return [`${law}, seed ${seed}: ${message}; the fewest faults that do it:`, ...faultLines(faults)];
}

/**
 * The laws that every strategy keeps under every schedule, each a function from a seed to null or what is
 * wrong. `glissade check` runs them on a user's strategy, the tests and the soak on ours.
 */

import type { Model } from "../../math/replica.ts";
import { serial } from "../../strategies/serial.ts";
import type { AnyStrategy, Seat, StrategyOptions } from "../../strategies/strategy.ts";
import { encodeFrame, readFrame } from "../../wire/frame.ts";
import { type MessageBounds, messageFault } from "../../wire/shape.ts";
import { drawSchedule, ledgerPlan, quadraticPlan, type Schedule } from "./schedules.ts";
import { runSimulation, type SimulationPlan, type SimulationResult } from "./simulator.ts";
import { withoutClocks } from "./traps.ts";

/** One law; `holds` returns null or the violation in words. */
export interface Law {
  readonly name: string;
  holds(strategy: AnyStrategy, seed: number, fixed?: Partial<StrategyOptions>): string | null;
}

/** Every law, cheapest findings first. */
export const laws: readonly Law[] = [
  { name: "reads no clock and no chance", holds: readsNoClock },
  { name: "ends without deadlock", holds: endsWithoutDeadlock },
  { name: "applies every update exactly once", holds: appliesExactlyOnce },
  { name: "repeats for a seed", holds: repeats },
  { name: "lockstep gives the same bits under every delay", holds: ignoresDelays },
  { name: "state and messages are plain data", holds: isPlainData },
  { name: "one worker equals serial bit for bit", holds: equalsSerialAlone },
];

function readsNoClock(strategy: AnyStrategy, seed: number, fixed?: Partial<StrategyOptions>) {
  const plan = ledgerPlan(strategy, drawSchedule(strategy, seed, fixed));
  const read = withoutClocks(() => runSimulation(plan));
  return read === null ? null : `${read}; times arrive in events, chance is a seed in the state`;
}

function endsWithoutDeadlock(
  strategy: AnyStrategy,
  seed: number,
  fixed?: Partial<StrategyOptions>,
) {
  return runSimulation(ledgerPlan(strategy, drawSchedule(strategy, seed, fixed))).deadlock;
}

function appliesExactlyOnce(strategy: AnyStrategy, seed: number, fixed?: Partial<StrategyOptions>) {
  const schedule = drawSchedule(strategy, seed, fixed);
  const result = runSimulation(ledgerPlan(strategy, schedule));
  if (result.deadlock) return null;
  return strategy.conserves(schedule.options) === "sum"
    ? sumViolation(result, schedule)
    : meanViolation(result, schedule);
}

/** Every replica at the end holds every update once; where there are servers, their ranges do. */
function sumViolation(result: SimulationResult, { workers }: Schedule): string | null {
  const hasServers = result.seats.some(({ role }) => role === "server");
  const inParts = hasServers || result.seats.some(({ range }) => range.from > 0);
  const replicas = inParts ? [result.model] : result.replicas;
  const { members } = result.telemetry;
  const rows = members.reduce((sum, member) => sum + member.rows, 0);
  for (let holder = 0; holder < replicas.length; holder++) {
    const { values, rows: held } = replicas[holder]!;
    for (let rank = 0; rank < workers; rank++) {
      const { updates } = members[rank]!;
      if (values[rank] === updates) continue;
      const name = hasServers ? "the servers" : `member ${holder}`;
      return `worker ${rank} handed out ${updates} updates, ${name} applied ${values[rank]}`;
    }
    if (held !== rows) return `members learned ${rows} rows, a replica counts ${held}`;
  }
  return null;
}

function meanViolation({ model, telemetry }: SimulationResult, { workers }: Schedule) {
  for (let rank = 0; rank < workers; rank++) {
    const { updates } = telemetry.members[rank]!;
    const applied = model.values[rank]! * workers;
    if (Math.abs(applied - updates) <= 1e-3 * Math.max(1, updates)) continue;
    return `worker ${rank} handed out ${updates} updates, the mean of the replicas holds ${applied.toFixed(3)} of them`;
  }
  return null;
}

function repeats(strategy: AnyStrategy, seed: number, fixed?: Partial<StrategyOptions>) {
  const plan = quadraticPlan(strategy, drawSchedule(strategy, seed, fixed));
  const first = traceOf(plan);
  const second = traceOf(plan);
  const line = first.findIndex((text, k) => text !== second[k]);
  if (line < 0 && first.length === second.length) return null;
  return `event ${line} differs between two runs of one seed: ${first[line]} / ${second[line]}`;
}

/** The lines of a simulation's trace, and the bits of its result. */
export function traceOf(plan: SimulationPlan): string[] {
  const lines: string[] = [];
  const { model } = runSimulation({ ...plan, trace: (line) => lines.push(line) });
  lines.push(`result ${bitsOf(model)}`);
  return lines;
}

function ignoresDelays(strategy: AnyStrategy, seed: number, fixed?: Partial<StrategyOptions>) {
  if (strategy.pace !== "lockstep") return null;
  const schedule = drawSchedule(strategy, seed, fixed);
  const calm = runSimulation(quadraticPlan(strategy, schedule));
  const costs = {
    ...schedule.costs,
    latencySpread: { kind: "exponential" },
    learnSpread: { kind: "exponential" },
  } as const;
  const other = { ...quadraticPlan(strategy, schedule), costs, seed: seed + 1_000_003 };
  const stormy = runSimulation(other);
  if (bitsOf(calm.model) === bitsOf(stormy.model)) return null;
  return "two runs that differ in delays only give different weights: something depends on the order of arrival";
}

function isPlainData(strategy: AnyStrategy, seed: number, fixed?: Partial<StrategyOptions>) {
  const schedule = drawSchedule(strategy, seed, fixed);
  try {
    const plain = runSimulation(quadraticPlan(strategy, schedule));
    const copied = runSimulation(quadraticPlan(copying(strategy), schedule));
    if (bitsOf(plain.model) === bitsOf(copied.model)) return null;
    return "a run whose state and messages are copied at every step ends differently: something is shared";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * The strategy with its state cloned before every step and its messages framed and read again, and compared with the
 * shapes it declares.
 */
function copying(strategy: AnyStrategy): AnyStrategy {
  const seats: Seat[] = [];
  return {
    ...strategy,
    init(seat, options) {
      seats[seat.rank] = seat;
      return { inner: strategy.init(seat, options), rank: seat.rank };
    },
    step(state: { inner: unknown; rank: number }, replica, event, out) {
      if (event.kind === "message" && strategy.shapes) {
        const bounds = boundsOf(seats, event.from, state.rank);
        const fault = messageFault(strategy.shapes, event.body, bounds);
        if (fault !== null)
          throw new Error(`a message has not the shape that it declares: ${fault}`);
      }
      state.inner = structuredClone(state.inner);
      strategy.step(state.inner, replica, event, {
        push: (effect) =>
          out.push(effect.kind === "send" ? { ...effect, body: reframed(effect.body) } : effect),
      });
    },
  };
}

/** What follows from the places of two members; their values and rows are not bounded here. */
function boundsOf(seats: readonly Seat[], from: number, to: number): MessageBounds {
  const [sender, receiver] = [seats[from]!, seats[to]!];
  const { width, members, workers, range } = receiver;
  return {
    ...{ width, seats, members, workers, own: range.to - range.from },
    theirs: sender.range.to - sender.range.from,
    ...{ senderRole: sender.role, receiverRole: receiver.role, lives: [1, 1] },
    ...{ normMax: Number.MAX_VALUE, batchRowsMax: Number.MAX_VALUE },
    modelRowsMax: Number.MAX_VALUE,
  };
}

function reframed(body: object): unknown {
  const read = readFrame(encodeFrame(body));
  if ("fault" in read) throw new Error(`A message can't be framed: ${read.fault}`);
  return read.body;
}

function equalsSerialAlone(strategy: AnyStrategy, seed: number, fixed?: Partial<StrategyOptions>) {
  const drawn = drawSchedule(strategy, seed, fixed);
  const schedule = { ...drawn, workers: 1, options: { ...drawn.options, learn: "local" as const } };
  if (strategy.refuses?.({ workers: 1, width: 8 }, schedule.options)) return null;
  const alone = runSimulation(quadraticPlan(strategy, schedule));
  const reference = runSimulation(quadraticPlan(serial, schedule));
  if (bitsOf(alone.model) === bitsOf(reference.model)) return null;
  return `one worker ends with other weights than serial after ${reference.model.rows} rows`;
}

/** The bits of a model, as text that two equal models share. */
export function bitsOf({ rows, values }: Model): string {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return `${rows}:${Array.from(words, (word) => word.toString(16)).join(",")}`;
}

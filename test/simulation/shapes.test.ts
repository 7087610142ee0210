/**
 * Shapes of messages: those of real runs have them, whatever members and links suffer; and a message of any strategy
 * with wrong fields is refused, or taken without an exception and without a value that is no number.
 */
import { expect, test } from "vitest";
import { membered } from "../../src/engines/membered.ts";
import { type FaultGiven, runFaults } from "../../src/engines/simulator/fault-runs.ts";
import { nextBelow, type RandomState, randomStream } from "../../src/math/random.ts";
import { createReplica, type Replica } from "../../src/math/replica.ts";
import { messageStrategies } from "../../src/strategies/all.ts";
import type {
  AnyStrategy,
  Effect,
  MessageBody,
  NodeEvent,
  Seat,
} from "../../src/strategies/strategy.ts";
import { encodeFrame, type FrameBody, type FrameField, readFrame } from "../../src/wire/frame.ts";
import { type MessageBounds, messageFault } from "../../src/wire/shape.ts";

const schedules = Number(process.env.SCHEDULES ?? 40);
const parallel = messageStrategies.filter(({ name }) => name !== "serial");
type MessageEvent = NodeEvent<MessageBody> & { readonly kind: "message" };

/** Strategies by how they run: those that may thin updates out do so in half of the runs. */
function optionsOf({ name }: AnyStrategy, seed: number) {
  const thins = ["peer-to-peer", "ad-psgd"].includes(name) && seed % 2 === 0;
  return thins ? ({ values: "f16", topK: seed % 4 === 0 ? 2 : 0 } as const) : {};
}

/** Calls `look` with every message of a run under faults, before the strategy sees it. */
function watchMessages(
  strategy: AnyStrategy,
  seed: number,
  look: (message: Heard) => void,
  given: FaultGiven = {},
): void {
  const seats: Seat[] = [];
  // Changed messages go to the strategy itself: the watchers of a run would count what was never learned.
  const bare = membered(strategy, { beatSeconds: 0.02, quorum: "majority" });
  const plant = (beneath: AnyStrategy): AnyStrategy => ({
    ...beneath,
    init(seat, options) {
      seats[seat.rank] = seat;
      return beneath.init(seat, options);
    },
    step(state, replica, event, out) {
      if (event.kind === "message") {
        const { rank } = state.seat as Seat;
        const bounds = boundsOf(seats, event.from, rank);
        look({ strategy: bare, state, replica, event: event as MessageEvent, bounds });
      }
      beneath.step(state, replica, event, out);
    },
  });
  runFaults(strategy, seed, { plant, options: optionsOf(strategy, seed), ...given });
}

interface Heard {
  readonly strategy: AnyStrategy;
  readonly state: unknown;
  readonly replica: Replica;
  readonly event: MessageEvent;
  readonly bounds: MessageBounds;
}

/** As hearing.ts makes them of a member's place. */
function boundsOf(seats: readonly Seat[], from: number, to: number): MessageBounds {
  const [sender, receiver] = [seats[from]!, seats[to]!];
  const { width, members, workers, range, role } = receiver;
  return {
    ...{ width, seats, members, workers, normMax: 1e12, own: range.to - range.from },
    theirs: sender.range.to - sender.range.from,
    ...{ senderRole: sender.role, receiverRole: role, lives: [1, 2 ** 20] },
    ...{ batchRowsMax: 12 * workers, modelRowsMax: 4 * (4 * 24 * workers + 2 * workers) },
  };
}

/** The message as it comes out of a frame. */
function framed(body: object): FrameBody {
  const read = readFrame(encodeFrame(body));
  if ("fault" in read) throw new Error(read.fault);
  return read.body;
}

test.each(parallel)("$name: every message of real runs has its shape", (strategy) => {
  let messages = 0;
  const kinds = new Set<string>();
  for (let seed = 1; seed <= schedules; seed++) {
    watchMessages(strategy, seed, ({ strategy: { shapes }, event, bounds }) => {
      const body = framed(event.body);
      kinds.add(body.kind);
      messages++;
      const fault = messageFault(shapes!, body, bounds);
      if (fault !== null) throw new Error(`seed ${seed}, ${event.from}: ${fault}`);
    });
  }
  expect(messages).toBeGreaterThan(schedules);
  // Every kind that has a shape is sent in some run, so that none is left over.
  const listed = Object.keys(strategy.shapes!);
  expect(listed.filter((kind) => !kinds.has(kind))).toEqual([]);
});

test("among many members, who pass on what they hear, messages have their shapes too", () => {
  const kinds = new Set<string>();
  const strategy = parallel.find(({ name }) => name === "ad-psgd")!;
  for (let seed = 1; seed <= 8; seed++) {
    const look = ({ strategy: { shapes }, event, bounds }: Heard) => {
      kinds.add(event.body.kind);
      expect(messageFault(shapes!, framed(event.body), bounds)).toBeNull();
    };
    watchMessages(strategy, seed, look, { workers: 12 });
  }
  expect([...kinds]).toEqual(
    expect.arrayContaining(["m/news", "m/wish", "m/heard", "m/closed", "m/install"]),
  );
});

test.each(parallel)("$name: a changed message is refused or does no harm", (strategy) => {
  const chance = randomStream({ seed: 7, purpose: "faults" });
  const counts = { refused: 0, taken: 0 };
  for (let seed = 1; seed <= schedules; seed++) {
    watchMessages(strategy, seed, (heard) => {
      if (nextBelow(chance, 8) > 0) return;
      for (let k = 0; k < 3; k++) {
        const changed = mutated(framed(heard.event.body), heard.bounds, chance);
        const read = readFrame(encodeFrame(changed));
        const { shapes } = heard.strategy;
        if ("fault" in read || messageFault(shapes!, read.body, heard.bounds) !== null) {
          counts.refused++;
        } else {
          counts.taken++;
          take(heard, read.body, seed);
        }
      }
    });
  }
  expect(counts.refused).toBeGreaterThan(100);
  expect(counts.taken).toBeGreaterThan(100);
});

test("without shapes the same changes end members: the tests above can fail", () => {
  const strategy = { ...parallel.find(({ name }) => name === "ad-psgd")!, shapes: {} };
  const chance = randomStream({ seed: 7, purpose: "faults" });
  expect(() =>
    watchMessages(strategy, 1, (heard) => {
      const read = readFrame(encodeFrame(mutated(framed(heard.event.body), heard.bounds, chance)));
      if ("body" in read) take(heard, read.body, 1);
    }),
  ).toThrow(/seed 1/);
});

/** The message is taken by a member like this one, which must live on, all its values numbers. */
function take({ strategy, state, replica, event }: Heard, body: FrameBody, seed: number): void {
  const twin = createReplica(replica.values.length, replica.scale);
  twin.load({ rows: replica.rows, values: replica.values });
  const effects: Effect<unknown>[] = [];
  const copy = structuredClone(state);
  try {
    strategy.step(copy, twin, { ...event, body }, effects);
    // What waits for its turn is taken later: a wake gives it one.
    strategy.step(copy, twin, { kind: "wake", now: event.now + 10 }, effects);
  } catch (error) {
    throw new Error(`seed ${seed}: ${shown(body)}: ${(error as Error).stack}`);
  }
  expect(twin.values.every(Number.isFinite), `seed ${seed}: ${shown(body)}`).toBe(true);
  expect(twin.rows >= 0, `seed ${seed}: ${twin.rows} rows after ${shown(body)}`).toBe(true);
}

function shown(body: FrameBody): string {
  return JSON.stringify(body, (_, value) =>
    ArrayBuffer.isView(value) ? [...(value as never)] : value,
  );
}

const numbers = [
  ...[Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1, 0.5, 2, 3, 7, 255, 1e9, 2 ** 31, 2 ** 32 - 1],
  ...[2 ** 32, Number.MAX_SAFE_INTEGER, 1e300, -1e9],
];

/** One field, rarely two, are something else. */
function mutated(body: FrameBody, bounds: MessageBounds, chance: RandomState): FrameBody {
  const changed: Record<string, FrameField> = { ...body };
  for (let k = nextBelow(chance, 4) === 0 ? 2 : 1; k > 0; k--) {
    const names = Object.keys(changed);
    const name = names[nextBelow(chance, names.length)]!;
    if (nextBelow(chance, 20) === 0) delete changed[name];
    else changed[name] = mutatedField(changed[name]!, bounds, chance);
    if (typeof changed.kind !== "string") changed.kind = "done";
  }
  return changed as FrameBody;
}

function mutatedField(field: FrameField, bounds: MessageBounds, chance: RandomState): FrameField {
  if (nextBelow(chance, 10) === 0) return strange(bounds, chance);
  if (typeof field === "number") {
    return nextBelow(chance, 2) === 0
      ? field + nextBelow(chance, 7) - 3
      : numbers[nextBelow(chance, numbers.length)]!;
  }
  if (typeof field === "boolean") return !field;
  if (typeof field === "string") return kinds[nextBelow(chance, kinds.length)]!;
  if (field === null) return strange(bounds, chance);
  if (!ArrayBuffer.isView(field)) {
    const { index, value } = field;
    if (nextBelow(chance, 2) === 0) return { index, value: spoilt(value, chance) };
    return { index: spoilt(index, chance, value.length), value };
  }
  return spoilt(field, chance);
}

const kinds = [...parallel.flatMap(({ shapes }) => Object.keys(shapes!)), "m/install", "m/closed"];

function spoilt<List extends Float32Array | Float64Array | Uint32Array | Int32Array | Uint8Array>(
  list: List,
  chance: RandomState,
  length = Math.max(0, list.length + [0, 0, 0, -1, 1, 3][nextBelow(chance, 6)]!),
): List {
  const copy = new (list.constructor as new (length: number) => List)(length);
  copy.set(list.subarray(0, length) as never);
  if (length > 0 && nextBelow(chance, 3) > 0) {
    copy[nextBelow(chance, length)] = numbers[nextBelow(chance, numbers.length)]!;
  }
  return copy;
}

function strange({ width, own }: MessageBounds, chance: RandomState): FrameField {
  const length = [0, 1, own, width, width + 1, 100_000][nextBelow(chance, 6)]!;
  const forms: (() => FrameField)[] = [
    ...[() => "text", () => null, () => true, () => new Float32Array(length)],
    ...[() => new Uint32Array(length), () => new Int32Array(length).fill(1)],
    ...[() => new Uint8Array(length), () => new Float64Array(length)],
    () => ({ index: Uint32Array.of(width), value: Float32Array.of(1) }),
    () => ({ index: Uint32Array.of(0), value: Float32Array.of(1) }),
  ];
  return forms[nextBelow(chance, forms.length)]!();
}

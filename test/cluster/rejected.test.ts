/** Members that send what no member sends: in the place of a real one, over real links. */
import { expect, test } from "vitest";
import type { FramesMessage } from "../../src/engines/cluster/frames.ts";
import {
  type EarlyFrame,
  type Hearing,
  hear,
  keepEarly,
  readPlausible,
} from "../../src/engines/cluster/hearing.ts";
import { encodeNote } from "../../src/engines/cluster/job.ts";
import { type FrameStream, Link } from "../../src/engines/cluster/link.ts";
import { LimitWatch, limitDefaults } from "../../src/engines/cluster/protection.ts";
import { readTale } from "../../src/engines/cluster/tales.ts";
import { membered } from "../../src/engines/membered.ts";
import { createReplica, type Replica } from "../../src/math/replica.ts";
import { strategyNamed } from "../../src/strategies/all.ts";
import { strategyOptions } from "../../src/strategies/strategy.ts";
import { encodeFrame } from "../../src/wire/frame.ts";

interface Told {
  readonly link: Link;
  readonly frames: Uint8Array[];
  readonly violations: string[];
  /** What the other side says. */
  hear(message: Partial<FramesMessage>): void;
}

function listening(): Told {
  const frames: Uint8Array[] = [];
  const violations: string[] = [];
  const link = new Link({
    ...{ frame: (bytes) => frames.push(bytes), room() {}, broken() {}, overrun() {} },
    violated(reason) {
      violations.push(reason);
      link.close();
    },
  });
  let listener: (message: FramesMessage) => void = () => {};
  const stream: FrameStream = {
    ...{ write: () => true, end() {}, destroy() {} },
    on(event: string, told: unknown) {
      if (event === "data") listener = told as typeof listener;
    },
  };
  link.attach(stream);
  const hear = (message: Partial<FramesMessage>) =>
    listener({ first: 0, received: 0, frame: [], ...message });
  return { link, frames, violations, hear };
}

const one = (byte: number) => Uint8Array.of(byte);

test("frames that come again, out of order, or before their time end the link and are not passed on", () => {
  for (const [message, reason] of [
    [{ first: 1, frame: [one(1)] }, /sends frame 1 again after 2/],
    [{ first: 2, frame: [one(1)] }, /sends frame 2 again/],
    [{ first: 4, frame: [one(1)] }, /sends frame 4 where 3 is next/],
    [{ first: 0, frame: [one(1)] }, /sends frame 0 again/],
  ] as const) {
    const told = listening();
    told.hear({ first: 1, frame: [one(7), one(8)] });
    told.hear(message);
    told.hear({ first: 3, frame: [one(9)] });
    expect(told.violations).toEqual([expect.stringMatching(reason)]);
    expect(told.frames.map(([byte]) => byte)).toEqual([7, 8]);
  }
});

test("a new stream may begin with frames that were heard, never with a gap", () => {
  const told = listening();
  told.hear({ first: 5, frame: [one(1)] });
  expect(told.violations).toEqual([expect.stringMatching(/sends frame 5 where 1 is next/)]);
});

test("acknowledgements of what was never sent, or fewer than before, drop nothing that waits", () => {
  const ahead = listening();
  ahead.link.send(one(1));
  ahead.hear({ received: 2 });
  expect(ahead.violations).toEqual([expect.stringMatching(/acknowledges 2 frames of 1 sent/)]);
  const back = listening();
  back.link.send(one(1));
  back.hear({ received: 1 });
  back.hear({ received: 0 });
  expect(back.violations).toEqual([expect.stringMatching(/acknowledges 0 frames after 1/)]);
});

const watch = new LimitWatch(limitDefaults, () => {});
const hearing: Hearing = { from: 0, incarnation: 1, watch, job: { epochs: 3 }, updates: 10 };

/** A member whose strategy does not say what its messages look like, or the one of that name. */
function hostOf(replica: Replica, name?: string): Parameters<typeof readPlausible>[1] {
  const to = replica.values.length;
  const seats = [{ role: "worker", range: { from: 0, to } }];
  const seat = { seats, rank: 0, workers: 1, options: strategyOptions(), initial: null };
  const strategy = name ? membered(strategyNamed(name)!, membership) : {};
  return { replica, seat, strategy, width: to } as never;
}

const membership = { beatSeconds: 1, quorum: "majority" } as const;

test("a message of a strategy that says what its messages look like has its shape, or is refused", () => {
  const replica = createReplica(4);
  const host = hostOf(replica, "peer-to-peer");
  const read = (change: object) => {
    const delta = { index: Uint32Array.of(1), value: Float32Array.of(1) };
    const good = { kind: "update", clock: 1, rows: 1, delta, version: 0, seen: null, by: 1, in: 1 };
    return readPlausible(encodeFrame({ ...good, ...change }), host, hearing);
  };
  expect(read({})).toHaveProperty("body");
  for (const [change, fault] of [
    [{ clock: 1.5 }, "update: clock is 1.5, which is no whole number"],
    [{ rows: 1e9 }, "update: rows is 1000000000, not from 0 to 8"],
    [{ rows: Number.NaN }, /rows is NaN/],
    [{ version: "3" }, "update: version is no number"],
    [{ delta: new Float32Array(3) }, /delta/],
    [{ seen: Uint32Array.of(9, 1, 1) }, "update: seen has rank 9 of 1 members"],
    // A life of another process than the one that has the seat.
    [{ by: 5000 }, /by is 5000, not from 1 to 1024/],
    [{ more: 1 }, "update: more is no field of it"],
    [{ kind: "x".repeat(9000) }, /^"x{40}": no message of this run is of that kind$/],
    [{ kind: "constructor" }, /no message of this run/],
  ] as const) {
    expect(read(change)).toEqual({
      fault: typeof fault === "string" ? fault : expect.stringMatching(fault),
    });
  }
});

test("a strategy that throws at a message is at fault itself; the error names message and sender", () => {
  const host = hostOf(createReplica(1));
  const step = () => {
    throw new TypeError("x is undefined");
  };
  const bad = { ...host, strategy: { name: "mine", step }, effects: [], port: { now: () => 0 } };
  expect(() => hear(encodeFrame({ kind: "hello" }), bad as never, hearing)).toThrow(
    'strategy mine failed at message "hello" of member 0: x is undefined',
  );
});

test("frames before the run begins wait, but not without end", () => {
  const early: EarlyFrame[] = [];
  const few = { ...limitDefaults, buffered: 100 };
  const told: string[] = [];
  const strict = new LimitWatch(few, (event) => told.push(event.kind));
  const keep = (bytes: number) =>
    keepEarly(early, new Uint8Array(bytes), { ...hearing, watch: strict });
  expect([keep(60), keep(40), keep(1)]).toEqual([null, null, expect.stringMatching(/may wait/)]);
  expect(early).toHaveLength(2);
  expect(told).toEqual(["limit"]);
});

test("a message whose values are none, absurd, or beyond the model is refused before a strategy sees it", () => {
  const replica = createReplica(100);
  const read = (body: object) => readPlausible(encodeFrame(body), hostOf(replica), hearing);
  const dense = new Float32Array(100);
  expect(read({ kind: "push", delta: dense })).toHaveProperty("body");
  dense[7] = Number.NaN;
  expect(read({ kind: "push", delta: dense })).toEqual({
    fault: "push: delta has values that are no numbers",
  });
  dense[7] = 1e30;
  expect(read({ kind: "push", delta: dense })).toHaveProperty("fault");
  const far = { index: Uint32Array.of(100), value: Float32Array.of(1) };
  expect(read({ kind: "push", delta: far })).toEqual({
    fault: "push: delta has index 100, the model has 100 columns",
  });
  expect(replica.values.every((value) => value === 0)).toBe(true);
});

test("the norm that is allowed is that of weights, whatever the scale of the replica", () => {
  const replica = createReplica(1, () => 1e-20);
  const read = (value: number) =>
    readPlausible(
      encodeFrame({ kind: "push", v: Float32Array.of(value) }),
      hostOf(replica),
      hearing,
    );
  expect(read(1e31)).toHaveProperty("body");
  expect(read(1e33)).toHaveProperty("fault");
});

test("notes of members are checked field by field", () => {
  const good = { kind: "lease", rows: 5, left: -1 } as const;
  expect(readTale(encodeNote(good))).toEqual({ tale: good });
  const extra = { ...good, __proto__: null, admin: true } as never;
  expect(readTale(encodeNote(extra))).toEqual({ tale: good });
  for (const note of [
    { kind: "lease", rows: -1, left: 0 },
    { kind: "lease", rows: 1e300, left: 0 },
    { kind: "lease", rows: 5, left: 0.5 },
    { kind: "lease" },
    { kind: "toString" },
    { kind: "failed", message: "x".repeat(5000) },
    {
      kind: "progress",
      updates: 1,
      rows: 1,
      bytes: 1,
      messages: 1,
      lost: 0,
      longestUpdate: "2",
      wait: null,
    },
    { kind: "view", view: { id: 1, members: [{ rank: 0, incarnation: -1, role: "worker" }] } },
  ]) {
    expect(readTale(encodeNote(note as never))).toHaveProperty("fault");
  }
  expect(readTale(Uint8Array.of(1, 2, 3))).toHaveProperty("fault");
});

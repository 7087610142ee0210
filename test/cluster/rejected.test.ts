/** Members that send what no member sends: in the place of a real one, over real links. */
import { expect, test } from "vitest";
import type { FramesMessage } from "../../src/engines/cluster/frames.ts";
import { readPlausible } from "../../src/engines/cluster/hearing.ts";
import { encodeNote } from "../../src/engines/cluster/job.ts";
import { type FrameStream, Link } from "../../src/engines/cluster/link.ts";
import { readTale } from "../../src/engines/cluster/tales.ts";
import { createReplica } from "../../src/math/replica.ts";
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

test("a message whose values are none, absurd, or beyond the model is refused before a strategy sees it", () => {
  const replica = createReplica(100);
  const seat = { seats: [{ role: "worker", range: { from: 0, to: 100 } }] };
  const host = { replica, seat } as unknown as Parameters<typeof readPlausible>[1];
  const read = (body: object) => readPlausible(encodeFrame(body), host, 1e12);
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
  const seat = { seats: [{ role: "worker", range: { from: 0, to: 1 } }] };
  const host = { replica, seat } as unknown as Parameters<typeof readPlausible>[1];
  const read = (value: number) =>
    readPlausible(encodeFrame({ kind: "push", v: Float32Array.of(value) }), host, 1e12);
  expect(read(1e31)).toHaveProperty("body");
  expect(read(1e33)).toHaveProperty("fault");
});

test("notes of members are checked field by field", () => {
  const good = { kind: "lease", rows: 5 } as const;
  expect(readTale(encodeNote(good))).toEqual({ tale: good });
  const extra = { ...good, __proto__: null, admin: true } as never;
  expect(readTale(encodeNote(extra))).toEqual({ tale: good });
  for (const note of [
    { kind: "lease", rows: -1 },
    { kind: "lease", rows: 1e300 },
    { kind: "lease" },
    { kind: "toString" },
    { kind: "failed", message: "x".repeat(5000) },
    {
      kind: "progress",
      updates: 1,
      rows: 1,
      bytes: 1,
      messages: 1,
      longestUpdate: "2",
      wait: null,
    },
    { kind: "view", view: { id: 1, members: [{ rank: 0, incarnation: -1, role: "worker" }] } },
  ]) {
    expect(readTale(encodeNote(note as never))).toHaveProperty("fault");
  }
  expect(readTale(Uint8Array.of(1, 2, 3))).toHaveProperty("fault");
});

import { EventEmitter } from "node:events";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type FramesMessage, readFrames, writeFrames } from "./frames.ts";
import { FramesSchema } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { type FrameStream, Link } from "./link.ts";

/** One end of a connection in memory; what is written waits until it is passed on, or is lost. */
class Pipe extends EventEmitter {
  readonly sent: FramesMessage[] = [];
  write(message: FramesMessage): boolean {
    this.sent.push(readFrames(writeFrames(message)));
    return true;
  }
  end(): void {}
  destroy(): void {}
}

function recorder(): { link: Link; received: number[]; violations: string[] } {
  const received: number[] = [];
  const violations: string[] = [];
  const ignore = () => {};
  const frame = (bytes: Uint8Array) => void received.push(bytes[0]! + 256 * bytes[1]!);
  const link = new Link({
    ...{ frame, room: ignore, broken: ignore, overrun: ignore },
    violated: (reason) => violations.push(reason),
  });
  return { link, received, violations };
}

afterEach(() => void vi.useRealTimers());

describe("link", () => {
  test("every frame sent is received exactly once and in order, however often the stream breaks", async () => {
    vi.useFakeTimers();
    const names = ["send", "pass", "back", "break", "cross", "late", "step"] as const;
    const actions = fc.array(fc.constantFrom(...names), { maxLength: 200, size: "max" });
    await fc.assert(
      fc.asyncProperty(actions, async (steps) => {
        const [a, b] = [recorder(), recorder()];
        let [left, right] = connect(a.link, b.link);
        let sent = 0;
        // Both dialled, and what the second said on its own stream before it took the other's is still on its way.
        let crossing: Pipe | null = null;
        for (const step of steps) {
          if (step === "send") {
            a.link.send(Uint8Array.of(sent % 256, sent >> 8));
            sent++;
          } else if (step === "pass") passOne(left, right);
          else if (step === "back") passOne(right, left);
          // What is sent in one step of a program leaves after it.
          else if (step === "step") await null;
          else if (step === "cross") {
            crossing = new Pipe();
            b.link.attach(crossing as unknown as FrameStream);
            [left, right] = connect(a.link, b.link);
          } else if (step === "late" && crossing) {
            const end = new Pipe();
            a.link.attach(end as unknown as FrameStream);
            while (crossing.sent.length > 0) passOne(crossing, end);
            crossing = null;
            [left, right] = connect(a.link, b.link);
          } else [left, right] = connect(a.link, b.link);
        }
        [left, right] = connect(a.link, b.link);
        while (left.sent.length > 0 || right.sent.length > 0) {
          passOne(left, right);
          passOne(right, left);
          vi.advanceTimersByTime(100);
          await null;
        }
        expect(b.received).toEqual(Array.from({ length: sent }, (_, k) => k));
        expect(a.link.frames).toBe(0);
        expect([...a.violations, ...b.violations]).toEqual([]);
        a.link.close();
        b.link.close();
      }),
    );
  });
});

test("what is sent in one step leaves in one message, up to its size", async () => {
  const { link } = recorder();
  const pipe = new Pipe();
  link.attach(pipe as unknown as FrameStream);
  pipe.sent.length = 0;
  for (let k = 0; k < 100; k++) link.send(new Uint8Array(1000));
  await null;
  expect(pipe.sent.map(({ frame }) => frame.length)).toEqual([65, 35]);
  link.close();
});

function connect(a: Link, b: Link): [Pipe, Pipe] {
  const [left, right] = [new Pipe(), new Pipe()];
  a.attach(left as unknown as FrameStream);
  b.attach(right as unknown as FrameStream);
  return [left, right];
}

function passOne(from: Pipe, to: Pipe): void {
  const message = from.sent.shift();
  if (message) to.emit("data", message);
}

describe("frames", () => {
  const message = fc.record({
    first: fc.nat(2 ** 31 - 1).map((n) => n * 1000),
    received: fc.nat(),
    frame: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }),
  });

  test("are the bytes that the generated code writes and reads", () => {
    fc.assert(
      fc.property(message, ({ first, received, frame }) => {
        const bytes = writeFrames({ first, received, frame });
        const read = fromBinary(FramesSchema, bytes);
        expect([Number(read.first), Number(read.received)]).toEqual([first, received]);
        expect(read.frame.map((one) => [...one])).toEqual(frame.map((one) => [...one]));
        expect([...toBinary(FramesSchema, read)]).toEqual([...bytes]);
        expect(readFrames(bytes).frame.map((one) => [...one])).toEqual(frame.map((f) => [...f]));
      }),
    );
  });

  test("cut or random bytes are refused with a RangeError, or read", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          readFrames(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});

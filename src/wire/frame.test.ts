import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  announcedBytes,
  encodeFrame,
  frameBytes,
  frameHeaderBytes,
  frameMagic,
  frameVersion,
  readFrame,
  writeFrame,
} from "./frame.ts";

const floats = fc.array(fc.float(), { maxLength: 20 }).map((values) => Float32Array.from(values));
const words = fc
  .array(fc.nat(0xffff_ffff), { maxLength: 20 })
  .map((values) => Uint32Array.from(values));
const field = fc.oneof(
  fc.double(),
  fc.nat(0xffff_ffff),
  fc.boolean(),
  fc.constant(null),
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 12 }),
  floats,
  words,
  floats.map((values) => Float64Array.from(values)),
  words.map((values) => Int32Array.from(values)),
  words.map((values) => Uint8Array.from(values)),
  floats.map((value) => ({ index: Uint32Array.from(value, (_, i) => 3 * i), value })),
);
const name = fc.stringMatching(/^[a-z][a-zA-Z]{0,14}$/).filter((text) => text !== "kind");
const body = fc
  .record({ kind: fc.string({ maxLength: 8 }), fields: fc.dictionary(name, field, { maxKeys: 6 }) })
  .map(({ kind, fields }): object => ({ kind, ...fields }));

describe("frames", () => {
  test("reading a written frame gives the same message, bit for bit", () => {
    fc.assert(
      fc.property(body, (message) => {
        expect(readFrame(encodeFrame(message))).toEqual({ body: { ...message } });
      }),
      { numRuns: 500 },
    );
  });

  test("frameBytes is the length that writeFrame writes", () => {
    fc.assert(
      fc.property(body, (message) => {
        const bytes = new Uint8Array(frameBytes(message));
        expect(writeFrame(message, bytes)).toBe(bytes.length);
        expect(bytes.length % 8).toBe(0);
        expect(announcedBytes(bytes)).toBe(bytes.length);
      }),
    );
  });

  test("a frame cut short anywhere is a fault, never an exception", () => {
    fc.assert(
      fc.property(body, fc.double({ min: 0, max: 1, noNaN: true }), (message, share) => {
        const bytes = encodeFrame(message);
        const cut = bytes.slice(0, Math.floor(share * bytes.length * 0.999));
        expect(readFrame(cut)).toHaveProperty("fault");
      }),
    );
  });

  test("a frame with any bytes changed is read or a fault, never an exception", () => {
    const change = fc.tuple(fc.nat(4096), fc.nat(255));
    fc.assert(
      fc.property(body, fc.array(change, { minLength: 1, maxLength: 8 }), (message, changes) => {
        const bytes = encodeFrame(message);
        for (const [place, value] of changes) bytes[place % bytes.length] = value;
        const read = readFrame(bytes);
        expect("body" in read || "fault" in read).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("bytes of chance behind a good header are read or a fault, never an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: frameHeaderBytes, maxLength: 300 }), (chance) => {
        const bytes = chance.slice(0, chance.length & ~7);
        const view = new DataView(bytes.buffer);
        view.setUint32(0, frameMagic, true);
        view.setUint16(4, frameVersion, true);
        view.setUint32(8, bytes.length, true);
        view.setUint32(16, view.getUint32(16, true) % 300, true);
        const read = readFrame(bytes);
        expect("body" in read || "fault" in read).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("counts that would need more memory than there is are a fault before anything is made", () => {
    const bytes = encodeFrame({ kind: "x", values: new Float32Array(2) });
    const view = new DataView(bytes.buffer);
    const end = frameHeaderBytes + view.getUint32(16, true);
    view.setUint32(end - 4, 0xffff_ffff, true);
    expect(readFrame(bytes)).toEqual({ fault: "field values does not fit" });
  });

  test("a frame of a newer version is refused with words", () => {
    const bytes = encodeFrame({ kind: "x" });
    new DataView(bytes.buffer).setUint16(4, 3, true);
    expect(readFrame(bytes)).toEqual({
      fault:
        "frame is of version 3, this program reads 2: all members must run one version of glissade",
    });
  });

  test("reading takes no more room than the frame is long, whatever its bytes claim", () => {
    const change = fc.tuple(fc.nat(4096), fc.nat(255));
    fc.assert(
      fc.property(body, fc.array(change, { maxLength: 12 }), (message, changes) => {
        const bytes = encodeFrame(message);
        for (const [place, value] of changes) bytes[place % bytes.length] = value;
        const before = process.memoryUsage().arrayBuffers;
        const read = readFrame(bytes);
        // Others may give room back meanwhile, never take it: this thread does one thing at a time.
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThanOrEqual(bytes.length);
        if ("body" in read) expect(roomOf(read.body)).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 1000 },
    );
  });

  test("bytes of chance, without any good header, are a fault", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        if (bytes.length >= 4 && new DataView(bytes.buffer).getUint32(0, true) === frameMagic)
          return;
        expect(readFrame(bytes)).toHaveProperty("fault");
      }),
      { numRuns: 1000 },
    );
  });

  test("a text or a name that no frame holds is the caller's mistake", () => {
    expect(() => encodeFrame({ kind: "x".repeat(0x10000) })).toThrow(RangeError);
    expect(() => encodeFrame({ kind: "x", ["n".repeat(256)]: 1 })).toThrow(RangeError);
  });

  test("a field of no kind that a frame holds is the caller's mistake", () => {
    expect(() => encodeFrame({ kind: "x", nested: { a: 1 } })).toThrow(TypeError);
  });
});

/** Bytes of the arrays of a message. */
function roomOf(message: object): number {
  return Object.values(message).reduce((sum: number, field) => {
    if (ArrayBuffer.isView(field)) return sum + field.byteLength;
    if (typeof field !== "object" || field === null) return sum;
    return sum + field.index.byteLength + field.value.byteLength;
  }, 0);
}

import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeModel, encodeModel, ModelFileError } from "./safetensors.ts";

const codec = {
  encode: (text: string) => new TextEncoder().encode(text),
  decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};

const model = {
  weights: Float32Array.of(1, -2, 3),
  loss: "hinge",
  l2: 1e-4,
  labels: [0, 1],
  indexBase: 1,
  bias: true,
  settings: { epochs: 3 },
  data: "fingerprint",
  names: ["a", "b"],
  version: "0.1.0",
} as const;

test("a model comes back from its bytes as it was", () => {
  expect(decodeModel(encodeModel(model, codec), codec)).toEqual(model);
});

test("tensors start at a multiple of 8, as the format asks", () => {
  const bytes = encodeModel(model, codec);
  const header = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  expect(header % 8).toBe(0);
});

test("a strange or damaged file is refused with words, never with another error", () => {
  const good = encodeModel(model, codec);
  const changes = fc.array(fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(changes, fc.nat({ max: good.length }), (list, length) => {
      const bytes = good.slice(0, length > good.length / 2 ? good.length : length);
      for (const [at, value] of list) if (at < bytes.length) bytes[at] = value;
      try {
        decodeModel(bytes, codec);
      } catch (error) {
        expect(error).toBeInstanceOf(ModelFileError);
      }
    }),
    { numRuns: 2000 },
  );
});

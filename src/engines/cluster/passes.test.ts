import fc from "fast-check";
import { expect, test } from "vitest";
import { tokenForAll } from "./credentials.ts";
import {
  createKeys,
  type Proof,
  proofFault,
  proofOf,
  proofOfCoordinator,
  type StreamFacts,
  signPass,
} from "./passes.ts";

const run = "a run";
const place = { run, rank: -1, incarnation: 1 };
const coordinator = proofOfCoordinator({ admin: "word" }, place)!;

function memberProof(rank: number, incarnation: number): Proof {
  const own = createKeys();
  const pass = signPass(coordinator.own, { run, rank, incarnation }, own.key);
  return { own, pass, seal: coordinator.seal };
}

const facts: StreamFacts = {
  from: { run, rank: 1, incarnation: 2 },
  to: { rank: 0, incarnation: 1 },
  words: ["opens", "session", "", "10.0.0.1:7650"],
};

test("a member proves its own seat, and the coordinator its place, to whoever knows the seal", () => {
  expect(proofFault(proofOf(memberProof(1, 2), facts), facts, coordinator.seal)).toBeNull();
  const own = { ...facts, from: place };
  expect(proofFault(proofOf(coordinator, own), own, coordinator.seal)).toBeNull();
});

test("a proof is good for that seat, that life, that receiver and that stream only", () => {
  const shown = proofOf(memberProof(1, 2), facts);
  const others: StreamFacts[] = [
    { ...facts, from: { ...facts.from, rank: 2 } },
    { ...facts, from: { ...facts.from, rank: -1, incarnation: 1 } },
    { ...facts, from: { ...facts.from, incarnation: 3 } },
    { ...facts, from: { ...facts.from, run: "another" } },
    { ...facts, to: { rank: 3, incarnation: 1 } },
    { ...facts, to: { rank: 0, incarnation: 2 } },
    { ...facts, words: ["opens", "another", "", "10.0.0.1:7650"] },
    { ...facts, words: ["takes", "session", "", "10.0.0.1:7650"] },
    // Words can't be moved across their borders.
    { ...facts, words: ["opens", "session,", "", "10.0.0.1:7650"] },
  ];
  for (const other of others) expect(proofFault(shown, other, coordinator.seal)).not.toBeNull();
});

test("a pass that the coordinator did not sign, or for another's key, proves nothing", () => {
  const own = createKeys();
  const forged = signPass(own, facts.from, own.key);
  const [, stolen] = proofOf(memberProof(1, 2), facts).split(".");
  for (const pass of [forged, stolen!]) {
    const shown = proofOf({ own, pass, seal: coordinator.seal }, facts);
    expect(proofFault(shown, facts, coordinator.seal)).toMatch(/the pass is not that of life 2/);
  }
});

test("whatever is shown in place of a proof is refused in words", () => {
  const good = proofOf(memberProof(1, 2), facts);
  const changed = fc
    .tuple(fc.nat(good.length - 1), fc.string({ maxLength: 3 }))
    .map(([at, text]) => good.slice(0, at) + text + good.slice(at + 1));
  fc.assert(
    fc.property(fc.oneof(fc.string(), changed), (shown) => {
      // The last letter of 64 bytes in base64url has bits that say nothing.
      const bytes = (text: string) => text.split(".").map((part) => Buffer.from(part, "base64url"));
      if (JSON.stringify(bytes(shown)) === JSON.stringify(bytes(good))) return;
      expect(proofFault(shown, facts, coordinator.seal)).toEqual(expect.any(String));
    }),
  );
});

test("a coordinator that is started again has the same seal, in another run or by another word another", () => {
  const seal = (word: string, name: string) =>
    proofOfCoordinator({ admin: word }, { ...place, run: name })!.seal;
  expect(seal("word", run)).toBe(coordinator.seal);
  expect(seal("word", "other")).not.toBe(coordinator.seal);
  expect(seal("other", run)).not.toBe(coordinator.seal);
  expect(proofOfCoordinator(tokenForAll("word"), place)!.seal).toBe(coordinator.seal);
  // Who only knows the token `work` can't make passes.
  expect(proofOfCoordinator({ work: "word" }, place)!.seal).not.toBe(coordinator.seal);
  expect(proofOfCoordinator({}, place)).toBeNull();
});

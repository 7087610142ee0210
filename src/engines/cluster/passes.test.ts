import fc from "fast-check";
import { expect, test } from "vitest";
import { tokenForAll } from "./credentials.ts";
import { nextProcess } from "./lives.ts";
import {
  createKeys,
  giverIn,
  type PassHolder,
  type Proof,
  proofFault,
  proofOf,
  proofOfCoordinator,
  type StreamFacts,
  signGivenPass,
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

/** A seat that the member of that proof gives, with its word for it. */
function givenProof(giver: Proof, of: PassHolder, holder: PassHolder): Proof {
  const own = createKeys();
  const pass = signGivenPass(giver, of, { holder, key: own.key });
  return { own, pass, seal: coordinator.seal };
}

const giver = { run, rank: 1, incarnation: 2 };
const seat = { run, rank: 4, incarnation: nextProcess(3, 1) };
const faultOf = (proof: Proof, from: PassHolder) =>
  proofFault(proofOf(proof, { ...facts, from }), { ...facts, from }, coordinator.seal);

test("a member gives a seat, and who got it may give others: each proves its own, and by whom it is", () => {
  const first = givenProof(memberProof(1, 2), giver, seat);
  expect(faultOf(first, seat)).toBeNull();
  expect(giverIn(proofOf(first, { ...facts, from: seat }))).toEqual({ rank: 1, incarnation: 2 });
  expect(giverIn(proofOf(memberProof(1, 2), facts))).toBeNull();
  const next = { run, rank: 0, incarnation: nextProcess(1, 4) };
  const second = givenProof(first, seat, next);
  expect(faultOf(second, next)).toBeNull();
  expect(giverIn(proofOf(second, { ...facts, from: next }))?.rank).toBe(4);
  // Not the seat of who gave it, nor another life, rank or run.
  for (const from of [seat, giver, { ...next, rank: 2 }, { ...next, run: "another" }]) {
    expect(faultOf(second, from)).toMatch(/the pass is not that of/);
  }
});

test("a member signs for processes of its own numbers only, never for the coordinator, another's seat or a new key", () => {
  const thief = memberProof(1, 2);
  const forged: PassHolder[] = [
    { run, rank: 4, incarnation: 1 },
    { run, rank: 4, incarnation: 2 },
    { run, rank: 4, incarnation: nextProcess(3, 2) },
    { run, rank: 4, incarnation: nextProcess(8191, null) },
    { run, rank: -1, incarnation: 1 },
    { run, rank: -1, incarnation: nextProcess(1, 1) },
  ];
  for (const holder of forged) {
    expect(faultOf(givenProof(thief, giver, holder), holder)).toMatch(/the pass is not that of/);
  }
  // In the name of another member, or of its own life to come, without a pass of the coordinator for it.
  for (const of of [
    { ...giver, rank: 2 },
    { ...giver, incarnation: 3 },
  ]) {
    const holder = { run, rank: 4, incarnation: nextProcess(3, of.rank) };
    expect(faultOf(givenProof(thief, of, holder), holder)).toMatch(/the pass is not that of/);
  }
  const good = givenProof(thief, giver, seat);
  expect(faultOf({ ...good, own: createKeys() }, seat)).toMatch(/the pass is not that of/);
});

test("passes that members gave one after the other are taken up to a length that headers bear", () => {
  const longest = (givers: number) => {
    let [proof, holder]: [Proof, PassHolder] = [memberProof(1, 2), giver];
    for (let k = 0; k < givers; k++) {
      const next = { run, rank: k % 5, incarnation: nextProcess(8192 * k, holder.rank) };
      proof = givenProof(proof, holder, next);
      holder = next;
    }
    expect(proof.pass.length).toBeLessThan(4096);
    return faultOf(proof, holder);
  };
  expect(longest(16)).toBeNull();
  expect(longest(17)).toMatch(/the pass is not that of/);
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

test("whatever is changed in a pass that a member gave is refused in words", () => {
  const from = { ...facts, from: seat };
  const good = proofOf(givenProof(memberProof(1, 2), giver, seat), from);
  // Letters that are no base64url are read over, so a letter is changed to another, never into the same bits.
  const letters = fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZ~:.0123456789");
  fc.assert(
    fc.property(fc.nat(good.length - 1), letters, (at, letter) => {
      const shown = good.slice(0, at) + letter + good.slice(at + 1);
      const bytes = (text: string) =>
        text
          .split(/[.~]/)
          .map(
            (part) => `${/:/.test(part) ? part : Buffer.from(part, "base64url").toString("hex")}`,
          );
      if (JSON.stringify(bytes(shown)) === JSON.stringify(bytes(good))) return;
      expect(proofFault(shown, from, coordinator.seal)).toEqual(expect.any(String));
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

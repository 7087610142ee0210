/**
 * Passes: a process can prove that it has the seat it claims. Every process makes a key pair; with its seat the
 * coordinator signs which life of which rank that key is. Who opens a stream, and who takes one, shows its pass and
 * signs what the stream is: both ends and the words of both sides. So whoever holds the token `work` can't speak as
 * another member, or as the coordinator, and what it hears from others proves nothing to third ones.
 *
 * While the coordinator is gone members give seats (regent.ts): such a pass is signed by the giver's key and carries the
 * giver's own pass, and so on to one that the coordinator signed. A member signs for its own numbers of processes only
 * (lives.ts), so its word is never good for a life that the coordinator or another member gave. Whether a pass by a
 * member is taken at this time the regent of each member decides.
 *
 * The coordinator's own key follows from the token `admin` and the run: one that was started again has the same.
 * Where nobody is asked for tokens there are no passes either. Where one word is the token for everything, whoever
 * works may stop the run too, and make passes.
 *
 * Keys are Ed25519 (RFC 8032), 32 bytes in base64url.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from "node:crypto";
import type { Tokens } from "./credentials.ts";
import { giverOf } from "./lives.ts";

/** A key pair; who knows `key` can check what `secret` signed. */
export interface KeyPair {
  readonly secret: KeyObject;
  readonly key: string;
}

/** Whose seat a pass is for. */
export interface PassHolder {
  readonly run: string;
  readonly rank: number;
  readonly incarnation: number;
}

/** What a process proves its seat by. */
export interface Proof {
  readonly own: KeyPair;
  /** The signature of the own seat and key; where a member gave it, also the giver's seat, key and pass. */
  readonly pass: string;
  /** The coordinator's key. */
  readonly seal: string;
}

/** A stream as one of its ends sees it: from the process that proves its seat to the one that asks. */
export interface StreamFacts {
  readonly from: PassHolder;
  readonly to: Omit<PassHolder, "run">;
  /** What both sides call the link, and where the caller listens. */
  readonly words: readonly string[];
}

/** Members that gave seats one after the other, between a pass and the coordinator: headers have a limit. */
const giversMax = 16;

/** Before every Ed25519 key in DER (RFC 8410). */
const secretHead = Buffer.from("302e020100300506032b657004220420", "hex");

/** The keys of a process that is not the coordinator. */
export function createKeys(): KeyPair {
  const { privateKey } = generateKeyPairSync("ed25519");
  return { secret: privateKey, key: keyOf(privateKey) };
}

/** How the coordinator of a run proves that it is; null where nobody is asked for a token. */
export function proofOfCoordinator(tokens: Tokens, holder: PassHolder): Proof | null {
  const own = sealKeys(tokens, holder.run);
  return own && { own, pass: signPass(own, holder, own.key), seal: own.key };
}

function sealKeys({ observe, work, admin }: Tokens, run: string): KeyPair | null {
  if ((admin ?? work ?? observe) === undefined) return null;
  const seed =
    admin === undefined
      ? randomBytes(32)
      : Buffer.from(hkdfSync("sha256", admin, run, "glissade: passes of seats", 32));
  const secret = createPrivateKey({
    key: Buffer.concat([secretHead, seed]),
    format: "der",
    type: "pkcs8",
  });
  return { secret, key: keyOf(secret) };
}

/** The pass of a seat for whoever has the secret to that key. */
export function signPass({ secret }: KeyPair, holder: PassHolder, key: string): string {
  return sign(null, passText(holder, key), secret).toString("base64url");
}

/** The pass of a seat that a member gives, whose own seat that proof is of. */
export function signGivenPass(
  { own, pass }: Proof,
  giver: PassHolder,
  { holder, key }: { readonly holder: PassHolder; readonly key: string },
): string {
  const signed = sign(null, givenText(giver, holder, key), own.secret).toString("base64url");
  return `${signed}~${giver.rank}:${giver.incarnation}:${own.key}~${pass}`;
}

/** What to show when a stream is opened or taken. */
export function proofOf({ own, pass }: Proof, facts: StreamFacts): string {
  const signed = sign(null, streamText(facts), own.secret).toString("base64url");
  return `${own.key}.${pass}.${signed}`;
}

/** Why what was shown does not prove the seat of who opened or took a stream; null when it does. */
export function proofFault(shown: string, facts: StreamFacts, seal: string): string | null {
  const { rank, incarnation } = facts.from;
  const who = `life ${incarnation} of member ${rank}`;
  const [key = "", pass = "", signed = ""] = shown.split(".");
  if (shown === "") return `no proof of the seat of ${who} was shown`;
  if (!isPass(pass, { holder: facts.from, key }, seal)) return `the pass is not that of ${who}`;
  return isSigned(streamText(facts), signed, key)
    ? null
    : `the proof of ${who} is of another stream`;
}

/** The member that gave a seat, by a proof without fault; null for the coordinator. */
export function giverIn(shown: string): Pick<PassHolder, "rank" | "incarnation"> | null {
  return givenIn(shown.split(".")[1] ?? "")?.giver ?? null;
}

/** Whether the coordinator signed it, or a member that has such a pass itself. */
function isPass(
  pass: string,
  { holder, key }: { readonly holder: PassHolder; readonly key: string },
  seal: string,
): boolean {
  const given = givenIn(pass);
  if (given === null) return isSigned(passText(holder, key), pass, seal);
  if (pass.split("~").length > 2 * giversMax + 1) return false;
  const giver = { run: holder.run, ...given.giver };
  if (holder.rank < 0 || giverOf(holder.incarnation) !== giver.rank) return false;
  if (!isSigned(givenText(giver, holder, key), given.signed, given.key)) return false;
  return isPass(given.pass, { holder: giver, key: given.key }, seal);
}

const givenPattern = /^([\w-]*)~(\d{1,9}):(\d{1,15}):([\w-]*)~(.*)$/;

/** The parts of a pass that a member signed; null for another. */
function givenIn(pass: string) {
  const [, signed, rank, incarnation, key, rest] = givenPattern.exec(pass) ?? [];
  if (rest === undefined) return null;
  const giver = { rank: Number(rank), incarnation: Number(incarnation) };
  return { giver, signed: signed!, key: key!, pass: rest };
}

function isSigned(text: Buffer, signature: string, key: string): boolean {
  try {
    const jwk = { kty: "OKP", crv: "Ed25519", x: key };
    const known = createPublicKey({ key: jwk, format: "jwk" });
    return verify(null, text, known, Buffer.from(signature, "base64url"));
  } catch {
    // Whatever was shown, it is no key.
    return false;
  }
}

function keyOf(secret: KeyObject): string {
  return createPublicKey(secret).export({ format: "jwk" }).x!;
}

function passText({ run, rank, incarnation }: PassHolder, key: string): Buffer {
  return Buffer.from(JSON.stringify(["glissade pass", run, rank, incarnation, key]));
}

function givenText(giver: PassHolder, { rank, incarnation }: PassHolder, key: string): Buffer {
  const by = [giver.run, giver.rank, giver.incarnation];
  return Buffer.from(JSON.stringify(["glissade given pass", ...by, rank, incarnation, key]));
}

function streamText({ from, to, words }: StreamFacts): Buffer {
  const ends = [from.run, from.rank, from.incarnation, to.rank, to.incarnation];
  return Buffer.from(JSON.stringify(["glissade stream", ...ends, ...words]));
}

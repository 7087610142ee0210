/**
 * The gate of a process: whether a caller's token is of the role that a call needs. Tokens are compared as
 * digests and in constant time; the gate itself holds no token.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Metadata } from "@grpc/grpc-js";
import type { Tokens } from "./credentials.ts";
import { Refusal } from "./refusal.ts";
import { includes, type Role, roleNeeded, roles } from "./roles.ts";

/** Name of the header that carries a token. */
export const tokenHeader = "glissade-token";

/** SHA-256 of each role's token, in hexadecimal: what a member checks callers by without knowing tokens. */
export type TokenDigests = Readonly<Partial<Record<Role, string>>>;

/** The digests of tokens. */
export function digestsOf(tokens: Tokens): TokenDigests {
  return Object.fromEntries(
    Object.entries(tokens).map(([role, token]) => [role, digestOf(token).toString("hex")]),
  );
}

/** What a process asks of its callers. */
export class Gate {
  #digests: ReadonlyMap<Role, Buffer> = new Map();
  /** Calls that were refused. */
  denied = 0;

  constructor(digests: TokenDigests) {
    this.ask(digests);
  }

  /** From here on callers need these tokens; without any, everybody may do everything. */
  ask(digests: TokenDigests): void {
    const entries = roles
      .filter((role) => digests[role] !== undefined)
      .map((role) => [role, Buffer.from(digests[role]!, "hex")] as const);
    for (const [role, digest] of entries) {
      if (digest.length !== 32) throw new RangeError(`Cannot use the digest of role ${role}`);
    }
    this.#digests = new Map(entries);
  }

  /** Whether callers show tokens at all. */
  get asks(): boolean {
    return this.#digests.size > 0;
  }

  /** @throws Refusal in words when the caller may not make this call. */
  check(path: string, metadata: Metadata): void {
    const needed = roleNeeded(path);
    if (needed === "open" || !this.asks) return;
    const given = String(metadata.get(tokenHeader)[0] ?? "");
    const role = this.#roleOf(given);
    if (role !== null && includes(role, needed)) return;
    this.denied++;
    throw refusalOf(path.slice(path.lastIndexOf("/") + 1), { given, role, needed });
  }

  /** The highest role whose token this is. All are compared, whichever matches. */
  #roleOf(token: string): Role | null {
    const digest = digestOf(token);
    let found: Role | null = null;
    for (const [role, wanted] of this.#digests) if (timingSafeEqual(digest, wanted)) found = role;
    return found;
  }
}

function refusalOf(
  call: string,
  { given, role, needed }: { given: string; role: Role | null; needed: Role },
): Refusal {
  const how = "by GLISSADE_TOKEN, --token-file or --credentials";
  if (given === "") return new Refusal(`this run wants a token: give it ${how}`, "denied");
  if (role === null) {
    return new Refusal(`the token is not that of this run: give the right one ${how}`, "denied");
  }
  return new Refusal(
    `the token given is for role ${role}, and ${call} needs ${needed}: give that token ${how}`,
    "forbidden",
  );
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

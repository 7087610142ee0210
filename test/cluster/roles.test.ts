/** One table says who may call what: it knows every call of every service that a process offers. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Metadata } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { tokenForAll, tokensIn, tokenToShow } from "../../src/engines/cluster/credentials.ts";
import { digestsOf, Gate, tokenHeader } from "../../src/engines/cluster/gate.ts";
import { isLoopback, refuseOpen } from "../../src/engines/cluster/open-address.ts";
import { roleNeeded, roleOfCall, roles } from "../../src/engines/cluster/roles.ts";
import { root } from "../tidy/sources.ts";

const proto = join(root, "src/engines/cluster/proto");

function callsOfProto(): string[] {
  const files = readdirSync(proto, { recursive: true }).map(String);
  return files
    .filter((name) => name.endsWith(".proto"))
    .flatMap((name) => {
      const text = readFileSync(join(proto, name), "utf8");
      const [, folder] = /^package ([\w.]+);/m.exec(text)!;
      return [...text.matchAll(/^service (\w+) \{([\s\S]*?)^\}/gm)].flatMap(([, service, body]) =>
        [...body!.matchAll(/^\s*rpc (\w+)\(/gm)].map(([, call]) => `/${folder}.${service}/${call}`),
      );
    });
}

test("every call of the proto files has a role, and every role is of a call that there is", () => {
  const calls = callsOfProto();
  expect(calls.length).toBeGreaterThanOrEqual(9);
  expect(calls.filter((call) => !Object.hasOwn(roleOfCall, call))).toEqual([]);
  expect(Object.keys(roleOfCall).filter((call) => !calls.includes(call))).toEqual([]);
  // A call that nobody thought of is for the highest role only.
  expect(roleNeeded("/glissade.cluster.v1.Cluster/Other")).toBe("admin");
});

test("stop takes the token of admin, rows and models that of work, and only probes take none", () => {
  const open = Object.entries(roleOfCall).filter(([, role]) => role === "open");
  expect(open.every(([call]) => /^\/grpc\.(health|reflection)\./.test(call))).toBe(true);
  const tokens = { observe: "o".repeat(20), work: "w".repeat(20), admin: "a".repeat(20) };
  const gate = new Gate(digestsOf(tokens));
  for (const [call, needed] of Object.entries(roleOfCall)) {
    for (const role of roles) {
      const metadata = new Metadata();
      metadata.set(tokenHeader, tokens[role]);
      const allowed = needed === "open" || roles.indexOf(role) >= roles.indexOf(needed);
      const check = () => gate.check(call, metadata);
      if (allowed) expect(check, `${role} ${call}`).not.toThrow();
      else expect(check, `${role} ${call}`).toThrow(/is for role/);
    }
    if (needed !== "open") expect(() => gate.check(call, new Metadata())).toThrow(/wants a token/);
  }
});

test("a refusal holds neither the token that was given nor the right one", () => {
  const gate = new Gate(digestsOf(tokenForAll("the-right-one")));
  const metadata = new Metadata();
  metadata.set(tokenHeader, "a-wrong-one");
  try {
    gate.check("/glissade.cluster.v1.Cluster/Stop", metadata);
    expect.unreachable();
  } catch (error) {
    expect(String(error)).not.toMatch(/the-right-one|a-wrong-one/);
  }
});

test("tokens are a word for all roles or lines by role; anything else is refused without being shown", () => {
  expect(tokensIn("word\n", "FILE")).toEqual(tokenForAll("word"));
  expect(tokensIn("# mine\nwork: abc\nobserve: def\n", "FILE")).toEqual({
    work: "abc",
    observe: "def",
  });
  for (const text of ["secret word", "boss: secret", "work: secret\nwork: secret", "s\nt"]) {
    expect(() => tokensIn(text, "FILE")).toThrow(/^FILE: token \d: expected/);
    expect(() => tokensIn(text, "FILE")).not.toThrow(/secret/);
  }
});

test("a process shows the least token that will do", () => {
  const all = { observe: "o", work: "w", admin: "a" };
  expect([tokenToShow(all, "observe"), tokenToShow(all, "work")]).toEqual(["w", "w"]);
  expect(tokenToShow(all, "admin")).toBe("a");
  expect(tokenToShow({ observe: "o" }, "observe")).toBe("o");
});

test("only loopback needs nothing; other addresses need certificates and a long token, or --insecure", () => {
  const none = { tokens: {}, certificates: null, insecure: false };
  for (const address of ["127.0.0.1:1", "localhost:0", "[::1]:7", "127.9.9.9:1,localhost:2"]) {
    expect(isLoopback(address)).toBe(true);
    expect(refuseOpen(address, none, "listen at")).toBeNull();
  }
  for (const address of ["0.0.0.0:1", "[::]:0", "10.0.0.5:1", "host:1", "127.0.0.1.evil:1"]) {
    expect(refuseOpen(address, none, "listen at")).toMatch(
      /without TLS certificates and a token.*cluster init.*127\.0\.0\.1.*--insecure/,
    );
    expect(refuseOpen(address, { ...none, insecure: true }, "join")).toBeNull();
    const certificates = {} as never;
    const short = { ...none, certificates, tokens: tokenForAll("short") };
    expect(refuseOpen(address, short, "join")).toMatch(/shorter than 16 characters/);
    expect(
      refuseOpen(address, { ...short, tokens: tokenForAll("x".repeat(16)) }, "join"),
    ).toBeNull();
    expect(refuseOpen(address, { ...none, certificates }, "join")).toMatch(/without a token/);
  }
});

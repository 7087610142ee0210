import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readHosts } from "../run/hosts.ts";
import { remoteLine, shellWord, splitWords } from "./ssh.ts";

test("a word comes out of a shell as it went in, whatever is in it", () => {
  const word = fc.string({ unit: "binary", maxLength: 30 }).filter((one) => !one.includes("\0"));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 40 }), (words) => {
      const line = `printf '%s\\0' ${words.map(shellWord).join(" ")}`;
      const printed = execFileSync("sh", ["-c", line], { encoding: "utf8" });
      const shown = words.map((one) => Buffer.from(one).toString("utf8"));
      expect(printed.split("\0").slice(0, -1)).toEqual(shown);
    }),
    { numRuns: 5 },
  );
});

test("commands are split at blanks, quotes hold words together", () => {
  expect(splitWords("ssh -p 2222")).toEqual(["ssh", "-p", "2222"]);
  expect(splitWords(`ssh -F 'a b/c' -o "X=y z"`)).toEqual(["ssh", "-F", "a b/c", "-o", "X=y z"]);
  expect(() => splitWords("")).toThrow(/must have words/);
  expect(() => splitWords(`ssh "a`)).toThrow(/an end for each quote/);
});

/** Runs a host's line the way sshd does, with a program in place of glissade; the connection ends when told to. */
async function runRemote(
  program: string,
  {
    token,
    ends,
    remoteCredentials = null,
  }: { token: string; ends: boolean; remoteCredentials?: string | null },
) {
  const order = { join: "h:1", rank: 3, environment: {} };
  const child = spawn(
    "sh",
    ["-c", remoteLine(order, { remoteCommand: program, remoteCredentials })],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  child.stdin.write(`${token}\n`);
  if (ends) child.stdin.end();
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  child.stdin.destroy();
  return { printed, code: code as number };
}

test("the line of a host gives the member its words and the token, and ends with its code", async () => {
  const program = `sh -c 'echo "$GLISSADE_TOKEN $*"; exit 7' name`;
  const { code, printed } = await runRemote(program, { token: "se$cret '", ends: false });
  expect(printed).toBe("se$cret ' worker --join h:1 --rank 3\n");
  expect(code).toBe(7);
  const given = { token: "t", ends: false, remoteCredentials: "my secrets/work" };
  expect((await runRemote(program, given)).printed).toBe(
    "t worker --join h:1 --rank 3 --credentials my secrets/work\n",
  );
});

test("the member of a host ends when its connection does", async () => {
  const began = performance.now();
  const { code } = await runRemote(`sh -c 'exec sleep 3600' name`, { token: "token", ends: true });
  expect(code).toBe(143);
  expect(performance.now() - began).toBeLessThan(60_000);
});

test("hosts are read with their shares, and nothing that ssh would take for an option", () => {
  expect(readHosts("a:2,me@b:4, [::1]")).toEqual([
    { host: "a", workers: 2 },
    { host: "me@b", workers: 4 },
    { host: "[::1]", workers: 1 },
  ]);
  for (const wrong of ["-oProxyCommand=x:1", "a:0", "a:b", "a b:1", "", "a:1,,b:1"]) {
    expect(() => readHosts(wrong), wrong).toThrow(/expected/);
  }
});

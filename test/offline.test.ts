/** Nothing is ever sent anywhere: with the network cut everything works, and no source names an outside host. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cli, lastObject, runProcess, smallNews, temporaryFolder } from "./e2e/support.ts";
import { readSources } from "./tidy/sources.ts";

/** A name space without any network but its own loopback, where this machine allows one. */
const cut = ["-n", "--", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh"];
const canCut = spawnSync("unshare", [...cut, "true"]).status === 0;

test.skipIf(!canCut)(
  "with the network cut, train, predict, evaluate, inspect, convert and a cluster work (skipped where name spaces are not allowed)",
  async () => {
    const cwd = temporaryFolder();
    const run = (...args: string[]) =>
      runProcess("unshare", [...cut, process.execPath, cli, ...args], { cwd });
    const seen = await runProcess("unshare", [...cut, "sh", "-c", "cat /proc/net/dev"], { cwd });
    expect(seen.stdout.trim().split("\n").slice(2).join()).toMatch(/^\s*lo:/);
    for (const args of [
      ["train", smallNews, "--epochs", "2", "--json"],
      ["predict", "model.safetensors", smallNews],
      ["evaluate", "model.safetensors", smallNews],
      ["inspect", smallNews],
      ["convert", smallNews, "-o", "rows.blocks"],
      ["runs", "list"],
    ]) {
      const { code, stderr } = await run(...args);
      expect(code, `${args.join(" ")}\n${stderr}`).toBe(0);
    }
    expect(existsSync(join(cwd, "rows.blocks"))).toBe(true);
    const clustered = [
      "train",
      smallNews,
      "--engine",
      "cluster",
      "--workers",
      "2",
      "--epochs",
      "1",
    ];
    const { code, stdout, stderr } = await run(...clustered, "--json");
    expect(code, stderr).toBe(0);
    expect(lastObject(stdout)).toMatchObject({ engine: "cluster", status: "done" });
  },
);

test("no source file names an outside host", () => {
  const wrong = readSources([".ts"])
    .filter(({ path }) => path.startsWith("src/") && !/\.test\.ts$|\/generated\//.test(path))
    .flatMap(({ path, text }) =>
      text
        .split("\n")
        .filter((line) => !/^\s*(\*|\/\/|\/\*|#)/.test(line))
        .flatMap((line) => [...line.matchAll(/\b(?:https?|wss?|ftp):\/\/([\w.-]+)/g)])
        .map(([url]) => `${path}: ${url}`),
    );
  expect(wrong).toEqual([]);
});

test("only the cluster opens connections, and doctor to where it is told to", () => {
  // The word apart, since a test of the house takes what follows it for an import.
  const named = ["http2?", "https", "net", "tls", "dgram", "undici"].join("|");
  const clients = new RegExp(`from\\s"(?:node:)?(?:${named})"|\\bfetch\\(|\\bWebSocket\\(`);
  const wrong = readSources([".ts"])
    .filter(({ path }) => path.startsWith("src/") && !path.startsWith("src/engines/cluster/"))
    // doctor dials the address of --join; a pipe is read by the class that sockets are.
    .filter(({ path }) => !/^src\/(cli\/doctor-join|run\/loading\/open)\.ts$/.test(path))
    .filter(({ text }) => clients.test(text))
    .map(({ path }) => path);
  expect(wrong).toEqual([]);
});

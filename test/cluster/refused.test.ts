/** What can be known before rows are read is refused before, with the exit code that docs/cli.md gives it. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { cli, glissade, smallNews, temporaryFolder } from "../e2e/support.ts";

/** Were it read, that would be what is said. */
const missing = "no-such-rows.svm";
const onCluster = ["train", missing, "--engine", "cluster"];

test.each([
  [[...onCluster, "--strategy", "feature-parallel"], "Cannot run feature-parallel on a cluster: "],
  [[...onCluster, "--strategy", "hogwild"], "strategy hogwild does not"],
  [
    [...onCluster, "--workers", "3", "--strategy", "d-psgd", "--topology", "hypercube"],
    "members must be a power of two: current value is 3",
  ],
  [
    ["train", missing, "--workers", "2", "--strategy", "ad-psgd", "--topology", "complete"],
    "Cannot run ad-psgd on threads: ad-psgd runs on topology ring or exponential",
  ],
  [[...onCluster, "--strategy", "./nope.ts"], "nope.ts: there is no file"],
  [["train", missing, "--strategy", "./nope.ts"], "nope.ts: there is no file"],
  [["train", missing, "--hosts", "a:2", "--workers", "3", "--insecure"], "--workers: expected 2"],
  [["coordinator", missing, "--listen", "127.0.0.1"], "--listen: expected HOST:PORT"],
  [["doctor", "--join", "127.0.0.1"], '--join: Cannot join "127.0.0.1" as it must be HOST:PORT'],
  [["status", "--join", "host"], '--join: Cannot join "host" as it must be HOST:PORT'],
])("%j is wrong use", async (args, words) => {
  const { code, stderr } = await glissade(args, { cwd: temporaryFolder() });
  expect([code, stderr]).toEqual([2, expect.stringContaining(words)]);
  expect(stderr).not.toContain(missing);
});

test("a port that is taken, and an address that is another machine's, are told before rows are read", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as { port: number };
  for (const place of [`127.0.0.1:${port}`, "192.0.2.77:7650"]) {
    const args = ["coordinator", missing, "--insecure", "--listen", place];
    const { code, stderr } = await glissade(args, { cwd: temporaryFolder() });
    expect([code, stderr]).toEqual([1, expect.stringContaining(`Cannot listen at ${place}: `)]);
    expect(stderr).not.toContain(missing);
  }
});

test("a run says what it starts, its members where their rows come from, and nothing of connections that end with it", async () => {
  const cwd = temporaryFolder();
  const args = ["train", smallNews, "--engine", "cluster", "--workers", "2", "--epochs", "2"];
  const { code, stderr } = await glissade(args, { cwd });
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/^starting 3 members \(2 workers, 1 server\)$/m);
  expect(stderr.match(/strategy bsp/g)).toHaveLength(1);
  const logs = join(cwd, "runs", readdirSync(join(cwd, "runs"))[0]!, "logs");
  for (const rank of [0, 1]) {
    const log = readFileSync(join(logs, `rank-${rank}.log`), "utf8");
    expect(log).toMatch(/ got its rows from 127\.0\.0\.1:\d+$/m);
    expect(log).not.toMatch(/connection to member/);
  }
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)(
  "a worker that waits for its coordinator leaves at once by %s, with %d",
  async (name, expected) => {
    const silent = createServer((socket) => socket.on("error", () => {}));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    const called = new Promise<void>((resolve) => silent.once("connection", () => resolve()));
    const child = spawn(process.execPath, [cli, "worker", "--join", `127.0.0.1:${port}`], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const ended = new Promise((resolve) =>
      child.on("exit", (code, signal) => resolve({ code, signal })),
    );
    await called;
    const began = performance.now();
    child.kill(name);
    expect(await ended).toEqual({ code: expected, signal: null });
    // Not after --grace, which is 25 s.
    expect(performance.now() - began).toBeLessThan(20_000);
  },
);

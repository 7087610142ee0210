/** The commands around a run of a cluster, as a stranger types them. */
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { startTcpProxy } from "../../scripts/support/tcp-proxy.mjs";
import { glissade, lastObject, smallNews, temporaryFolder } from "../e2e/support.ts";
import { env, startCoordinator } from "./support-commands.ts";
import { heard, processesIn, start, until } from "./support-runs.ts";

/** An address that takes no connections, of a port that the system gives to nobody. */
const dead = "127.0.0.1:1";

describe("doctor", () => {
  test("goes through every step a worker goes through, in text and as one object", async () => {
    const { address } = await startCoordinator(["--workers", "1"]);
    const ask = ["doctor", "--join", address.replace("127.0.0.1", "localhost")];
    const { code, stdout } = await glissade(ask, { env });
    expect(code, stdout).toBe(0);
    const steps = ["name", "port there", "coordinator", "version", "port here", "clock there"];
    for (const step of steps) expect(stdout).toMatch(new RegExp(`^ok {5}${step}: `, "m"));
    const object = lastObject((await glissade([...ask, "--json"], { env })).stdout);
    expect(object).toMatchObject({ command: "doctor", ok: true });
  });

  test("names what is wrong and what to do about it, and exits with 1", async () => {
    const { address } = await startCoordinator(["--workers", "1"]);
    const wrong = async (join: string, more: string[] = [], given = env) => {
      const { code, stdout } = await glissade(["doctor", "--join", join, ...more], { env: given });
      expect(code, stdout).toBe(1);
      return stdout;
    };
    expect(await wrong("no-such-host.invalid:7650", ["--insecure"])).toMatch(
      /wrong {2}name: no-such-host.invalid is not known/,
    );
    expect(await wrong(dead)).toMatch(
      /wrong {2}port there: .* takes none .*: is the coordinator running/,
    );
    expect(await wrong(address, [], { GLISSADE_TOKEN: "other" })).toMatch(
      /wrong {2}coordinator: .*token is not that of this run/,
    );
    const there = await wrong(address, ["--advertise", "127.0.0.9", "--port-range", "1:65535"]);
    expect(there).toMatch(
      /wrong {2}port here: .*I can't reach you at 127\.0\.0\.9:\d+ .*--advertise/,
    );
  });
});

test("a worker that nobody reaches is refused at once, with the address and what to do", async () => {
  const { address } = await startCoordinator(["--workers", "1"]);
  const { code, stderr } = await glissade(["worker", "--join", address, "--advertise", dead], {
    env,
  });
  expect(code).toBe(1);
  expect(stderr).toContain(`I can't reach you at ${dead}`);
  expect(stderr).toMatch(/open that port .*--advertise HOST/);
});

test("a worker behind a wall that drops what comes back is refused in bounded time", async () => {
  const { address } = await startCoordinator(["--workers", "1"]);
  await using wall = await startTcpProxy({
    target: dead,
    toTarget: { hold: true },
    toClient: { hold: true },
  });
  // Nothing listens at the target, but connections to the wall are taken and never answered.
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  onTestFinished(() => void silent.close());
  const began = performance.now();
  const args = ["worker", "--join", address, "--advertise", `127.0.0.1:${port}`];
  const { code, stderr } = await glissade(args, { env });
  expect(code).toBe(1);
  expect(stderr).toContain(`I can't reach you at 127.0.0.1:${port}`);
  expect(performance.now() - began).toBeLessThan(30_000);
  expect(wall.accepted).toBe(0);
});

test("status tells members and waits while a run waits and while it goes; stop ends it well", async () => {
  const { address, ended } = await startCoordinator([
    "--workers",
    "1",
    "--epochs",
    "1000000",
    "--strategy",
    "asp",
  ]);
  const before = await glissade(["status", "--join", address], { env });
  expect(before.stdout).toMatch(
    /^coordinator: gathering, .*\nwaits [0-9.]+ s for worker 0 to join, /,
  );
  const members = [1, 2].map(() => glissade(["worker", "--join", address], { env }));
  let running = "";
  await until(
    async () => {
      running = (await glissade(["status", "--join", address], { env })).stdout;
      return /worker 0 +running/.test(running);
    },
    () => running,
  );
  expect(running).toMatch(/^coordinator: running, view \d+, epoch \S+.*, 2 members, \d+ rows\/s/);
  const narrow = await glissade(["status", "--join", address], { env: { ...env, COLUMNS: "36" } });
  for (const line of narrow.stdout.trimEnd().split("\n"))
    expect(line.length).toBeLessThanOrEqual(36);
  const object = lastObject(
    (await glissade(["status", "--join", address, "--json"], { env })).stdout,
  );
  expect(object.members[0]).toMatchObject({ role: "worker", behind: 0 });
  expect(object).toMatchObject({ command: "status", status: "done", error: null });
  const stopped = await glissade(["stop", "--join", address, "--json"], { env });
  const state = expect.stringMatching(/^stopping/);
  expect(lastObject(stopped.stdout)).toMatchObject({ status: "done", error: null, state });
  const { code, stdout } = await ended;
  expect([code, lastObject(stdout).status]).toEqual([0, "interrupted"]);
  for (const { code: left, stderr } of await Promise.all(members)) expect(left, stderr).toBe(0);
});

test("scale has workers leave and starts others for free seats, and says why there can't be more", async () => {
  const many = ["--workers", "2", "--epochs", "1000000", "--strategy", "allreduce"];
  const { address, ended } = await startCoordinator([...many, "--limits", "members=3"]);
  const members = [1, 2].map(() => glissade(["worker", "--join", address], { env }));
  const ask = (...args: string[]) =>
    glissade([...args, "--join", address, "--json"], { env, cwd: temporaryFolder() });
  let seen: { state: string }[] = [];
  await until(
    async () => {
      seen = lastObject((await ask("status")).stdout).members;
      return seen.filter(({ state }) => state === "running").length === 2;
    },
    () => JSON.stringify(seen),
  );
  const fewer = await ask("scale", "1");
  expect(fewer.code, fewer.stderr).toBe(0);
  expect(lastObject(fewer.stdout)).toMatchObject({ before: 2, workers: 1, left: [1] });
  const more = await ask("scale", "2");
  expect(more.code, more.stderr).toBe(0);
  expect(lastObject(more.stdout)).toMatchObject({ before: 1, workers: 2, left: [] });
  const beyond = await ask("scale", "3");
  expect(beyond.code, beyond.stderr).toBe(0);
  expect(lastObject(beyond.stdout)).toMatchObject({ before: 2, workers: 3, left: [] });
  const tooMany = await ask("scale", "500");
  const words = "expected at most 3 workers, as many as this run has seats for, found 500";
  expect([tooMany.code, tooMany.stderr]).toEqual([2, expect.stringContaining(words)]);
  expect(tooMany.stderr).not.toContain("started process");
  const wrong = await glissade(["scale", "none", "--join", address], { env });
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('found "none"')]);
  await ask("stop");
  expect((await ended).code).toBe(0);
  for (const { code, stderr } of await Promise.all(members)) expect(code, stderr).toBe(0);
});

test("scale starts no more on this machine than --start-limit says, and ends who got no seat", async () => {
  const many = ["--workers", "1", "--epochs", "1000000", "--strategy", "peer-to-peer"];
  const { address, ended } = await startCoordinator([...many, "--limits", "members=3"]);
  const member = glissade(["worker", "--join", address], { env });
  const cwd = temporaryFolder();
  const ask = (...args: string[]) => glissade([...args, "--join", address], { env, cwd });
  await until(
    async () => /worker 0 +running/.test((await ask("status")).stdout),
    () => "worker 0 runs",
  );
  const refused = await ask("scale", "3", "--start-limit", "1");
  const words =
    "3 workers are 2 more than the 1 there are, and this machine starts at most 1 (--start-limit): nothing was started. Ask for at most 2, allow more by --start-limit 2";
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(words)]);
  expect(existsSync(join(cwd, "runs"))).toBe(false);
  // Of processes that scale started those live on that take part, and no others.
  const scaling = start(["scale", "3", "--join", address], cwd, env);
  await heard(scaling, /started process/);
  scaling.child.kill("SIGINT");
  expect((await scaling.ended).code).toBe(130);
  const { members } = lastObject((await ask("status", "--json")).stdout);
  const inside = members.map(({ process }: { process: number }) => `${process}`);
  expect(processesIn(cwd).filter((process) => !inside.includes(process))).toEqual([]);
  await ask("stop");
  await Promise.all([ended, member]);
});

test("cluster init names for each command the part whose role its calls need", async () => {
  const cwd = temporaryFolder();
  const { stdout, code } = await glissade(["cluster", "init", "secrets"], { cwd });
  expect(code, stdout).toBe(0);
  for (const [part, names] of [
    ["admin", "coordinator, scale, stop"],
    ["work", "workers, doctor"],
    ["observe", "status"],
  ]) {
    expect(stdout).toMatch(new RegExp(`^ +${names} +--credentials secrets/${part}$`, "m"));
  }
  const parts = ["--credentials", "secrets/admin", "--listen", "127.0.0.1:0"];
  const coordinator = start(["coordinator", smallNews, "--workers", "1", ...parts], cwd);
  const address = await heard(coordinator, /worker --join (\S+:\d+)/);
  const doctor = ["doctor", "--join", address, "--credentials", "secrets/work"];
  const found = await glissade(doctor, { cwd });
  expect([found.code, found.stdout], found.stdout).toEqual([
    0,
    expect.stringMatching(/ok +port here/),
  ]);
  // One side with TLS and the other without.
  const plain = await glissade(["status", "--join", address], { env });
  expect([plain.code, plain.stderr]).toEqual([
    1,
    expect.stringContaining("give both --credentials"),
  ]);
});

test("nobody there: every command says who does not answer, and exits with 1", async () => {
  for (const command of ["status", "stop"]) {
    const { code, stderr } = await glissade([command, "--join", dead], { env });
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`(Status|Stop) at ${dead}`));
    expect(stderr).toContain("nobody listens there (ECONNREFUSED): is the process up");
    expect(stderr).not.toMatch(/a bug of glissade|Resolution note/);
  }
  const nowhere = await glissade(["status", "--join", "host"], { env });
  expect(nowhere.code).not.toBe(0);
});

test("members never ask an HTTP proxy, whatever the environment names", async () => {
  const proxy = `http://${dead}`;
  const names = [
    "http_proxy",
    "https_proxy",
    "grpc_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "all_proxy",
  ];
  const proxies = Object.fromEntries(names.map((name) => [name, proxy]));
  const args = [
    "train",
    smallNews,
    "--engine",
    "cluster",
    "--workers",
    "2",
    "--epochs",
    "1",
    "--json",
  ];
  const { code, stdout, stderr } = await glissade(args, { cwd: temporaryFolder(), env: proxies });
  expect(code, stderr).toBe(0);
  expect(lastObject(stdout)).toMatchObject({ status: "done", workers: 2 });
});

test("--port-range is kept to, and a range without a free port says which were tried", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as { port: number };
  const args = ["coordinator", smallNews, "--workers", "1", "--listen", "127.0.0.1:0"];
  const range = ["--port-range", `${port}:${port}`];
  const { code, stderr } = await glissade([...args, ...range], { cwd: temporaryFolder(), env });
  expect(code).toBe(1);
  expect(stderr).toMatch(
    new RegExp(`Cannot listen at 127\\.0\\.0\\.1:${port}: .*--port-range with a free port`),
  );
  // The user's mistake, and no bug of ours.
  expect(stderr).not.toMatch(/unexpected error|^ *at /m);
});

test("--interface listens there and tells that address; one that is not there is refused with those that are", async () => {
  const { address } = await startCoordinator([
    "--workers",
    "1",
    "--epochs",
    "1",
    "--strategy",
    "allreduce",
  ]);
  const args = ["worker", "--join", address, "--interface"];
  const wrong = await glissade([...args, "nope0"], { env });
  expect([wrong.code, wrong.stderr]).toEqual([
    2,
    expect.stringMatching(/expected one of .*lo.*, found "nope0"/),
  ]);
  const { code, stderr } = await glissade([...args, "lo"], { env });
  expect(code, stderr).toBe(0);
});

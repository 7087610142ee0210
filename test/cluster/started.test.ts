/** Members that are started in other ways than as children of the run: over ssh, by a scheduler, by hand. */
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freePort } from "../../scripts/support/free-port.mjs";
import {
  cli,
  glissade,
  lastObject,
  type Outcome,
  signalAfter,
  smallNews,
  temporaryFolder,
} from "../e2e/support.ts";
import { processesIn } from "./support-runs.ts";

const train = ["train", smallNews, "--engine", "cluster", "--epochs", "2", "--json"];

/**
 * CI has no sshd: a stand-in with ssh's ways (its options, one line for the shell of the host, 255 for its own
 * failures, the end of its input passed on) shows what the run makes of it; `npm run test:ssh` takes the real one.
 */
function standInForSsh(folder: string): string {
  const path = join(folder, "ssh");
  const script = `#!/bin/sh
while [ "$1" != "--" ]; do shift; done
echo "$2 $3" >> ${folder}/calls
if [ "$2" = unreachable ]; then echo "ssh: connect to host $2 port 22: Connection refused" >&2; exit 255; fi
exec sh -c "$3"
`;
  writeFileSync(path, script);
  chmodSync(path, 0o755);
  return path;
}

function onHosts(folder: string, hosts: string, more: readonly string[] = []): Promise<Outcome> {
  const ssh = standInForSsh(folder);
  const remote = `${process.execPath} ${cli}`;
  const flags = [
    "--insecure",
    "--hosts",
    hosts,
    "--ssh",
    `${ssh} -p 2222`,
    "--remote-command",
    remote,
  ];
  return glissade([...train, ...flags, ...more], { cwd: folder });
}

test("--hosts starts members over ssh, tells their lines with rank and host, and keeps the token off the line", async () => {
  const folder = temporaryFolder();
  const { code, stdout, stderr } = await onHosts(folder, "here:2,me@there:1");
  expect(code, stderr).toBe(0);
  expect(lastObject(stdout)).toMatchObject({ status: "done", workers: 3, engine: "cluster" });
  expect(stderr).toMatch(/^\[1 here\] .*ready$/m);
  expect(stderr).toMatch(/^\[2 me@there\] .*ready$/m);
  const calls = readFileSync(join(folder, "calls"), "utf8").trim().split("\n");
  expect(calls.map((line) => line.split(" ")[0]).toSorted()).toEqual(
    // The server of the strategy is beside the first host's workers.
    ["here", "here", "here", "me@there"],
  );
  expect(calls.join("\n")).not.toMatch(/GLISSADE_TOKEN=/);
  const logs = readdirSync(join(folder, "runs", lastObject(stdout).run, "logs"));
  expect(logs.toSorted()).toEqual([0, 1, 2, 3].map((rank) => `rank-${rank}.log`));
});

test("a host that ssh does not reach, and one without glissade, end the run with what to do", async () => {
  const folder = temporaryFolder();
  const first = await onHosts(folder, "here:1,unreachable:1");
  expect(first.code).toBe(1);
  expect(first.stderr).toMatch(
    /ssh did not get through to unreachable: try "[^"]*ssh -p 2222 -o BatchMode=yes unreachable true"/,
  );
  expect(first.stderr).toMatch(/Connection refused/);
  const second = await onHosts(folder, "here:1", ["--remote-command", "no-such-program"]);
  expect(second.code).toBe(1);
  expect(second.stderr).toMatch(/here can't run "no-such-program": install glissade there/);
});

test("certificates of the hosts are where --remote-credentials says; without it one is told what to do", async () => {
  const folder = temporaryFolder();
  await glissade(["cluster", "init", "secrets"], { cwd: folder });
  const ssh = ["--ssh", standInForSsh(folder), "--remote-command", `${process.execPath} ${cli}`];
  const flags = ["--hosts", "here:2", "--credentials", "secrets/admin", ...ssh];
  // The stand-in's home folder is that of the run.
  const there = ["--remote-credentials", "secrets/work"];
  const { code, stdout, stderr } = await glissade([...train, ...flags, ...there], { cwd: folder });
  expect(code, stderr).toBe(0);
  expect(lastObject(stdout)).toMatchObject({ status: "done", workers: 2 });
  expect(stderr).not.toContain("do not travel");
  const without = await glissade([...train, ...flags], { cwd: folder });
  expect(without.code).toBe(1);
  expect(without.stderr).toMatch(/warning: certificates do not travel: .*--remote-credentials/);
});

test("a failure that all members of the hosts have is told once by them, and once by the run", async () => {
  const folder = temporaryFolder();
  const remote = `${process.execPath} ${cli} --bogus`;
  const { code, stderr } = await onHosts(folder, "here:3", ["--remote-command", remote]);
  expect(code).toBe(1);
  expect(stderr.match(/unknown option '--bogus'/g), stderr).toHaveLength(2);
  expect(stderr).toMatch(/^glissade: first to fail: rank \d at here: ended with code 2$/m);
});

test("ctrl-C ends a run on hosts in good order, and no member is left", async () => {
  const folder = temporaryFolder();
  const remote = `${process.execPath} ${cli}`;
  const ssh = ["--ssh", standInForSsh(folder), "--remote-command", remote];
  const flags = ["--hosts", "here:2", "--insecure", ...ssh];
  const args = ["train", "synthetic:news:rows=20000,columns=2000,seed=3", "--epochs", "1000000"];
  const env = signalAfter("SIGINT", "epoch ");
  const { code, stderr } = await glissade([...args, ...flags], { cwd: folder, env });
  expect(code, stderr).toBe(130);
  expect(existsSync(join(folder, "model.safetensors"))).toBe(true);
  expect(processesIn(folder)).toEqual([]);
});

type Variables = (rank: number, size: number) => Record<string, string>;

/** Starts that many processes as a scheduler does: the same command with other variables. */
function asTasks(variables: Variables, size: number, env: Record<string, string>) {
  const folders = Array.from({ length: size }, temporaryFolder);
  return Promise.all(
    folders.map((cwd, rank) => glissade(train, { cwd, env: { ...variables(rank, size), ...env } })),
  );
}

const masterPort = await freePort();
const schedulers: Record<string, Variables> = {
  "srun's variables": (rank, size) => ({
    ...{ SLURM_PROCID: `${rank}`, SLURM_NTASKS: `${size}`, SLURM_STEP_ID: "0" },
    ...{ SLURM_NODELIST: "localhost", SLURM_LAUNCH_NODE_IPADDR: "127.0.0.1" },
    SLURM_JOB_ID: `${process.pid}`,
  }),
  "mpirun's variables": (rank, size) => ({
    ...{ OMPI_COMM_WORLD_RANK: `${rank}`, OMPI_COMM_WORLD_SIZE: `${size}` },
    ...{ OMPI_COMM_WORLD_LOCAL_SIZE: `${size}`, PMIX_NAMESPACE: `prterun-test-${process.pid}@1` },
  }),
  "torchrun's variables": (rank, size) => ({
    ...{ RANK: `${rank}`, WORLD_SIZE: `${size}`, MASTER_ADDR: "localhost" },
    MASTER_PORT: `${masterPort}`,
  }),
};

for (const [name, variables] of Object.entries(schedulers)) {
  test(`under ${name} rank 0 coordinates and the others join, one worker a task`, async () => {
    const outcomes = await asTasks(variables, 3, { GLISSADE_TOKEN: "in-common" });
    for (const { code, stderr } of outcomes) expect(code, stderr).toBe(0);
    expect(lastObject(outcomes[0]!.stdout)).toMatchObject({ status: "done", workers: 3 });
    expect(outcomes[0]!.stderr).not.toMatch(/cores of this machine/);
    expect(outcomes[1]!.stdout).toBe("");
    expect(outcomes[1]!.stderr).toMatch(/task 1 of 3, by .*: joins at /);
  });
}

test("tasks without a token, or without a host for rank 0, are refused with what to export", async () => {
  const cwd = temporaryFolder();
  const env = { OMPI_COMM_WORLD_RANK: "1", OMPI_COMM_WORLD_SIZE: "3" };
  const first = await glissade(train, { cwd, env });
  expect([first.code, first.stderr]).toEqual([
    2,
    expect.stringContaining("export GLISSADE_TOKEN="),
  ]);
  const second = await glissade(train, { cwd, env: { ...env, GLISSADE_TOKEN: "x" } });
  expect([second.code, second.stderr]).toEqual([
    2,
    expect.stringContaining("export MASTER_ADDR=HOST"),
  ]);
});

#!/usr/bin/env node
/**
 * Tests --hosts with a real sshd on the loopback: a run over two names of this machine, one that is cut by the
 * death of a connection, one with a key that is not let in. Needs root, as sshd does; installs Debian's
 * openssh-server by name where there is no sshd. Usage: npm run test:ssh
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const sshd = "/usr/sbin/sshd";
const cli = new URL("../dist/cli/main.js", import.meta.url).pathname;
const data = "synthetic:news:rows=4000,columns=800,seed=3";

if (process.getuid?.() !== 0) {
  process.stderr.write("ssh: passed over, as sshd must be started by root\n");
  process.exit(0);
}
if (!existsSync(sshd)) install();
const folder = mkdtempSync(join(tmpdir(), "glissade-ssh-"));
const server = await startServer();
let failures = 0;
try {
  await check("a run over two names of this machine", aRun);
  await check("a host that goes away is named", aLostHost);
  await check("a key that is not let in is named", aWrongKey);
} finally {
  server.kill();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures > 0 ? 1 : 0;

async function check(title, test) {
  const wrong = await test().catch((error) => error.stack);
  process.stdout.write(`${wrong ? "broken" : "ok    "} ${title}${wrong ? `: ${wrong}` : ""}\n`);
  if (wrong) failures++;
}

async function aRun() {
  const { code, stdout, stderr } = await train(["127.0.0.1:2,localhost:1"], "user");
  if (code !== 0) return stderr;
  const { status, workers } = JSON.parse(stdout.trim().split("\n").at(-1));
  if (status !== "done" || workers !== 3) return `${status}, ${workers} workers`;
  if (!/^\[2 localhost\] .*ready$/m.test(stderr)) return `no line of member 2 in:\n${stderr}`;
  return leftOver();
}

/** A member is killed: the run, which cannot go on without it, says whom it lost, and nothing is left. */
async function aLostHost() {
  let killed = false;
  const args = ["127.0.0.1:2", "--strategy", "allreduce", "--epochs", "2000"];
  const { code, stderr } = await train(args, "user", (said) => {
    if (killed || !/\[1 127\.0\.0\.1\] .*running/.test(said)) return;
    killed = true;
    const [member] = processesWith("--rank\0" + "1\0", "worker");
    process.kill(member, "SIGKILL");
  });
  if (!killed) return `member 1 never ran:\n${stderr}`;
  if (!/worker 1 was lost/.test(stderr)) return `code ${code}, and nobody is named:\n${stderr}`;
  return leftOver();
}

async function aWrongKey() {
  const { code, stderr } = await train(["127.0.0.1:1"], "stranger");
  if (code !== 1 || !/ssh did not get through to 127\.0\.0\.1: try/.test(stderr)) return stderr;
  return leftOver();
}

/** What a test must not leave behind. */
async function leftOver() {
  await delay(500);
  const left = processesWith(cli, "worker");
  return left.length > 0 ? `processes ${left.join(", ")} are left` : null;
}

function processesWith(...parts) {
  return spawnSync("ls", ["/proc"], { encoding: "utf8" })
    .stdout.split("\n")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      const path = `/proc/${name}/cmdline`;
      const line = existsSync(path) ? readFileSync(path, "utf8") : "";
      return line.startsWith(process.execPath) && parts.every((part) => line.includes(part));
    })
    .map(Number);
}

function train([hosts, ...more], key, watch = () => {}) {
  const ssh = `ssh -F ${join(folder, "ssh_config")} -i ${join(folder, key)}`;
  const remote = `${process.execPath} ${cli}`;
  const flags = [
    "--insecure",
    "--hosts",
    hosts,
    "--ssh",
    ssh,
    "--remote-command",
    remote,
    "--json",
  ];
  const child = spawn(process.execPath, [cli, "train", data, "--epochs", "2", ...flags, ...more], {
    cwd: folder,
  });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8").on("data", (text) => {
      said[name] += text;
      watch(said.stderr);
    });
  }
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, ...said })));
}

function install() {
  process.stderr.write("ssh: installing openssh-server\n");
  const args = ["install", "-y", "--no-install-recommends", "openssh-server", "openssh-client"];
  // At run level 1 Debian starts no service of a package it installs.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const { status } = spawnSync("apt-get", args, { stdio: ["ignore", 2, 2], env });
  if (status !== 0) throw new Error("openssh-server could not be installed: is this Debian?");
}

async function startServer() {
  const port = await freePort();
  for (const name of ["host", "user", "stranger"]) {
    spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)]);
  }
  const lines = [
    ...[`Port ${port}`, "ListenAddress 127.0.0.1", `HostKey ${join(folder, "host")}`],
    ...[`AuthorizedKeysFile ${join(folder, "user.pub")}`, "StrictModes no", "UsePAM no"],
    ...["PasswordAuthentication no", "PermitRootLogin prohibit-password", "PidFile none"],
  ];
  writeFileSync(join(folder, "sshd_config"), `${lines.join("\n")}\n`);
  const client = [
    ...[`Port ${port}`, "StrictHostKeyChecking no", "UserKnownHostsFile /dev/null"],
    ...["LogLevel ERROR", "IdentitiesOnly yes"],
  ];
  writeFileSync(join(folder, "ssh_config"), `${client.join("\n")}\n`);
  mkdirSync("/run/sshd", { recursive: true });
  const args = ["-D", "-e", "-f", join(folder, "sshd_config")];
  const child = spawn(sshd, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  for (const end = Date.now() + 10_000; !said.includes("Server listening"); await delay(20)) {
    if (child.exitCode !== null || Date.now() > end)
      throw new Error(`sshd does not listen:\n${said}`);
  }
  return child;
}

function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  return new Promise((resolve) => {
    server.on("listening", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

#!/usr/bin/env node
/**
 * A cluster over several hosts, as far as one machine can play them: a network namespace for the coordinator and
 * one for each worker, joined by a bridge over veth pairs whose rate is limited (tc tbf). Runs on this network:
 * undisturbed, with a worker's cable pulled and put back at once, and pulled for long. Needs root, and ip and tc
 * of iproute2; leaves no namespace and no process behind. Usage: npm run namespaces -- [--short] [--rate 100mbit]
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    rate: { type: "string", default: "100mbit" },
  },
});
const cli = new URL("../dist/cli/main.js", import.meta.url).pathname;
const workers = 3;
const data = "synthetic:news:rows=20000,columns=2000,seed=3";
/** Longer than a cable is out, on a fast machine too. */
const epochs = values.short ? 60 : 600;
const port = 7650;
const hub = `gl${process.pid}-hub`;
const space = (k) => `gl${process.pid}-${k}`;
const address = (k) => `10.77.0.${k + 1}`;
const cable = (k) => `gl${process.pid}v${k}`;
const folder = mkdtempSync(join(tmpdir(), "glissade-namespaces-"));
const children = new Set();

if (process.getuid?.() !== 0) leave("passed over, as namespaces must be made by root");
const cannot = build();
if (cannot !== null) leave(`passed over, as this machine makes no namespaces: ${cannot}`);
let failures = 0;
try {
  const plain = await check("four hosts, undisturbed", () => aRun({}));
  await check("a cable pulled for half a second", () => aRun({ outSeconds: 0.5, like: plain }));
  if (!values.short) {
    await check("a cable pulled for 8 seconds", () => aRun({ outSeconds: 8, like: plain }));
    await check("a cable pulled for good", () =>
      aRun({ outSeconds: Number.POSITIVE_INFINITY, like: plain }),
    );
  }
} finally {
  for (const child of children) child.kill("SIGKILL");
  clear();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures > 0 ? 1 : 0;

function leave(reason) {
  process.stdout.write(`namespaces: ${reason}\n`);
  clear();
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
}

async function check(title, run) {
  try {
    const { loss, said } = await run();
    process.stdout.write(`ok     ${title}: validation loss ${loss.toFixed(5)}${said}\n`);
    return loss;
  } catch (error) {
    failures++;
    process.stdout.write(`broken ${title}: ${error.message}\n`);
    for (const child of children) child.kill("SIGKILL");
    putBack(workers);
    return null;
  }
}

/** One run; the last worker's cable is out for so many seconds once all learn. */
async function aRun({ outSeconds = 0, like = null }) {
  const flags = [
    "--strategy",
    "asp",
    "--workers",
    `${workers}`,
    "--stop",
    `epochs:${epochs}`,
    "--json",
  ];
  const listen = ["--listen", `${address(0)}:${port}`, "--insecure"];
  const coordinator = start(0, ["coordinator", data, "--l2", "1e-4", ...listen, ...flags]);
  // The server, which nobody can do without, is at the first host; the cable pulled is that of the last.
  const members = [1, 2, 3, 1].map((k, rank) => {
    const wish = ["--rank", `${rank}`, "--insecure"];
    return start(k, ["worker", "--join", `${address(0)}:${port}`, ...wish]);
  });
  await until(() => /^epoch 2/m.test(coordinator.said.stderr), "epoch 2", coordinator);
  if (outSeconds > 0) pull(workers);
  const isForGood = outSeconds === Number.POSITIVE_INFINITY;
  const back = isForGood ? null : delay(1000 * outSeconds).then(() => putBack(workers));
  const { code } = await within(coordinator.ended, 400, "the coordinator to end");
  await back;
  // One that never hears of the others again waits minutes for a quorum before it gives up.
  const cut = members[workers - 1];
  const reached = isForGood ? members.filter((one) => one !== cut) : members;
  await within(Promise.all(reached.map(({ ended }) => ended)), 120, "the members to end").catch(
    ({ message }) => {
      const left = reached.filter(({ child }) => child.exitCode === null);
      throw new Error([message, ...left.map(({ said }) => lastLines(said))].join(":\n"));
    },
  );
  if (cut.child.exitCode === null) cut.child.kill("SIGKILL");
  await cut.ended;
  putBack(workers);
  if (code !== 0)
    throw new Error(`the coordinator ended with code ${code}:\n${lastLines(coordinator.said)}`);
  const { status, validation } = JSON.parse(coordinator.said.stdout.trim().split("\n").at(-1));
  if (status !== "done") throw new Error(`the run is ${status}`);
  const isFar = like !== null && Math.abs(validation.loss / like - 1) > 0.01;
  if (isFar)
    throw new Error(`validation loss ${validation.loss}, undisturbed ${like}: over 1 % apart`);
  const lost = coordinator.said.stderr.match(/^.* was lost: .*$/gm) ?? [];
  return { loss: validation.loss, said: lost.length > 0 ? `; ${lost.join("; ")}` : "" };
}

/** Starts glissade in a namespace. */
function start(k, args) {
  const env = { ...process.env, GLISSADE_TOKEN: "in-common-to-all-hosts" };
  const line = ["netns", "exec", space(k), process.execPath, cli, ...args];
  const child = spawn("ip", line, { cwd: folder, env });
  children.add(child);
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8").on("data", (text) => {
      said[name] += text;
    });
  }
  const ended = new Promise((resolve) => {
    child.on("close", (code) => {
      children.delete(child);
      resolve({ code });
    });
  });
  return { child, said, ended };
}

async function until(holds, what, { said, child }) {
  for (const end = Date.now() + 180_000; !holds(); await delay(20)) {
    if (child.exitCode !== null || Date.now() > end) {
      throw new Error(`waited for ${what}:\n${lastLines(said)}`);
    }
  }
}

function lastLines({ stderr }) {
  return stderr.trimEnd().split("\n").slice(-8).join("\n");
}

async function within(promise, seconds, what) {
  const late = delay(1000 * seconds, null, { ref: false }).then(() => {
    throw new Error(`waited ${seconds} s for ${what}`);
  });
  return Promise.race([promise, late]);
}

function pull(k) {
  ip(["-n", hub, "link", "set", cable(k), "down"]);
}

function putBack(k) {
  ip(["-n", hub, "link", "set", cable(k), "up"]);
}

/** Makes the network; returns why it can't be made, or null. */
function build() {
  const steps = [
    ["netns", "add", hub],
    ["-n", hub, "link", "add", "bridge", "type", "bridge"],
    ["-n", hub, "link", "set", "bridge", "up"],
  ];
  for (let k = 0; k <= workers; k++) {
    const inside = ["-n", space(k)];
    steps.push(
      ["netns", "add", space(k)],
      [...inside, "link", "set", "lo", "up"],
      [...inside, "link", "add", "cable", "type", "veth", "peer", "name", cable(k), "netns", hub],
      [...inside, "address", "add", `${address(k)}/24`, "dev", "cable"],
      [...inside, "link", "set", "cable", "up"],
      ["-n", hub, "link", "set", cable(k), "master", "bridge"],
      ["-n", hub, "link", "set", cable(k), "up"],
    );
  }
  for (const step of steps) {
    const wrong = ip(step);
    if (wrong !== null) return `ip ${step.join(" ")}: ${wrong}`;
  }
  for (let k = 0; k <= workers; k++) {
    const limit = ["rate", values.rate, "burst", "64kb", "latency", "50ms"];
    const args = ["-n", space(k), "qdisc", "add", "dev", "cable", "root", "tbf", ...limit];
    const { status, stderr, error } = spawnSync("tc", args, { encoding: "utf8" });
    if (status !== 0) return `tc tbf: ${stderr || error?.message}`;
  }
  return null;
}

function clear() {
  for (const name of [hub, ...Array.from({ length: workers + 1 }, (_, k) => space(k))]) {
    ip(["netns", "delete", name]);
  }
}

/** Null when it went well, else why not. */
function ip(args) {
  const { status, stderr, error } = spawnSync("ip", args, { encoding: "utf8" });
  return status === 0 ? null : stderr?.trim() || error?.message || "failed";
}

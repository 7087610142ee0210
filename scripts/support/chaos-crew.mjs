/**
 * The processes of a chaos run: a coordinator, and members each behind a TCP proxy of its own, so that its connections
 * can be cut and delayed. Any can be hurt, and new ones started in their place. All work in a folder of the
 * run, write their logs there, and carry its name in their environment; none is left behind.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { noCredentials } from "../../dist/engines/cluster/credentials.js";
import { askStatus } from "../../dist/engines/cluster/public.js";
import { startTcpProxy } from "./tcp-proxy.mjs";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const counting = new URL("./chaos-count.mjs", import.meta.url).pathname;
const mark = "GLISSADE_CHAOS";
/** A member whose run is over looks for its coordinator for a minute, on a busy machine longer. */
const endSecondsMax = 90;

/** Owns processes and proxies, until it is ended. */
export class Crew {
  #folder;
  #plan;
  #port;
  #lives = 0;
  /** All that were ever started: { rank, child, proxy, port, log, ended }. */
  members = [];
  coordinator = null;
  /** The coordinator has ended, and not by us. */
  over = false;

  /** A plan says how the coordinator is started, and how again. */
  static async create(folder, plan) {
    mkdirSync(join(folder, "tmp"), { recursive: true });
    return new Crew(folder, plan, await freePort());
  }

  constructor(folder, plan, port) {
    this.#folder = folder;
    this.#plan = plan;
    this.#port = port;
  }

  get address() {
    return `127.0.0.1:${this.#port}`;
  }

  /** What the coordinator says of the run; null when it says nothing. */
  status() {
    return askStatus({ address: this.address, credentials: noCredentials }).catch(() => null);
  }

  startCoordinator() {
    const again = this.#lives++ > 0;
    const { address } = this;
    const args = this.#plan.coordinator({
      folder: this.#folder,
      address,
      again,
      counting,
      program,
    });
    const log = join(this.#folder, `coordinator-${this.#lives}.log`);
    const out = openSync(join(this.#folder, `coordinator-${this.#lives}.out`), "w");
    const child = this.#spawn(args, [this.#plan.seen ? "pipe" : "ignore", out, openSync(log, "w")]);
    const process = { child, log, ended: once(child, "exit"), wanted: false };
    this.coordinator = process;
    process.ended.then(() => {
      if (!process.wanted) this.over = true;
    });
    return process;
  }

  /** Kills the coordinator, and starts another in its place after a while. */
  async replaceCoordinator(backMs) {
    const process = this.coordinator;
    if (this.over) return;
    process.wanted = true;
    process.child.kill("SIGKILL");
    await process.ended;
    await delay(backMs);
    this.startCoordinator();
  }

  /** Starts a process for that seat; it asks for it, and gets it if it is free. */
  async start(rank) {
    if (this.over) return;
    const port = await freePort();
    const proxy = await startTcpProxy({ target: `127.0.0.1:${port}` });
    const places = ["--listen", `127.0.0.1:${port}`, "--advertise", proxy.address];
    const log = join(this.#folder, `rank-${rank}-${this.members.length + 1}.log`);
    const args = [program, "worker", "--join", this.address, "--rank", String(rank), ...places];
    const child = this.#spawn(args, ["ignore", "ignore", openSync(log, "w")]);
    const first = this.newest(rank) === undefined;
    const member = { rank, child, proxy, port, log, ended: once(child, "exit"), hurt: false };
    this.members.push(member);
    if (first) member.ended.then(([code, signal]) => this.#tellDeath(rank, code, signal));
  }

  #spawn(args, stdio) {
    const env = { ...process.env, [mark]: this.#folder, TMPDIR: join(this.#folder, "tmp") };
    return spawn(process.execPath, args, { cwd: this.#folder, env, stdio });
  }

  /** As a coordinator that started its members would see it. */
  #tellDeath(rank, code, signal) {
    if (!this.#plan.seen || this.over || code === 0) return;
    const reason = signal === null ? `code ${code}` : `killed by ${signal}`;
    this.coordinator.child.stdin.write(`${JSON.stringify({ rank, reason })}\n`);
  }

  newest(rank) {
    return this.members.findLast((member) => member.rank === rank);
  }

  signal(rank, name) {
    const { child } = this.newest(rank);
    if (isAlive(child)) child.kill(name);
  }

  /** Waits until those that were not hurt have ended by themselves; then ends what was. Null, or what is wrong. */
  async end(hurt) {
    const well = this.members.filter(({ rank }) => !hurt.has(rank));
    const late = delay(1000 * endSecondsMax, "late", { ref: false });
    await Promise.race([Promise.all(well.map(({ ended }) => ended)), late]);
    const left = well.filter(({ child }) => isAlive(child));
    const failed = well.filter(({ child }) => !isAlive(child) && child.exitCode !== 0);
    await this.kill();
    if (left.length > 0) return `members ${ranksOf(left)} did not end by themselves`;
    if (failed.length > 0)
      return `members ${ranksOf(failed)} were not hurt, and ended with an error`;
    return null;
  }

  /** Ends whatever still runs, and the proxies. */
  async kill() {
    this.over = true;
    const all = [this.coordinator, ...this.members];
    for (const { child } of all) if (isAlive(child)) child.kill("SIGKILL");
    await Promise.all(all.map(({ ended }) => ended));
    for (const { proxy } of this.members) await proxy[Symbol.asyncDispose]();
  }

  /** Processes of this run that are still there, however they came to be; and ports. Null, or what is left. */
  async leftOver() {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      if (environmentOf(pid).includes(`${mark}=${this.#folder}`)) return `process ${pid} is left`;
    }
    for (const port of [this.#port, ...this.members.map((member) => member.port)]) {
      if (await isOpen(port)) return `port ${port} is left open`;
    }
    const [name] = readdirSync(join(this.#folder, "tmp"));
    return name === undefined ? null : `file tmp/${name} is left`;
  }
}

function ranksOf(members) {
  return members.map(({ rank }) => rank).join(", ");
}

function isAlive({ exitCode, signalCode }) {
  return exitCode === null && signalCode === null;
}

function environmentOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}

/** A port at which one can listen right now. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Whether something listens there. */
async function isOpen(port) {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return false;
  } catch {
    return true;
  } finally {
    server.close();
  }
}

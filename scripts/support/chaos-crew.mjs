/**
 * The processes of a chaos run: a coordinator and members, on a network that can be torn between any two of them. Any
 * can be hurt, and new ones started in their place. All work in a folder of the
 * run, write their logs there, and carry its name in their environment; none is left behind.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { noCredentials } from "../../dist/engines/cluster/credentials.js";
import { askStatus } from "../../dist/engines/cluster/public.js";
import { freePort, isOpen } from "./free-port.mjs";
import { coordinatorRank, dialsFrom, Network } from "./network.mjs";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const counting = new URL("./chaos-count.mjs", import.meta.url).pathname;
const mark = "GLISSADE_CHAOS";
/** A member whose run is over looks for its coordinator for a minute, on a busy machine longer. */
const endSecondsMax = 90;

/** Owns processes and the network, until it is ended. */
export class Crew {
  #folder;
  #plan;
  #port;
  #entrance;
  #lives = 0;
  #finished = new AbortController();
  network = new Network();
  /** All that were ever started: { rank, child, port, log, ended }. */
  members = [];
  coordinator = null;

  /** A plan says how the coordinator is started, and how again. */
  static async create(folder, plan) {
    mkdirSync(join(folder, "tmp"), { recursive: true });
    const crew = new Crew(folder, plan, await freePort());
    crew.#entrance = await crew.network.place(coordinatorRank, crew.address);
    return crew;
  }

  constructor(folder, plan, port) {
    this.#folder = folder;
    this.#plan = plan;
    this.#port = port;
  }

  /** The coordinator has ended, and not by us. */
  get over() {
    return this.#finished.signal.aborted;
  }

  /** So long, but no longer than the run. */
  async lapse(ms) {
    const { signal } = this.#finished;
    await delay(ms, undefined, { signal }).catch(() => {});
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
    // Deaths are told to whoever is there; one that has just died hears nothing.
    child.stdin?.on("error", () => {});
    process.ended.then(() => {
      if (!process.wanted) this.#finished.abort();
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
    await this.lapse(backMs);
    if (!this.over) this.startCoordinator();
  }

  /** Starts a process for that seat; it asks for it, and gets it if it is free. */
  async start(rank) {
    if (this.over) return;
    const port = await freePort();
    const address = await this.network.place(rank, `127.0.0.1:${port}`);
    const places = ["--listen", `127.0.0.1:${port}`, "--advertise", address];
    const log = join(this.#folder, `rank-${rank}-${this.members.length + 1}.log`);
    const args = [program, "worker", "--join", this.#entrance, "--rank", String(rank), ...places];
    const stdio = ["ignore", "ignore", openSync(log, "w")];
    const child = this.#spawn(args, stdio, dialsFrom(rank));
    const first = this.newest(rank) === undefined;
    const member = { rank, child, port, log, ended: once(child, "exit"), hurt: false };
    this.members.push(member);
    if (first) member.ended.then(([code, signal]) => this.#tellDeath(rank, code, signal));
  }

  #spawn(args, stdio, more = {}) {
    const own = { [mark]: this.#folder, TMPDIR: join(this.#folder, "tmp"), ...more };
    const env = { ...process.env, ...own };
    const child = spawn(process.execPath, args, { cwd: this.#folder, env, stdio });
    // The child has files of its own by now; an hour of runs would use up ours.
    for (const file of stdio) if (typeof file === "number") closeSync(file);
    return child;
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

  /** Ends whatever still runs, and the network. */
  async kill() {
    this.#finished.abort();
    const all = [this.coordinator, ...this.members].filter(Boolean);
    for (const { child } of all) if (isAlive(child)) child.kill("SIGKILL");
    await Promise.all(all.map(({ ended }) => ended));
    await this.network[Symbol.asyncDispose]();
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

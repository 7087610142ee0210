/**
 * The processes of a chaos run: each listens behind a TCP proxy of its own, so that its connections can be cut
 * and delayed; any can be hurt, and new ones started in their place. None is left behind.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { startTcpProxy } from "./tcp-proxy.mjs";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;

/** Owns processes and proxies, until it is disposed. */
export class Crew {
  #orders = [];
  #onEnd = () => {};
  #stopping = false;
  /** All that were ever started: { rank, child, proxy, lines }. */
  members = [];

  /** Starts a member for each seat: the `launch` of a cluster. */
  launch = async (orders, onEnd) => {
    this.#orders = orders;
    this.#onEnd = onEnd;
    const started = await Promise.all(orders.map(({ rank }) => this.start(rank)));
    return {
      processes: started.map(({ child }) => child.pid),
      ended: Promise.all(started.map(({ ended }) => ended)).then(() => {}),
      [Symbol.asyncDispose]: () => this.end(),
    };
  };

  /** Starts a process for that seat; it asks for it, and gets it if it is free. */
  async start(rank) {
    const { join, environment } = this.#orders[rank];
    const port = await freePort();
    const proxy = await startTcpProxy({ target: `127.0.0.1:${port}` });
    const args = ["worker", "--join", join, "--rank", String(rank)];
    const places = ["--listen", `127.0.0.1:${port}`, "--advertise", proxy.address];
    const child = spawn(process.execPath, [program, ...args, ...places], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    const member = { rank, child, proxy, port, lines: [], ended: once(child, "exit") };
    child.stderr.setEncoding("utf8").on("data", (text) => member.lines.push(...text.split("\n")));
    const first = this.newest(rank) === undefined;
    this.members.push(member);
    member.ended.then(([code, signal]) => {
      if (this.#stopping || !first || code === 0) return;
      this.#onEnd({ rank, reason: signal === null ? `code ${code}` : `killed by ${signal}` });
    });
    return member;
  }

  newest(rank) {
    return this.members.findLast((member) => member.rank === rank);
  }

  /** Processes that still run. */
  get alive() {
    return this.members.filter(({ child }) => child.exitCode === null && child.signalCode === null);
  }

  /** Ends what still runs, as an engine ends the members it started: by closing their channel. */
  async end() {
    this.#stopping = true;
    for (const { child } of this.alive) {
      child.kill("SIGCONT");
      if (child.connected) child.disconnect();
    }
    const all = Promise.all(this.members.map(({ ended }) => ended));
    const late = await Promise.race([all, delay(5000, "late", { ref: false })]);
    if (late === "late") for (const { child } of this.alive) child.kill("SIGKILL");
    await all;
    for (const { proxy } of this.members) await proxy[Symbol.asyncDispose]();
    return late === "late" ? "some processes had to be killed at the end" : null;
  }
}

/** Ports from which one can be listened at right now. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Whether something listens there. */
export async function isOpen(port) {
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

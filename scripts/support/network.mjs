/**
 * A network that can be torn, of processes on this host: each member listens behind a TCP proxy and dials from a
 * loopback address of its own, so a proxy knows who dials and each pair can be parted, both ways or one. Root is not
 * needed. Who dials from the common address 127.0.0.1 is the coordinator's rank.
 */
import { startTcpProxy } from "./tcp-proxy.mjs";

const preload = new URL("./own-address.mjs", import.meta.url).href;
const addressBase = 10;

/** The coordinator's place among ranks. */
export const coordinatorRank = -1;

/** Owns the proxies of all processes, until it is disposed. */
export class Network {
  #proxies = [];
  /** Tears that hold: { holds(from, to), fate }. */
  #tears = new Set();

  /** Starts a proxy in front of that member's, or the coordinator's, HOST:PORT; returns where others reach it. */
  async place(rank, target) {
    const fate = (client) => this.#fateOf(rankAt(client), rank);
    const proxy = await startTcpProxy({ target, fate });
    this.#proxies.push(proxy);
    return proxy.address;
  }

  /**
   * Does that to connections from one rank to another for which it holds, until the function that it returns is called.
   */
  tear(holds, fate) {
    const tear = { holds, fate };
    this.#tears.add(tear);
    for (const proxy of this.#proxies) proxy.sift();
    return () => {
      this.#tears.delete(tear);
      for (const proxy of this.#proxies) proxy.sift();
    };
  }

  async [Symbol.asyncDispose]() {
    await Promise.all(this.#proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
  }

  #fateOf(from, to) {
    const holding = [...this.#tears].filter(({ holds }) => holds(from, to));
    return Object.assign({}, ...holding.map(({ fate }) => fate));
  }
}

/** What a process of that rank has in its environment so that it dials from an address of its own. */
export function dialsFrom(rank) {
  return {
    NODE_OPTIONS: `--import ${preload}`,
    GLISSADE_FROM: `127.0.0.${addressBase + rank}`,
  };
}

function rankAt(address) {
  const last = Number(address.split(".").at(-1));
  return last < addressBase ? coordinatorRank : last - addressBase;
}

/** Between those ranks and all others, the coordinator too, both ways. */
export function around(ranks) {
  return (from, to) => ranks.includes(from) !== ranks.includes(to);
}

/** Between two ranks, both ways. */
export function between(one, other) {
  return (from, to) => (from === one && to === other) || (from === other && to === one);
}

/** What others dial to that rank; its own connections to them stay. */
export function towards(rank) {
  return (_from, to) => to === rank;
}

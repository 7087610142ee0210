/**
 * A TCP proxy for tests and chaos: between a process and another, it delays bytes, limits their rate, holds
 * them back, forgets one side of a connection, and cuts connections; each direction by itself. It has no
 * randomness of its own: whoever uses it decides when what happens.
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Bytes of a direction that wait in the proxy before it stops to read. */
const heldBytesMax = 256 * 1024;

/**
 * Starts a proxy in front of HOST:PORT.
 * @throws Error when the port can't be had.
 */
export async function startTcpProxy({ target, listen = "127.0.0.1:0", fate, toTarget, toClient }) {
  const proxy = new TcpProxy(placeOf(target), fate);
  proxy.shape({ toTarget, toClient });
  await proxy.listen(placeOf(listen));
  return proxy;
}

function placeOf(address) {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

/** Owns the listening socket and all connections through it, until it is disposed. */
class TcpProxy {
  #target;
  #server = createServer({ allowHalfOpen: true }, (client) => this.#connect(client));
  #pairs = new Set();
  #shapes = { toTarget: calm(), toClient: calm() };
  #refusing = false;
  address = "";
  accepted = 0;
  bytes = { toTarget: 0, toClient: 0 };

  /** By the address of a connection's client, what is done to it besides. */
  #fate;

  constructor(target, fate = () => ({})) {
    this.#target = target;
    this.#fate = fate;
  }

  async listen({ host, port }) {
    this.#server.listen(port, host);
    await once(this.#server, "listening");
    this.address = `${host}:${this.#server.address().port}`;
  }

  get connections() {
    return this.#pairs.size;
  }

  /** What holds from now on, for connections there are and will be; what is not named stays as it is. */
  shape({ toTarget = {}, toClient = {} }) {
    Object.assign(this.#shapes.toTarget, toTarget);
    Object.assign(this.#shapes.toClient, toClient);
    for (const pair of this.#pairs) for (const pump of pair.pumps) pump.turn();
  }

  /** Takes back every delay, limit and hold, and accepts connections again. */
  heal() {
    this.#refusing = false;
    this.shape({ toTarget: calm(), toClient: calm() });
  }

  /** Ends every connection at once, as a cable does that is pulled and a router that says so. */
  cut() {
    for (const { client, target } of this.#pairs) {
      client.resetAndDestroy();
      target.resetAndDestroy();
    }
    this.#pairs.clear();
  }

  /** Asks anew for the fate of each connection: what is refused is cut, what was held may go on. */
  sift() {
    for (const pair of this.#pairs) {
      if (!pair.fate().refuse) {
        for (const pump of pair.pumps) pump.turn();
        continue;
      }
      pair.client.resetAndDestroy();
      pair.target.resetAndDestroy();
      this.#pairs.delete(pair);
    }
  }

  /** Cuts, and takes no new connections until `heal`. */
  refuse() {
    this.#refusing = true;
    this.cut();
  }

  /**
   * Half-open: one side's connection is closed and the other side never hears of it; what it still says
   * goes nowhere.
   */
  forget(side) {
    for (const pair of this.#pairs) {
      for (const pump of pair.pumps) pump.abandon();
      pair[side].resetAndDestroy();
    }
  }

  async [Symbol.asyncDispose]() {
    this.cut();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, "close");
  }

  #connect(client) {
    const address = client.remoteAddress;
    const fate = () => this.#fate(address);
    if (this.#refusing || fate().refuse) return void client.resetAndDestroy();
    this.accepted++;
    const target = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    client.setNoDelay(true);
    const count = (direction) => (bytes) => {
      this.bytes[direction] += bytes;
    };
    const pumps = [
      new Pump(client, target, { shape: this.#shapes.toTarget, fate, count: count("toTarget") }),
      new Pump(target, client, { shape: this.#shapes.toClient, fate, count: count("toClient") }),
    ];
    const pair = { client, target, pumps, fate };
    this.#pairs.add(pair);
    for (const [own, other] of [
      [client, target],
      [target, client],
    ]) {
      own.on("error", () => {});
      own.on("close", () => {
        const abandoned = pumps.some((pump) => pump.abandoned);
        if (!abandoned) other.destroy();
        if (own.destroyed && other.destroyed) this.#pairs.delete(pair);
      });
    }
  }
}

function calm() {
  return { delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY, hold: false };
}

/** One direction of one connection: each piece leaves when its delay is over and the rate allows it. */
class Pump {
  #from;
  #to;
  #shape;
  #fate;
  #count;
  #waiting = [];
  #heldBytes = 0;
  #freeAt = 0;
  #timer;
  abandoned = false;

  constructor(from, to, { shape, fate, count }) {
    this.#from = from;
    this.#to = to;
    this.#shape = shape;
    this.#fate = fate;
    this.#count = count;
    from.on("data", (piece) => this.#take(piece));
    from.on("end", () => this.#take(null));
    from.on("close", () => clearTimeout(this.#timer));
    to.on("drain", () => this.turn());
  }

  /** From now on what arrives is dropped. */
  abandon() {
    this.abandoned = true;
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    this.#heldBytes = 0;
    this.#from.resume();
  }

  /** Passes on what is due; null among what waits stands for the end. */
  turn() {
    clearTimeout(this.#timer);
    while (!this.abandoned && this.#waiting.length > 0 && !this.#shape.hold) {
      const { hold = false, delayMs = this.#shape.delayMs } = this.#fate();
      if (hold) return;
      const { piece, at } = this.#waiting[0];
      const waitMs = Math.max(at + delayMs, this.#freeAt) - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.turn(), waitMs);
        return;
      }
      if (this.#to.writableNeedDrain || !this.#to.writable) return;
      this.#waiting.shift();
      if (piece === null) this.#to.end();
      else this.#pass(piece);
    }
  }

  #take(piece) {
    if (this.abandoned) return;
    this.#waiting.push({ piece, at: performance.now() });
    this.#heldBytes += piece?.byteLength ?? 0;
    if (this.#heldBytes >= heldBytesMax) this.#from.pause();
    this.turn();
  }

  #pass(piece) {
    this.#to.write(piece);
    this.#count(piece.byteLength);
    const begun = Math.max(this.#freeAt, performance.now());
    this.#freeAt = begun + (1000 * piece.byteLength) / this.#shape.bytesPerSecond;
    this.#heldBytes -= piece.byteLength;
    if (this.#heldBytes < heldBytesMax) this.#from.resume();
  }
}

/**
 * The entrance of a process: takes connections and passes them on to gRPC, but keeps count. A connection that has
 * shown no token is a stranger: there are few of them at a time, the oldest makes room for the newest, and
 * each must make a call that is allowed within seconds, or it is closed. So connections that are opened and say
 * nothing, or a byte a second, cost a bounded amount of memory for a bounded time.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { LimitWatch } from "./protection.ts";

/** Owns the listening socket and knows every connection, until it is disposed. */
export class Entrance {
  readonly #server: Server;
  readonly #watch: LimitWatch;
  readonly #all = new Set<Socket>();
  /** By address, the oldest first. */
  readonly #strangers = new Map<string, { socket: Socket; timer: NodeJS.Timeout }>();
  /** No token is asked for: there are no strangers. */
  readonly #open: boolean;

  constructor(inject: (socket: Socket) => void, watch: LimitWatch, options: { open: boolean }) {
    this.#watch = watch;
    this.#open = options.open;
    // HTTP/2 ends its side by itself, as gRPC's own listener has it.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      if (this.#take(socket)) inject(socket);
    });
  }

  /** Listens at the address; resolves with the port. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", reject);
        this.#server.on("error", () => {});
        resolve((this.#server.address() as { port: number }).port);
      });
    });
  }

  /** The peer at this address, as HOST:PORT, made a call that is allowed. */
  introduce(peer: string): void {
    const stranger = this.#strangers.get(peer);
    if (!stranger) return;
    clearTimeout(stranger.timer);
    this.#strangers.delete(peer);
  }

  /** Connections at present. */
  get connections(): number {
    return this.#all.size;
  }

  /** Of them those that have shown no token. */
  get strangers(): number {
    return this.#strangers.size;
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const socket of this.#all) socket.destroy();
  }

  #take(socket: Socket): boolean {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    const { limits } = this.#watch;
    if (this.#all.size >= limits.connections) return this.#refuse(socket, "connections", peer);
    this.#all.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => {
      this.#all.delete(socket);
      this.introduce(peer);
    });
    if (this.#open) return true;
    if (this.#strangers.size >= limits.strangers) {
      const [oldest] = this.#strangers;
      this.#turnAway(oldest![0], "strangers");
    }
    const timer = setTimeout(
      () => this.#turnAway(peer, "introduction"),
      1000 * limits.introduction,
    );
    this.#strangers.set(peer, { socket, timer: timer.unref() });
    return true;
  }

  #turnAway(peer: string, limit: "strangers" | "introduction"): void {
    const stranger = this.#strangers.get(peer);
    if (!stranger) return;
    this.introduce(peer);
    this.#refuse(stranger.socket, limit, peer);
  }

  #refuse(
    socket: Socket,
    limit: "connections" | "strangers" | "introduction",
    peer: string,
  ): false {
    this.#watch.reached(limit, peer);
    socket.destroy();
    return false;
  }
}

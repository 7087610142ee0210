/**
 * All links of one process: who may talk to it, whom it dials, and how it finds them again. Either side of a
 * pair dials when it has something to say; of two streams that cross, the one dialled by the higher rank stays.
 */
import { type Metadata, type ServerDuplexStream, status } from "@grpc/grpc-js";
import type { Credentials } from "./credentials.ts";
import { type FramesMessage, readFrames, writeFrames } from "./frames.ts";
import { Cluster } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { reconnectMsMax, reconnectMsMin } from "./limits.ts";
import { type FrameStream, Link } from "./link.ts";
import { Refusal } from "./refusal.ts";
import { createClient, type MemberClient, methodOf } from "./rpc.ts";

/** The coordinator's place among the links; members have ranks from 0. */
export const coordinatorRank = -1;

/** Who this process is, as every stream's metadata say. */
export interface Identity {
  readonly run: string;
  readonly credentials: Credentials;
  readonly rank: number;
  readonly incarnation: number;
}

/** One life of another process. */
export interface PeerAddress {
  readonly rank: number;
  readonly incarnation: number;
  /** HOST:PORT, or null for one that is never dialled. */
  readonly address: string | null;
}

/** What links tell the process. */
export interface LinksEvents {
  frame(rank: number, bytes: Uint8Array): void;
  room(): void;
  connected(rank: number): void;
  broken(rank: number, reason: string): void;
  overrun(rank: number, reason: string): void;
  /** The peer says that this life is over. */
  fenced(rank: number, reason: string): void;
}

interface Peer extends PeerAddress {
  readonly link: Link;
  client: MemberClient | null;
  /** The stream now attached was dialled by this process. */
  dialled: boolean;
  attempts: number;
  retry: NodeJS.Timeout | undefined;
}

/** Owns the links and clients of a process, until it is disposed. */
export class Links {
  readonly #identity: Identity;
  readonly #events: LinksEvents;
  readonly #peers = new Map<number, Peer>();
  /** The last life of each rank that is over here. */
  readonly #over = new Map<number, number>();

  constructor(identity: Identity, events: LinksEvents) {
    this.#identity = identity;
    this.#events = events;
  }

  /** Ranks this process may talk to. */
  get ranks(): number[] {
    return [...this.#peers.keys()];
  }

  /** Whether no link holds more than its share. */
  get hasRoom(): boolean {
    for (const { link } of this.#peers.values()) if (!link.hasRoom) return false;
    return true;
  }

  /** The ranks whose links hold too much. */
  get fullRanks(): number[] {
    return [...this.#peers.values()].filter(({ link }) => !link.hasRoom).map(({ rank }) => rank);
  }

  /** Whether everything sent was acknowledged. */
  get isFlushed(): boolean {
    for (const { link } of this.#peers.values()) if (link.frames > 0) return false;
    return true;
  }

  isConnected(rank: number): boolean {
    return this.#peers.get(rank)?.link.connected ?? false;
  }

  /** Adds a peer, or takes note of another life of it: what was under way to the old one is dropped. */
  admit(address: PeerAddress): void {
    const { rank } = address;
    const known = this.#peers.get(rank);
    if (known?.incarnation === address.incarnation) return;
    if (known) this.remove(rank);
    const link = new Link({
      frame: (bytes) => this.#events.frame(rank, bytes),
      room: () => this.#events.room(),
      broken: (reason) => this.#broken(rank, reason),
      overrun: (reason) => this.#events.overrun(rank, reason),
    });
    const peer = { ...address, link, client: null, dialled: false, attempts: 0, retry: undefined };
    this.#peers.set(rank, peer);
  }

  /** Ends the link to a peer; nothing of it is heard any more. */
  remove(rank: number): void {
    const peer = this.#peers.get(rank);
    if (!peer) return;
    this.#peers.delete(rank);
    this.#over.set(rank, peer.incarnation);
    clearTimeout(peer.retry);
    peer.link.close();
    peer.client?.close();
  }

  /** Sends a frame; it waits while the peer can't be reached. Frames to nobody are dropped. */
  send(rank: number, frame: Uint8Array): void {
    const peer = this.#peers.get(rank);
    if (!peer) return;
    peer.link.send(frame);
    if (!peer.link.connected) this.#dialSoon(peer);
  }

  /** Opens the stream to a peer now, without anything to say. */
  dial(rank: number): void {
    const peer = this.#peers.get(rank);
    if (peer && !peer.link.connected) this.#dialSoon(peer);
  }

  /**
   * Takes a stream that a peer dialled.
   * @throws Refusal when this process does not know the caller, or keeps a stream of its own to it.
   */
  accept(call: ServerDuplexStream<FramesMessage, FramesMessage>): void {
    const { rank, incarnation } = this.#callerOf(call.metadata);
    const peer = this.#peers.get(rank);
    if (incarnation <= (this.#over.get(rank) ?? 0)) {
      throw new Refusal(`life ${incarnation} of member ${rank} is over: it was expelled`, "fenced");
    }
    if (!peer || peer.incarnation < incarnation) {
      throw new Refusal(`member ${rank} is not in the view of this process yet`, "unavailable");
    }
    if (peer.incarnation > incarnation) {
      throw new Refusal(`member ${rank} was replaced: life ${incarnation} of it is over`, "fenced");
    }
    if (peer.dialled && peer.link.connected && this.#identity.rank > rank) {
      throw new Refusal(`a stream to member ${rank} exists`, "exists");
    }
    clearTimeout(peer.retry);
    peer.retry = undefined;
    peer.dialled = false;
    peer.attempts = 0;
    peer.link.attach(serverStream(call));
    this.#events.connected(rank);
  }

  [Symbol.dispose](): void {
    for (const rank of this.ranks) this.remove(rank);
  }

  #callerOf(metadata: Metadata): { rank: number; incarnation: number } {
    const read = (name: string) => String(metadata.get(name)[0] ?? "");
    const { run, rank: own, incarnation: life } = this.#identity;
    if (read("glissade-run") !== run) {
      throw new Refusal(
        `this process works for run ${run}, the caller for ${read("glissade-run")}`,
      );
    }
    if (Number(read("glissade-to")) !== own || Number(read("glissade-to-incarnation")) !== life) {
      throw new Refusal(
        `this process is life ${life} of member ${own}, the caller wants life ${read("glissade-to-incarnation")} of member ${read("glissade-to")}`,
      );
    }
    return {
      rank: Number(read("glissade-rank")),
      incarnation: Number(read("glissade-incarnation")),
    };
  }

  #broken(rank: number, reason: string): void {
    const peer = this.#peers.get(rank);
    if (!peer) return;
    this.#events.broken(rank, reason);
    this.#dialSoon(peer);
  }

  #dialSoon(peer: Peer): void {
    if (peer.retry !== undefined || peer.link.connected || peer.address === null) return;
    const wait =
      peer.attempts === 0 ? 0 : Math.min(reconnectMsMax, reconnectMsMin * 2 ** peer.attempts);
    peer.attempts++;
    peer.retry = setTimeout(() => {
      peer.retry = undefined;
      if (!peer.link.connected) this.#dial(peer, peer.address!);
    }, wait);
  }

  #dial(peer: Peer, address: string): void {
    peer.client ??= createClient(address, this.#identity.credentials);
    const { run, rank, incarnation } = this.#identity;
    const metadata = peer.client.metadataOf(Cluster.method.exchange, {
      "glissade-run": run,
      "glissade-rank": rank,
      "glissade-incarnation": incarnation,
      "glissade-to": peer.rank,
      "glissade-to-incarnation": peer.incarnation,
    });
    const { path } = methodOf(Cluster.method.exchange);
    const call = peer.client.makeBidiStreamRequest<FramesMessage, FramesMessage>(
      path,
      writeFrames,
      readFrames,
      metadata,
    );
    peer.dialled = true;
    call.on("error", () => {});
    call.once("data", () => {
      peer.attempts = 0;
      this.#events.connected(peer.rank);
    });
    call.on("status", ({ code, details }) => {
      if (code === status.ABORTED) this.#events.fenced(peer.rank, details);
      // The other side keeps the stream it has: it will be accepted here, or was.
      if (code === status.ALREADY_EXISTS) peer.attempts = Math.max(peer.attempts, 3);
    });
    peer.link.attach(Object.assign(call, { destroy: () => call.cancel() }) as FrameStream);
  }
}

function serverStream(call: ServerDuplexStream<FramesMessage, FramesMessage>): FrameStream {
  call.on("cancelled", () => call.emit("close"));
  return Object.assign(call, { destroy: () => call.end() }) as unknown as FrameStream;
}

/**
 * All links of one process: who may talk to it, whom it dials, and how it finds them again. Either side of a
 * pair dials when it has something to say; of two streams that cross, the one dialled by the higher rank stays.
 *
 * A link has a session, a word of each side's own. A side that gave its link up - the other was expelled, or it is
 * a new process - begins another, and the other side sees that by the word and begins anew too: nothing of the
 * old link is expected any more. What a member had sent to another and saw no answer to is sent again: it may be of a
 * view that both are in by now, and what is of an earlier life is told by its name and thrown away.
 */
import { randomUUID } from "node:crypto";
import { Metadata, type ServerDuplexStream, status } from "@grpc/grpc-js";
import type { View } from "../../strategies/strategy.ts";
import { processOf } from "../membered.ts";
import { type Caller, callerOf } from "./callers.ts";
import type { Credentials } from "./credentials.ts";
import { type FramesMessage, readFrames, writeFrames } from "./frames.ts";
import { Cluster } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { isOversized } from "./guard.ts";
import {
  acknowledgeMsMax,
  crossingMsMax,
  goodbyeMsMax,
  reconnectMsMax,
  reconnectMsMin,
  settleMsMax,
  uselessAttemptsMax,
} from "./limits.ts";
import { type FrameStream, hearingOf, Link, type LinkEvents } from "./link.ts";
import {
  giverIn,
  type PassHolder,
  type Proof,
  proofFault,
  proofOf,
  type StreamFacts,
} from "./passes.ts";
import { Refusal } from "./refusal.ts";
import { createClient, type MemberClient, methodOf } from "./rpc.ts";
import { pause, waitFor } from "./wait.ts";
import { createYoungGarbage } from "./young-garbage.ts";

/** The coordinator's place among the links; members have ranks from 0. */
export const coordinatorRank = -1;

/** Who this process is, as every stream's metadata say. */
export interface Identity {
  readonly run: string;
  readonly credentials: Credentials;
  readonly rank: number;
  readonly incarnation: number;
  /** HOST:PORT at which others reach it; empty for one that is never dialled. */
  readonly address: string;
  /** Bytes that may wait for one of the others: the limit `buffered`. */
  readonly bufferedMax: number;
  /** How it proves its seat, and asks others for theirs; null: nobody asks. */
  readonly proof: Proof | null;
}

/** One process of another rank. */
export interface PeerAddress {
  readonly rank: number;
  readonly incarnation: number;
  /** HOST:PORT, or null for one that is never dialled. */
  readonly address: string | null;
}

/** A member that gave another process its seat. */
export type Giver = Pick<PassHolder, "rank" | "incarnation">;

/** What links tell the process. */
export interface LinksEvents {
  frame(rank: number, bytes: Uint8Array): void;
  room(): void;
  connected(rank: number): void;
  broken(rank: number, reason: string): void;
  overrun(rank: number, reason: string): void;
  /** The peer does not keep to the rules of a link. */
  violated(rank: number, reason: string): void;
  /** The peer says that this life is over. */
  fenced(rank: number, reason: string): void;
  /** The peer began the link anew. */
  renewed(rank: number): void;
  /** Whether a process that is not known here may have a link; by whom its pass is, null for the coordinator or none. */
  welcomes(peer: PeerAddress, giver: Giver | null): boolean;
  /** Whether this process has to do with that rank still: another is not dialled for ever. */
  needs(rank: number): boolean;
}

interface Peer {
  readonly rank: number;
  readonly incarnation: number;
  address: string | null;
  link: Link;
  /** The words of both sides; the other's is empty until it is known. */
  session: string;
  theirs: string;
  client: MemberClient | null;
  /** The stream now attached was dialled by this process, and when. */
  dialled: boolean;
  dialledAt: number;
  attempts: number;
  /** Why it broke last, since it was connected: the same again is told once. */
  brokenBy: string;
  retry: NodeJS.Timeout | undefined;
}

/** Owns the links and clients of a process, until it is disposed. */
export class Links {
  readonly #identity: Identity;
  readonly #events: LinksEvents;
  readonly #peers = new Map<number, Peer>();
  /** The last life of each rank that is over here. */
  readonly #over = new Map<number, number>();
  /** Where the last process of each rank is reached; of one whose link was dropped too, as it may come back. */
  readonly #places = new Map<number, PeerAddress>();
  readonly #noteGarbage = createYoungGarbage();

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

  /**
   * Waits until everybody it concerns - by default who is there - has everything that was sent until now, but not longer
   * than that. Beats go on meanwhile: of somebody busy there is hardly a moment without a frame on its way.
   */
  async settle(
    msMax = settleMsMax,
    concerns = (rank: number) => this.isConnected(rank),
  ): Promise<void> {
    const until = performance.now() + msMax;
    const said = this.ranks.map((rank) => {
      return { rank, isHeard: hearingOf(() => this.#peers.get(rank)?.link) };
    });
    const open = () => said.some(({ rank, isHeard }) => !isHeard() && concerns(rank));
    const bound = { whom: "members to hear the last words", secondsMax: acknowledgeMsMax / 1000 };
    while (open() && performance.now() < until) await pause(bound);
  }

  /** Where all members are that are ever dialled. */
  get members(): PeerAddress[] {
    return [...this.#peers.values()]
      .filter(({ rank, address }) => rank !== coordinatorRank && address !== null)
      .map(({ rank, incarnation, address }) => ({ rank, incarnation, address }));
  }

  isConnected(rank: number): boolean {
    return this.#peers.get(rank)?.link.connected ?? false;
  }

  /** The incarnation of the process this one is linked to, by rank. */
  incarnationOf(rank: number): number | undefined {
    return this.#peers.get(rank)?.incarnation;
  }

  /**
   * Adds a peer, or takes note of another life of it: what was under way to the old one is dropped.
   * @param how `dial`: opens the stream now, without anything to say.
   */
  admit(address: PeerAddress, how: { readonly dial: boolean } = { dial: false }): void {
    this.#meet(address);
    const peer = this.#peers.get(address.rank);
    if (how.dial && peer) this.#dialSoon(peer);
  }

  #meet(address: PeerAddress): void {
    const { rank, incarnation } = address;
    const known = this.#peers.get(rank);
    if (incarnation <= (this.#over.get(rank) ?? 0)) return;
    if (known && known.incarnation > incarnation) return;
    const place = this.#placeOf(address);
    if (known?.incarnation === incarnation) {
      known.address ??= place;
      return;
    }
    if (known) this.remove(rank);
    const fresh = {
      session: randomUUID(),
      theirs: "",
      client: null,
      dialled: false,
      dialledAt: 0,
      brokenBy: "",
    };
    const link = this.#createLink(rank);
    const peer = { ...address, address: place, ...fresh, link, attempts: 0, retry: undefined };
    this.#peers.set(rank, peer);
  }

  /**
   * Where that process is reached, as it says or was known before. Two that have dropped their links to each other
   * hear of each other by a view, which has no addresses: if both waited to be dialled, neither would be.
   */
  #placeOf(peer: PeerAddress): string | null {
    if (peer.address !== null) this.#places.set(peer.rank, peer);
    const place = this.#places.get(peer.rank);
    return place?.incarnation === peer.incarnation ? place.address : null;
  }

  /** Ends the link to a peer for good; nothing of that life is heard any more. */
  remove(rank: number): void {
    const peer = this.#peers.get(rank);
    if (!peer) return;
    this.drop(rank);
    this.#over.set(rank, peer.incarnation);
  }

  /** Ends the link to a peer for good; returns which life that was. */
  forget(rank: number): { readonly rank: number; readonly incarnation: number } {
    const incarnation = this.incarnationOf(rank) ?? 0;
    this.remove(rank);
    return { rank, incarnation };
  }

  /** Gives up what is under way to a peer and from it; it may come back by a link of its own. */
  drop(rank: number): void {
    const peer = this.#peers.get(rank);
    if (!peer) return;
    this.#peers.delete(rank);
    clearTimeout(peer.retry);
    peer.link.close();
    peer.client?.close();
  }

  /** What was under way to a life that is in no view any more would only hold us up. */
  followView(before: View | null, view: View): void {
    for (const { rank, incarnation } of before?.members ?? []) {
      const stays = [...view.members, ...view.left].some((life) => life.rank === rank);
      if (!stays && this.incarnationOf(rank) === processOf(incarnation)) this.drop(rank);
    }
  }

  #createLink(rank: number): Link {
    const events: LinkEvents = {
      frame: (bytes) => {
        this.#noteGarbage(bytes.byteLength);
        this.#events.frame(rank, bytes);
      },
      room: () => this.#events.room(),
      broken: (reason) => this.#broken(rank, reason),
      overrun: (reason) => this.#events.overrun(rank, reason),
      violated: (reason) => this.#events.violated(rank, reason),
    };
    return new Link(events, this.#identity.bufferedMax);
  }

  /** The other side knows nothing of this link any more. */
  #renew(peer: Peer): void {
    // A coordinator is told everything anew.
    const isOfMembers = peer.rank !== coordinatorRank && this.#identity.rank !== coordinatorRank;
    const unheard = isOfMembers ? peer.link.unacknowledged : [];
    peer.link.close();
    peer.link = this.#createLink(peer.rank);
    for (const frame of unheard) peer.link.send(frame);
    peer.session = randomUUID();
    peer.theirs = "";
    peer.dialled = false;
    this.#events.renewed(peer.rank);
  }

  /**
   * Sends a frame; it waits while the peer can't be reached. Who was dropped is met again: a newcomer asks those, too,
   * whom its last view had lost. Frames to nobody are dropped.
   */
  send(rank: number, frame: Uint8Array): void {
    const place = this.#places.get(rank);
    if (place && !this.#peers.has(rank)) this.#meet(place);
    const peer = this.#peers.get(rank);
    if (!peer) return;
    this.#noteGarbage(frame.byteLength);
    peer.link.send(frame);
    if (!peer.link.connected) this.#dialSoon(peer);
  }

  /**
   * Takes a stream that a peer dialled.
   * @throws Refusal when this process does not know the caller, or keeps a stream of its own to it.
   */
  accept(call: ServerDuplexStream<FramesMessage, FramesMessage>): void {
    const caller = callerOf(call.metadata, this.#identity);
    const { rank, session } = caller;
    this.#refuseUnproved(caller);
    // Whoever slept finds streams that were given up meanwhile; nothing would tell so again.
    if (call.cancelled) throw new Refusal(`member ${rank} has given this stream up`, "unavailable");
    const peer = this.#peerOf(caller);
    // Later than that it is no crossing: the caller has found our stream broken, and we have not yet.
    const crosses = Date.now() - peer.dialledAt < crossingMsMax;
    if (crosses && peer.dialled && peer.link.connected && this.#identity.rank > rank) {
      throw new Refusal(`a stream to member ${rank} exists`, "exists");
    }
    if (caller.knows !== "" && caller.knows !== peer.session) {
      throw new Refusal(`this process began its link to member ${rank} anew`, "renewed");
    }
    if (peer.theirs !== "" && peer.theirs !== session) this.#renew(peer);
    peer.theirs = session;
    clearTimeout(peer.retry);
    peer.retry = undefined;
    peer.dialled = false;
    peer.attempts = 0;
    peer.brokenBy = "";
    const own = new Metadata();
    own.set("glissade-session", peer.session);
    const { proof } = this.#identity;
    if (proof) own.set("glissade-proof", proofOf(proof, this.#answerFrom(peer.session, caller)));
    call.sendMetadata(own);
    peer.link.attach(serverStream(call));
    this.#events.connected(rank);
  }

  /** The peer that calls, made known here if it may be. */
  #peerOf({ rank, incarnation, address, proof }: Caller): Peer {
    if (incarnation <= (this.#over.get(rank) ?? 0)) {
      throw new Refusal(
        `life ${incarnation} of member ${rank} is over: another took its seat`,
        "fenced",
      );
    }
    const known = this.#peers.get(rank);
    if (known && known.incarnation > incarnation) {
      throw new Refusal(`member ${rank} was replaced: life ${incarnation} of it is over`, "fenced");
    }
    if (known?.incarnation !== incarnation) {
      const caller = { rank, incarnation, address: address === "" ? null : address };
      const giver = this.#identity.proof && giverIn(proof);
      // Who was let in once is no stranger when it comes back.
      const wasHere = this.#places.get(rank)?.incarnation === incarnation;
      if (!wasHere && !this.#events.welcomes(caller, giver)) {
        throw new Refusal(`member ${rank} is not known to this process yet`, "unavailable");
      }
      this.admit(caller);
    }
    return this.#peers.get(rank)!;
  }

  /** A process that exits at once would take its last acknowledgements along, and leave others to wait for them. */
  async [Symbol.asyncDispose](): Promise<void> {
    const bound = {
      whom: "others to hear that this process goes",
      secondsMax: goodbyeMsMax / 1000,
    };
    const links = [...this.#peers.values()].map(({ link }) => link);
    const heard = waitFor(
      bound,
      Promise.all(links.map((link) => new Promise<void>((resolve) => link.close(resolve)))),
    );
    await heard.catch(() => {});
    for (const rank of this.ranks) this.remove(rank);
  }

  /** Who can't prove its seat changes nothing for the one that has it. */
  #refuseUnproved(caller: Caller): void {
    const { proof } = this.#identity;
    const fault = proof && proofFault(caller.proof, this.#callOf(caller), proof.seal);
    if (fault !== null) throw new Refusal(fault, "forbidden");
  }

  /** What a caller signs. */
  #callOf({ rank, incarnation, session, knows, address }: Caller): StreamFacts {
    const { run, rank: own, incarnation: life } = this.#identity;
    return {
      from: { run, rank, incarnation },
      to: { rank: own, incarnation: life },
      words: ["opens", session, knows, address],
    };
  }

  /** What this process signs when it takes a caller's stream. */
  #answerFrom(session: string, caller: Omit<PeerAddress, "address"> & { session: string }) {
    const { run, rank, incarnation } = this.#identity;
    return {
      from: { run, rank, incarnation },
      to: { rank: caller.rank, incarnation: caller.incarnation },
      words: ["takes", session, caller.session],
    };
  }

  /** Why who took a stream to a peer is not that peer; null when it is. */
  #answerFault({ rank, incarnation, session }: Peer, answer: Metadata): string | null {
    const { proof, run, rank: own, incarnation: life } = this.#identity;
    if (!proof) return null;
    const theirs = String(answer.get("glissade-session")[0] ?? "");
    const facts: StreamFacts = {
      from: { run, rank, incarnation },
      to: { rank: own, incarnation: life },
      words: ["takes", theirs, session],
    };
    return proofFault(String(answer.get("glissade-proof")[0] ?? ""), facts, proof.seal);
  }

  #broken(rank: number, reason: string): void {
    const peer = this.#peers.get(rank);
    if (!peer) return;
    // Both sides dialled at once, and the other keeps its stream: nothing is broken.
    if (!/\bALREADY_EXISTS\b/.test(reason) && reason !== peer.brokenBy) {
      peer.brokenBy = reason;
      this.#events.broken(rank, reason);
    }
    if (peer.attempts < uselessAttemptsMax || this.#events.needs(rank)) this.#dialSoon(peer);
    else this.drop(rank);
  }

  #renewAndDial(peer: Peer): void {
    this.#renew(peer);
    this.#dialSoon(peer);
  }

  #dialSoon(peer: Peer): void {
    if (peer.retry !== undefined || peer.link.connected || peer.address === null) return;
    const wait =
      peer.attempts === 0 ? 0 : Math.min(reconnectMsMax, reconnectMsMin * 2 ** peer.attempts);
    peer.attempts++;
    peer.retry = setTimeout(() => {
      peer.retry = undefined;
      if (!peer.link.connected && peer.address !== null) this.#dial(peer, peer.address);
    }, wait);
  }

  #dial(peer: Peer, address: string): void {
    try {
      peer.client ??= createClient(address, this.#identity.credentials);
    } catch (error) {
      // The way there is not one for these credentials: the other side may still call.
      return this.#broken(peer.rank, (error as Error).message);
    }
    const { run, rank, incarnation, address: own, proof } = this.#identity;
    const { session } = peer;
    const facts: StreamFacts = {
      from: { run, rank, incarnation },
      to: { rank: peer.rank, incarnation: peer.incarnation },
      words: ["opens", session, peer.theirs, own],
    };
    const metadata = peer.client.metadataOf(Cluster.method.exchange, {
      "glissade-run": run,
      "glissade-rank": rank,
      "glissade-incarnation": incarnation,
      "glissade-to": peer.rank,
      "glissade-to-incarnation": peer.incarnation,
      "glissade-address": own,
      "glissade-session": session,
      "glissade-knows": peer.theirs,
      "glissade-proof": proof ? proofOf(proof, facts) : "",
    });
    const { path } = methodOf(Cluster.method.exchange);
    const call = peer.client.makeBidiStreamRequest<FramesMessage, FramesMessage>(
      path,
      writeFrames,
      readFrames,
      metadata,
    );
    peer.dialled = true;
    peer.dialledAt = Date.now();
    call.on("error", () => {});
    const current = () => this.#peers.get(peer.rank) === peer && peer.session === session;
    call.on("metadata", (answer: Metadata) => {
      const theirs = String(answer.get("glissade-session")[0] ?? "");
      const fault = current() ? this.#answerFault(peer, answer) : null;
      if (fault !== null) call.emit("error", new Error(`${address}: ${fault}`));
      else if (current() && (peer.theirs === "" || peer.theirs === theirs)) peer.theirs = theirs;
      else if (current()) this.#renewAndDial(peer);
    });
    call.once("data", () => {
      peer.attempts = 0;
      peer.brokenBy = "";
      this.#events.connected(peer.rank);
    });
    call.on("status", ({ code, details }) => {
      if (!current()) return;
      if (isOversized({ code, details })) this.#events.violated(peer.rank, details);
      if (code === status.ABORTED) this.#events.fenced(peer.rank, details);
      if (code === status.DATA_LOSS) this.#renewAndDial(peer);
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

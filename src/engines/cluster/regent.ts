/**
 * What a member does in the coordinator's place. Asked to join, it passes the question on: to the coordinator, or where
 * that is gone to the authority of the view, which gives the seat itself. A side without quorum gives none.
 *
 * Where passes are asked for the regent signs one (passes.ts), and every member decides by itself whether to take a
 * process that shows such a pass and of which neither the coordinator nor a view told it: only while it is without the
 * coordinator itself, for a seat that nobody has in its view, by a giver who is in its view. So the key of a member
 * puts processes in free seats while the coordinator is gone, which the token `work` does anyway, and nothing else.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { View } from "../../strategies/strategy.ts";
import type { MemberHost } from "../member-host.ts";
import { authorityOf, processOf, standingOf } from "../membered.ts";
import type { Absence } from "./absence.ts";
import type { Credentials } from "./credentials.ts";
import {
  Cluster,
  type JoinReplySchema,
  type JoinRequest,
} from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { ownHandshake } from "./handshake.ts";
import type { Begun } from "./job.ts";
import { refuseJoin } from "./joining.ts";
import { joinSecondsMax, seatSecondsMax } from "./limits.ts";
import type { Giver, PeerAddress } from "./links.ts";
import { mayFollow, nextProcess } from "./lives.ts";
import { dialBack, reachable } from "./member-calls.ts";
import { learnedShare } from "./member-pace.ts";
import { signGivenPass } from "./passes.ts";
import { Refusal } from "./refusal.ts";
import { CallError, callUnary, createClient } from "./rpc.ts";
import type { Seated } from "./seat.ts";

/** What a regent needs of its member. */
export interface RegentPort {
  readonly credentials: Credentials;
  readonly absence: Absence;
  host(): MemberHost;
  /** @throws Refusal when too many processes ask for a seat. */
  count(peer: string): void;
  addresses(): readonly PeerAddress[];
  /** Updates of an epoch, what was learned when the member's part began, and when the run's time is up. */
  progress(): Pick<Begun, "updates" | "learned" | "endsAt">;
}

interface Given {
  readonly rank: number;
  readonly incarnation: number;
  readonly who: string;
  readonly at: number;
}

type Reply = MessageInitShape<typeof JoinReplySchema>;

/** Owns the seats that this member gave. */
export class Regent {
  readonly #seated: Seated;
  readonly #port: RegentPort;
  /** By rank, the highest number of a process that had the seat, as far as is known here. */
  readonly #lives: number[];
  #given: Given[] = [];
  /** The last view this member was in, or that it came to. */
  #view: View | null;

  constructor(seated: Seated, port: RegentPort) {
    this.#seated = seated;
    this.#port = port;
    const { seats, begun } = seated.job;
    this.#lives = seats.map((_, rank) => begun?.lives[rank] ?? 1);
    this.#view = begun?.view ?? null;
  }

  /** Takes note of who has seats. */
  follow(view: View): void {
    const { members, left } = view;
    this.#view = view;
    for (const { rank, incarnation } of [...members, ...left]) {
      this.#lives[rank] = Math.max(this.#lives[rank] ?? 0, processOf(incarnation));
    }
  }

  /** Whether a process has a link that calls for the first time; `giver` by whom its pass is, null for the coordinator. */
  welcomes({ rank, incarnation }: PeerAddress, giver: Giver | null): boolean {
    if (this.#seated.job.seats[rank] === undefined) return false;
    if (giver === null) return true;
    const lives = (this.#view?.members ?? []).map((life) => {
      return { rank: life.rank, process: processOf(life.incarnation) };
    });
    const has = (one: Giver) =>
      lives.some((life) => life.rank === one.rank && life.process === one.incarnation);
    // The others have agreed on it already.
    if (has({ rank, incarnation })) return true;
    const isFree = lives.every((life) => life.rank !== rank);
    const isNext = mayFollow(incarnation, this.#lives[rank]!);
    return this.#port.absence.isLong && isFree && isNext && has(giver);
  }

  /** @throws Refusal with the reason in words; `unavailable` where asking again may help. */
  async join(request: JoinRequest, peer: string): Promise<Reply> {
    this.#port.count(peer);
    const advertise = reachable(request.advertise, peer);
    const asked = { ...request, advertise };
    const { coordinator, rank } = this.#seated;
    if (!this.#port.absence.isLong)
      return this.#passOn(asked, { address: coordinator, coordinator });
    const { state, port } = this.#port.host();
    const { view, alone } = standingOf(state);
    const authority = authorityOf(state, port.now());
    if (view === null || alone || authority === null) {
      throw new Refusal(
        `the coordinator is gone, and member ${rank} hears of no quorum: ask again later`,
        "unavailable",
      );
    }
    if (authority === rank) return this.#give(asked, { view, seen: peer });
    const { address } = this.#port.addresses().find((one) => one.rank === authority) ?? {};
    if (address && !request.passedOn) return this.#passOn(asked, { address, coordinator });
    throw new Refusal(
      `the coordinator is gone, and member ${authority}, which gives seats now, is not reached: ask again later`,
      "unavailable",
    );
  }

  async #passOn(
    request: JoinRequest,
    { address, coordinator }: { address: string; coordinator: string },
  ): Promise<Reply> {
    const client = createClient(address, this.#port.credentials);
    try {
      const call = { method: Cluster.method.join, request: { ...request, passedOn: true } };
      return {
        ...(await callUnary(client, { ...call, secondsMax: seatSecondsMax })),
        coordinator,
      };
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      throw new Refusal(error.words, error.code === "refused" ? "refused" : "unavailable");
    } finally {
      client.close();
    }
  }

  async #give(request: JoinRequest, { view, seen }: { view: View; seen: string }): Promise<Reply> {
    const { identity, job, coordinator, rank: own, proof } = this.#seated;
    refuseJoin(identity, request);
    const address = request.advertise;
    const { rank, incarnation } = this.#seatFor(request, view, own);
    await dialBack(address, this.#port.credentials);
    const addresses = this.#port.addresses();
    const { updates, learned: before, endsAt } = this.#port.progress();
    const learned = learnedShare(this.#port.host(), job.epochs, before);
    const seconds = this.#port.host().port.now();
    const begun = { view, addresses, lives: this.#lives, updates, learned, seconds, endsAt };
    const [{ run }, { key }] = [identity, request];
    const giver = { run, rank: own, incarnation: this.#seated.incarnation };
    const pass = proof && signGivenPass(proof, giver, { holder: { run, rank, incarnation }, key });
    return {
      handshake: ownHandshake(identity),
      ...{ rank, incarnation, address, seen, coordinator },
      ...{ pass: pass ?? "", seal: proof?.seal ?? "" },
      job: JSON.stringify({ ...job, round: 0, begun }),
    };
  }

  /** A process that asks again, because it did not get the first answer, gets the same seat. */
  #seatFor(
    { rankHint, host, process, advertise, key }: JoinRequest,
    view: View,
    own: number,
  ): Given {
    const at = performance.now();
    const who = `${host} ${process} ${advertise} ${key}`;
    this.#given = this.#given.filter((one) => at - one.at < 1000 * joinSecondsMax);
    const before = this.#given.find((one) => one.who === who);
    if (before) return before;
    const taken = new Set([...view.members, ...this.#given].map(({ rank }) => rank));
    const { seats } = this.#seated.job;
    const free = [...seats.keys()].filter((rank) => !taken.has(rank));
    const rank = free.includes(rankHint) ? rankHint : free[0];
    if (rank === undefined) {
      throw new Refusal(`all ${seats.length} seats of this run are taken`);
    }
    const incarnation = nextProcess(this.#lives[rank]!, own);
    this.#lives[rank] = incarnation;
    const given = { rank, incarnation, who, at };
    this.#given.push(given);
    return given;
  }
}

/**
 * The coordinator of a run: gives out seats, starts members together, allows them to learn, has snapshots
 * judged, notices who is gone, and puts the result together. It is not on the path of strategies' messages.
 */
import { encodeFrame } from "../../wire/frame.ts";
import type { EngineResult, RunPlan } from "../engine.ts";
import { createTelemetry } from "../telemetry.ts";
import { ClusterError } from "./cluster-error.ts";
import { coordinatorStatus } from "./coordinator-status.ts";
import type { Credentials } from "./credentials.ts";
import type { ClusterEvent } from "./events.ts";
import type {
  JoinRequest,
  RowsRequest,
  StopRequest,
} from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { countJoin, createGuard, type Guard } from "./guard.ts";
import { ownHandshake, type RunIdentity, refuseHandshake } from "./handshake.ts";
import { type ClusterJob, decodeNote, encodeNote, type Order, type Tale } from "./job.ts";
import { Judge, type Observer } from "./judge.ts";
import { reconnectSecondsMax } from "./limits.ts";
import { coordinatorRank, Links } from "./links.ts";
import { dialBack, fetchModels, reachable } from "./member-calls.ts";
import { createGrants, createPool, type Grants, type Pool, takeRows } from "./paces.ts";
import type { Limits } from "./protection.ts";
import { Refusal } from "./refusal.ts";
import { addTelemetry, countGone, resultOf } from "./results.ts";
import {
  addressed,
  createRoster,
  freeSeat,
  giveSeat,
  liveEntries,
  nameOf,
  nextView,
  passSegments,
  type Roster,
  type RosterEntry,
  silenceMax,
} from "./roster.ts";
import { type ClusterHandlers, ClusterServer } from "./server.ts";
import { survivalOf } from "./survival.ts";

/** How a coordinator runs a plan. */
export interface CoordinatorOptions {
  readonly plan: RunPlan;
  readonly identity: RunIdentity;
  readonly credentials: Credentials;
  readonly limits: Limits;
  readonly listen: string;
  readonly portRange?: { readonly low: number; readonly high: number } | null;
  /** Segments that the training rows are cut into; 0 where rows are no rows of files. */
  readonly segments: number;
  readonly jobFor: (roster: Roster, rank: number) => ClusterJob;
  readonly rowsFor: ClusterHandlers["rows"];
  readonly observe?: Observer;
  readonly onEvent: (event: ClusterEvent) => void;
}

/** Owns the server, the links and the timers of a run, until it is disposed. */
export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #roster: Roster;
  readonly #links: Links;
  readonly #guard: Guard;
  readonly #finished: Promise<void>;
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};
  #server: ClusterServer | null = null;
  #phase: "gathering" | "running" | "ending" = "gathering";
  #grants: Grants | null = null;
  #pool: Pool | null = null;
  #updates = 0;
  #stopping = false;
  readonly #judge: Judge | null;
  #judging: Promise<void> = Promise.resolve();
  #began = performance.now();
  #watch: NodeJS.Timeout | undefined;
  readonly #suspects = new Map<number, NodeJS.Timeout>();

  constructor(options: CoordinatorOptions, seats: Roster["seats"]) {
    this.#options = options;
    this.#roster = createRoster(seats, options.segments);
    this.#finished = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#finished.catch(() => {});
    const { identity, credentials, plan, observe } = options;
    this.#guard = createGuard(credentials, options.limits, (event) => this.#say(event));
    this.#judge = observe
      ? new Judge(
          { plan, observe, credentials, roster: this.#roster },
          {
            running: () => this.#phase === "running",
            now: () => this.#now(),
            fail: (error) => this.fail(error),
          },
        )
      : null;
    this.#links = new Links(
      { run: identity.run, credentials, rank: coordinatorRank, incarnation: 1 },
      {
        frame: (rank, bytes) => this.#frame(rank, bytes),
        room: () => {},
        connected: (rank) => this.#found(rank),
        broken: (rank, reason) => this.#suspect(rank, reason),
        overrun: (rank, reason) => this.declareLost(rank, reason),
        fenced: () => {},
      },
    );
  }

  /** Listens for members; returns the port. */
  async listen(): Promise<number> {
    const { listen, portRange, rowsFor, identity } = this.#options;
    this.#server = await ClusterServer.listen({
      ...{ listen, guard: this.#guard, portRange: portRange ?? null },
      handlers: {
        join: (request, peer) => this.#join(request, peer),
        rows: (request) => this.#rows(request, rowsFor),
        status: () =>
          coordinatorStatus(identity, this.#roster, { state: this.#phase, seconds: this.#now() }),
        snapshot: async () => {
          throw new Refusal("the coordinator holds no replica: ask a member", "unimplemented");
        },
        stop: async (request) => this.#stopCall(request),
        exchange: (call) => this.#links.accept(call),
      },
    });
    this.#server.serving = true;
    const host = listen.slice(0, listen.lastIndexOf(":"));
    const address = `${host}:${this.#server.port}`;
    this.#say({ kind: "listening", address, members: this.#roster.seats.length });
    return this.#server.port;
  }

  /** The ranks that have not joined yet. */
  get missing(): number[] {
    const { seats, entries } = this.#roster;
    return seats.map((_, rank) => rank).filter((rank) => !entries.has(rank));
  }

  /** Resolves with the result when every member's part is over; members are then told to go. */
  async result(): Promise<EngineResult> {
    await this.#finished;
    await this.#judging;
    const seconds = this.#now();
    const held = await this.#collect();
    for (const { rank } of liveEntries(this.#roster)) this.#order(rank, { kind: "close" });
    const telemetry = createTelemetry(this.#roster.seats.map(({ role }) => role));
    for (const { telemetry: json } of held) addTelemetry(telemetry, json);
    countGone(telemetry, this.#roster);
    const { seats } = this.#roster;
    return resultOf(this.#options.plan, held, { seats, telemetry, seconds });
  }

  /** Ends the run after what is allowed already: in lockstep, after the round that is open. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    if (this.#phase !== "running") return;
    if (this.#pool) return this.#endPool();
    for (const { rank } of this.#learners()) this.#order(rank, { kind: "hold" });
  }

  /** Ends the run with this error. */
  fail(error: Error): void {
    this.#phase = "ending";
    this.#reject(error);
  }

  /** A process is known to be gone: its connection need not be waited for. */
  declareLost(rank: number, reason: string): void {
    const entry = this.#roster.entries.get(rank);
    clearTimeout(this.#suspects.get(rank));
    this.#suspects.delete(rank);
    if (!entry || entry.state === "dead" || entry.state === "left") return;
    if (this.#phase === "ending") return;
    const name = nameOf(rank, this.#roster.seats);
    const end = this.#phase === "gathering" || !this.#survives(entry);
    const action = end ? "the run ends" : "the others go on, and take over its rows";
    this.#say({ kind: "lost", rank, name, reason, action });
    entry.state = "dead";
    this.#links.remove(rank);
    if (this.#phase === "gathering") {
      return this.fail(new ClusterError(`${name} was lost before the run began: ${reason}`));
    }
    this.#expel(entry, reason);
  }

  /** A process that was started for the run has ended by itself. */
  processEnded(rank: number, reason: string): void {
    const name = nameOf(rank, this.#roster.seats);
    if (this.#roster.entries.has(rank)) this.declareLost(rank, reason);
    else this.fail(new ClusterError(`${name} ended before it joined: ${reason}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#watch);
    for (const timer of this.#suspects.values()) clearTimeout(timer);
    this.#links[Symbol.dispose]();
    await this.#server?.[Symbol.asyncDispose]();
  }

  #now(): number {
    return (performance.now() - this.#began) / 1000;
  }

  #say(event: ClusterEvent): void {
    this.#options.onEvent(event);
  }

  #order(rank: number, order: Order): void {
    this.#links.send(rank, encodeNote(order));
  }

  #learners(): RosterEntry[] {
    return liveEntries(this.#roster).filter(
      ({ seat, state }) => seat.role === "worker" && state === "running",
    );
  }

  async #join(request: JoinRequest, peer: string) {
    const { identity, plan, jobFor } = this.#options;
    countJoin(this.#guard, peer);
    const who = `${request.host}, process ${request.process}`;
    const refused = refuseHandshake(request.handshake, identity, who);
    if (refused !== null) throw new Refusal(refused);
    if (this.#phase !== "gathering") throw new Refusal(this.#noSeatNow());
    const rank = freeSeat(this.#roster, request.rankHint);
    if (rank < 0) {
      throw new Refusal(`all ${this.#roster.seats.length} seats of this run are taken`);
    }
    const address = reachable(request.advertise, peer);
    const about = { address, host: request.host, process: request.process, now: this.#now() };
    const entry = giveSeat(this.#roster, rank, about);
    try {
      await dialBack(address, this.#options.credentials);
    } catch (error) {
      this.#roster.entries.delete(rank);
      throw error;
    }
    const { incarnation } = entry;
    this.#links.admit({ rank, incarnation, address: null });
    this.#say({ kind: "joined", rank, name: nameOf(rank, this.#roster.seats), address });
    const { initial } = plan;
    return {
      handshake: ownHandshake(identity),
      ...{ rank, incarnation, address },
      job: JSON.stringify(jobFor(this.#roster, rank)),
      initial: initial ? encodeFrame({ kind: "model", ...initial }) : new Uint8Array(),
    };
  }

  #noSeatNow(): string {
    return `the run is ${this.#phase === "ending" ? "ending" : "under way"} and takes no new members`;
  }

  #rows(request: RowsRequest, rowsFor: CoordinatorOptions["rowsFor"]) {
    const entry = this.#roster.entries.get(request.rank);
    if (entry?.incarnation !== request.incarnation) {
      throw new Refusal(`life ${request.incarnation} of member ${request.rank} has no seat`);
    }
    return rowsFor(request);
  }

  #frame(rank: number, bytes: Uint8Array): void {
    const entry = this.#roster.entries.get(rank);
    if (!entry) return;
    entry.heardAt = this.#now();
    this.#absorb(entry, decodeNote<Tale>(bytes));
  }

  #absorb(entry: RosterEntry, tale: Tale): void {
    switch (tale.kind) {
      case "ready":
        entry.ownUpdates = tale.updates;
        entry.state = "ready";
        return this.#beginIfAllReady();
      case "progress": {
        const { kind, ...counts } = tale;
        Object.assign(entry, counts);
        return this.#judgePool();
      }
      case "lease":
        entry.rows = tale.rows;
        return this.#lease(entry);
      case "held":
        entry.taken = tale.taken;
        return this.#endHeld();
      case "suspect":
        return this.#suspect(tale.rank, tale.reason);
      case "leaving":
        return this.#leave(entry);
      case "finished":
        if (entry.leaving) return this.#becomeLeft(entry);
        entry.state = "finished";
        return this.#endIfAllFinished();
      case "failed":
        return this.fail(
          new Error(`${nameOf(entry.rank, this.#roster.seats)} failed: ${tale.message}`),
        );
      default:
        return tale satisfies never;
    }
  }

  #beginIfAllReady(): void {
    const entries = liveEntries(this.#roster);
    if (this.#phase !== "gathering" || this.missing.length > 0) return;
    if (entries.some(({ state }) => state !== "ready")) return;
    this.#phase = "running";
    this.#began = performance.now();
    this.#updates = Math.max(1, ...entries.map(({ ownUpdates }) => ownUpdates ?? 0));
    for (const entry of entries) {
      entry.state = "running";
      entry.heardAt = 0;
    }
    this.#announceView();
    const view = addressed(this.#roster);
    for (const { rank } of entries) {
      this.#order(rank, { kind: "begin", view, updates: this.#updates });
    }
    this.#startPace(entries);
    this.#watch = setInterval(() => this.#watchSilence(), 200);
    if (this.#stopping) {
      this.#stopping = false;
      this.stop();
    }
  }

  #announceView(): void {
    const { id, members } = nextView(this.#roster);
    this.#say({
      kind: "view",
      id,
      members: members.map(({ rank, incarnation }) => ({ rank, incarnation })),
    });
  }

  #startPace(entries: readonly RosterEntry[]): void {
    const { plan, observe } = this.#options;
    const { epochs, workers, task, options, strategy } = plan;
    const snapshotEpochs = observe?.everyEpochs ?? 0;
    if (strategy.pace === "lockstep") {
      this.#grants = createGrants({ updates: this.#updates, epochs, snapshotEpochs });
      this.#grantAll();
      const judge = this.#judge;
      if (judge)
        this.#judging = judge.rounds(
          this.#grants,
          this.#updates,
          () => !this.#stopping && this.#grantAll(),
        );
      return;
    }
    const { rowsPerUpdate } = options;
    this.#pool = createPool({ rows: task.rows, epochs, workers, rowsPerUpdate });
    for (const entry of entries) if (entry.seat.role === "worker") this.#lease(entry);
  }

  #grantAll(): void {
    const { granted: updates, last } = this.#grants!;
    for (const { rank } of this.#learners()) this.#order(rank, { kind: "grant", updates, last });
  }

  #lease(entry: RosterEntry): void {
    if (!this.#pool) return;
    const { rows, last } = takeRows(this.#pool);
    entry.leased += rows;
    this.#order(entry.rank, { kind: "lease", rows, last });
    this.#judgePool();
  }

  #endPool(): void {
    this.#pool!.left = 0;
    for (const { rank } of this.#learners()) {
      this.#order(rank, { kind: "lease", rows: 0, last: true });
    }
  }

  /** All learners stand still: they end after the update that the fastest of them has begun. */
  #endHeld(): void {
    const learners = this.#learners();
    if (!this.#grants || learners.some(({ taken }) => taken === null)) return;
    this.#grants.granted = Math.max(0, ...learners.map(({ taken }) => taken ?? 0));
    this.#grants.last = true;
    this.#grantAll();
  }

  #judgePool(): void {
    if (this.#pool) this.#judging = this.#judge?.pool(() => this.stop()) ?? this.#judging;
  }

  #collect() {
    const present = liveEntries(this.#roster).filter(({ state }) => state === "finished");
    return fetchModels(present, {
      after: 0,
      credentials: this.#options.credentials,
      withTelemetry: true,
    });
  }

  #endIfAllFinished(): void {
    const live = liveEntries(this.#roster);
    if (this.#phase !== "running" || live.some(({ state }) => state !== "finished")) return;
    this.#phase = "ending";
    clearInterval(this.#watch);
    this.#resolve();
  }

  #found(rank: number): void {
    clearTimeout(this.#suspects.get(rank));
    this.#suspects.delete(rank);
  }

  /** A connection broke: the member has a moment to come back. */
  #suspect(rank: number, reason: string): void {
    const entry = this.#roster.entries.get(rank);
    if (!entry || this.#suspects.has(rank) || this.#phase === "ending") return;
    const timer = setTimeout(() => {
      this.#suspects.delete(rank);
      if (this.#links.isConnected(rank)) return;
      this.declareLost(rank, `${reason}; not back after ${reconnectSecondsMax} s`);
    }, 1000 * reconnectSecondsMax);
    this.#suspects.set(rank, timer);
  }

  #watchSilence(): void {
    const now = this.#now();
    for (const entry of liveEntries(this.#roster)) {
      const silent = now - entry.heardAt;
      const most = silenceMax(entry);
      if (silent <= most) continue;
      this.declareLost(
        entry.rank,
        `not heard of for ${silent.toFixed(1)} s, at most ${most.toFixed(1)} s are allowed`,
      );
    }
  }

  /** The others can go on without it. */
  #survives({ rank, seat }: RosterEntry): boolean {
    const others = this.#learners().filter((one) => one.rank !== rank);
    return others.length > 0 && survivalOf(this.#options.plan.strategy, seat.role) !== null;
  }

  /** A member asked to leave: it makes no further updates, hands out what it has, and goes. */
  #leave(entry: RosterEntry): void {
    if (!this.#survives(entry)) return this.declareLost(entry.rank, "it was asked to leave");
    entry.leaving = true;
    const exhaust = survivalOf(this.#options.plan.strategy, entry.seat.role) === "counts-out";
    this.#order(entry.rank, { kind: "depart", exhaust });
  }

  #becomeLeft(entry: RosterEntry): void {
    const { rank } = entry;
    // Where there is no goodbye, nobody may wait for one: to the others the member is simply gone.
    const said = survivalOf(this.#options.plan.strategy, entry.seat.role) === "counts-out";
    entry.state = said ? "left" : "dead";
    this.#say({ kind: "left", rank, name: nameOf(rank, this.#roster.seats) });
    this.#order(rank, { kind: "close" });
    this.#goOnWithout(entry, []);
  }

  #expel(entry: RosterEntry, reason: string): void {
    const { rank, seat } = entry;
    if (this.#survives(entry)) return this.#goOnWithout(entry, [rank]);
    const name = nameOf(rank, this.#roster.seats);
    const { strategy } = this.#options.plan;
    this.fail(
      new ClusterError(
        `${name} was lost: ${reason}. Strategy ${strategy.name} can't go on without this ${seat.role}`,
      ),
    );
  }

  /** A new view; rows and unspent leases of the member that is gone pass to the others. */
  #goOnWithout(gone: RosterEntry, lost: readonly number[]): void {
    if (this.#pool && !this.#stopping) this.#pool.left += Math.max(0, gone.leased - gone.rows);
    passSegments(this.#roster, gone.rank);
    this.#announceView();
    const view = addressed(this.#roster);
    for (const { rank } of liveEntries(this.#roster)) {
      this.#order(rank, { kind: "view", view, lost });
    }
    if (this.#stopping) this.#endHeld();
    this.#endIfAllFinished();
  }

  #stopCall({ reason }: StopRequest): { state: string } {
    this.stop();
    return { state: `stopping: ${reason}` };
  }
}

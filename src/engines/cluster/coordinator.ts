/**
 * The coordinator of a run: gives out seats, starts members together, allows them to learn, has snapshots
 * judged, notices who is gone, and puts the result together. It is not on the path of strategies' messages.
 */
import { encodeFrame } from "../../wire/frame.ts";
import type { EngineResult, RunPlan } from "../engine.ts";
import { createTelemetry } from "../telemetry.ts";
import { coordinatorStatus } from "./coordinator-status.ts";
import type { ClusterEvent, ClusterSnapshot } from "./events.ts";
import type {
  JoinRequest,
  RowsRequest,
  StopRequest,
} from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { ownHandshake, type RunIdentity, refuseHandshake } from "./handshake.ts";
import { type ClusterJob, decodeNote, encodeNote, type Order, type Tale } from "./job.ts";
import { reconnectSecondsMax } from "./limits.ts";
import { coordinatorRank, Links } from "./links.ts";
import { dialBack, fetchModels, reachable } from "./member-calls.ts";
import {
  advanceGrants,
  createGrants,
  createPool,
  type Grants,
  type Pool,
  takeRows,
} from "./paces.ts";
import { Refusal } from "./refusal.ts";
import { addTelemetry, type HeldModel, resultOf, snapshotModel } from "./results.ts";
import {
  addressed,
  createRoster,
  freeSeat,
  giveSeat,
  liveEntries,
  nameOf,
  nextView,
  type Roster,
  type RosterEntry,
  silenceMax,
} from "./roster.ts";
import { type ClusterHandlers, ClusterServer } from "./server.ts";

/** How a coordinator runs a plan. */
export interface CoordinatorOptions {
  readonly plan: RunPlan;
  readonly identity: RunIdentity;
  readonly token: string;
  readonly listen: string;
  readonly portRange?: { readonly low: number; readonly high: number } | null;
  /** Segments that the training rows are cut into; 0 where rows are no rows of files. */
  readonly segments: number;
  readonly jobFor: (roster: Roster, rank: number) => ClusterJob;
  readonly rowsFor: ClusterHandlers["rows"];
  readonly observe?: {
    readonly everyEpochs: number;
    readonly at: (snapshot: ClusterSnapshot) => boolean | Promise<boolean>;
  };
  readonly onEvent: (event: ClusterEvent) => void;
}

/** Owns the server, the links and the timers of a run, until it is disposed. */
export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #roster: Roster;
  readonly #links: Links;
  readonly #finished: Promise<void>;
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};
  #server: ClusterServer | null = null;
  #phase: "gathering" | "running" | "ending" = "gathering";
  #grants: Grants | null = null;
  #pool: Pool | null = null;
  #updates = 0;
  #stopping = false;
  #judged = 0;
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
    const { identity, token } = options;
    this.#links = new Links(
      { run: identity.run, token, rank: coordinatorRank, incarnation: 1 },
      {
        frame: (rank, bytes) => this.#frame(rank, bytes),
        room: () => {},
        connected: (rank) => this.#found(rank),
        broken: (rank, reason) => this.#suspect(rank, reason),
        overrun: (rank, reason) => this.declareLost(rank, reason),
      },
    );
  }

  /** Listens for members; returns the port. */
  async listen(): Promise<number> {
    const { listen, portRange, token, rowsFor, identity } = this.#options;
    this.#server = await ClusterServer.listen({
      ...{ listen, token, portRange: portRange ?? null },
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
    this.#say({ kind: "lost", rank, name, reason });
    entry.state = "dead";
    this.#links.remove(rank);
    if (this.#phase === "gathering") {
      return this.fail(new Error(`${name} was lost before the run began: ${reason}`));
    }
    this.#expel(entry, reason);
  }

  /** A process that was started for the run has ended by itself. */
  processEnded(rank: number, reason: string): void {
    const name = nameOf(rank, this.#roster.seats);
    if (this.#roster.entries.has(rank)) this.declareLost(rank, reason);
    else this.fail(new Error(`${name} ended before it joined: ${reason}`));
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
      await dialBack(address, this.#options.token);
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
        return this.#judgeFreePace();
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
      if (observe) this.#judging = this.#judgeRounds();
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
    this.#judgeFreePace();
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

  /** Fetches and judges the snapshots of a lockstep run in their order. */
  async #judgeRounds(): Promise<void> {
    const { token } = this.#options;
    const grants = this.#grants!;
    for (let number = 1; number * grants.every <= grants.granted; number++) {
      const after = number * grants.every;
      const held = await fetchModels(this.#judgedMembers(), { after, token }).catch(() => null);
      if (held === null || this.#phase !== "running") return;
      const rows = Math.round((after / this.#updates) * this.#options.plan.task.rows);
      const stop = await this.#judge(number, rows, held);
      advanceGrants(grants, number, stop);
      if (!this.#stopping) this.#grantAll();
    }
  }

  /** Free pace: whenever another so many rows were learned, the model as it is then. */
  #judgeFreePace(): void {
    const { observe, plan, token } = this.#options;
    if (!observe || !this.#pool || this.#phase !== "running") return;
    const rows = liveEntries(this.#roster).reduce((sum, entry) => sum + entry.rows, 0);
    const number = Math.floor(rows / (observe.everyEpochs * plan.task.rows));
    if (number <= this.#judged) return;
    this.#judged = number;
    this.#judging = this.#judging.then(async () => {
      const held = await fetchModels(this.#judgedMembers(), { after: 0, token }).catch(() => null);
      if (held === null || this.#phase !== "running") return;
      if (await this.#judge(number, rows, held)) this.stop();
    });
    this.#judging.catch((error) => this.fail(error));
  }

  async #judge(number: number, rows: number, held: readonly HeldModel[]): Promise<boolean> {
    try {
      const model = snapshotModel(this.#options.plan, held);
      return await this.#options.observe!.at({ number, rows, seconds: this.#now(), model });
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
      return true;
    }
  }

  /** Whose models make the model of the run: the servers', all workers', or that of one. */
  #judgedMembers(): RosterEntry[] {
    const { strategy, options } = this.#options.plan;
    const live = liveEntries(this.#roster);
    const workers = live.filter(({ seat }) => seat.role === "worker");
    const servers = live.filter(({ seat }) => seat.role === "server");
    if (strategy.owns === "columns") return workers;
    // In lockstep a worker's replica is the model all agreed on after that round.
    if (servers.length > 0 && strategy.pace === "free") return servers;
    return servers.length === 0 && strategy.conserves(options) === "mean"
      ? workers
      : workers.slice(0, 1);
  }

  #collect() {
    const present = liveEntries(this.#roster).filter(({ state }) => state === "finished");
    return fetchModels(present, { after: 0, token: this.#options.token, withTelemetry: true });
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

  #leave(entry: RosterEntry): void {
    this.declareLost(entry.rank, "it was asked to leave");
  }

  #expel({ rank, seat }: RosterEntry, reason: string): void {
    const { strategy } = this.#options.plan;
    const name = nameOf(rank, this.#roster.seats);
    this.fail(
      new Error(
        `${name} was lost: ${reason}. ${strategy.name} ${seat.role}s do not go on without it`,
      ),
    );
  }

  #stopCall({ reason }: StopRequest): { state: string } {
    this.stop();
    return { state: `stopping: ${reason}` };
  }
}

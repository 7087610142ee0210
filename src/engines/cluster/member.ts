/**
 * A member in a process of its own: asks the coordinator for a seat, fetches its rows, and runs its strategy's
 * state machine, learning between messages. It needs only where to join; everything else comes with the seat.
 */
import { encodeFrame, readFrame } from "../../wire/frame.ts";
import {
  answerExhausted,
  answerRequest,
  begin,
  createHost,
  deliver,
  deliverMessage,
  giveLearner,
  type MemberHost,
  nextRows,
  ownUpdates,
  snapshotUpdates,
} from "../member-host.ts";
import { loadStrategy } from "../strategy-source.ts";
import { createTask } from "../task-spec.ts";
import { countDrop } from "../telemetry.ts";
import type { SnapshotRequest } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { createGuard, type Guard } from "./guard.ts";
import { ownHandshake, unknownRun } from "./handshake.ts";
import {
  type AddressedView,
  decodeNote,
  encodeNote,
  type MemberWait,
  type Order,
  type Tale,
} from "./job.ts";
import { acknowledgeMsMax, coordinatorSecondsMax, progressMsMax } from "./limits.ts";
import { coordinatorRank, Links } from "./links.ts";
import { describeRefusal, limitDefaults } from "./protection.ts";
import { Refusal } from "./refusal.ts";
import { createRemoteRows, type RemoteRows } from "./remote-rows.ts";
import { telemetryJson } from "./results.ts";
import { createClient, type MemberClient } from "./rpc.ts";
import { askForSeat, fetchRows, type MemberEnd, type MemberOptions, type Seated } from "./seat.ts";
import { ClusterServer } from "./server.ts";
import { SnapshotShelf } from "./snapshot-shelf.ts";

/** Owns the server, the links and the timers of a member, until it is disposed. */
export class ClusterMember {
  readonly #options: MemberOptions;
  readonly #client: MemberClient;
  readonly #protection: Guard;
  readonly #ended: Promise<MemberEnd>;
  #end: (end: MemberEnd) => void = () => {};
  #server: ClusterServer | null = null;
  #links: Links | null = null;
  #seated: Seated | null = null;
  #rows: RemoteRows | null = null;
  #host: MemberHost | null = null;
  #view: AddressedView | null = null;
  #shelf: SnapshotShelf | null = null;
  /** Lockstep: updates that may be learned. Free pace: rows that may be. Both: whether there will be more. */
  #granted = 0;
  #lease = 0;
  #last = false;
  #leaseAsked = false;
  #held = false;
  #leaseChunk = 0;
  #wait: MemberWait | null = null;
  #longestUpdate = 0;
  #learnSoon = false;
  #state = "joining";
  #toldFinished = false;
  #origin = performance.now();
  readonly #timers = new Set<NodeJS.Timeout>();
  #silence: NodeJS.Timeout | undefined;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.#client = createClient(options.join, options.credentials);
    this.#protection = createGuard(options.credentials, options.limits ?? limitDefaults, (event) =>
      options.log(describeRefusal(event)),
    );
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Resolves when its part is over. */
  get ended(): Promise<MemberEnd> {
    return this.#ended;
  }

  /**
   * Joins the run and gets ready; from then on it works by itself.
   * @throws CallError when the coordinator refuses or can't be reached.
   */
  async start(): Promise<void> {
    const { listen, portRange } = this.#options;
    this.#server = await ClusterServer.listen({
      ...{ listen, guard: this.#protection, portRange: portRange ?? null },
      handlers: {
        join: async () => this.#refuseJoin(),
        rows: () => this.#refuseJoin(),
        status: () => this.#status(),
        snapshot: (request) => this.#snapshot(request),
        stop: async ({ reason }) => this.#stop(reason),
        exchange: (call) => {
          if (!this.#links) throw new Refusal("this process has no seat yet", "unavailable");
          this.#links.accept(call);
        },
      },
    });
    const seated = await askForSeat(this.#client, this.#options, this.#server.port);
    this.#seated = seated;
    if (seated.job.access) this.#protection.gate.ask(seated.job.access);
    const strategy = await loadStrategy(seated.job.strategy);
    const task = await this.#task(seated);
    const { rank, incarnation, job, initial } = seated;
    this.#host = createHost({ ...job, rank, incarnation, initial }, strategy, task, {
      now: () => this.#now(),
      send: (to, body) => this.#links!.send(to, encodeFrame(body)),
      wake: (after) => this.#after(after, () => this.#wake()),
    });
    this.#connect(seated);
    this.#server.serving = true;
    this.#become("ready");
    this.#tell({ kind: "ready", updates: ownUpdates(this.#host) });
    this.#silence = setInterval(() => this.#progress(), progressMsMax);
  }

  /** Leaves in good order: no further rows, what was learned is handed out. */
  leave(): void {
    if (!this.#host) return this.#end({ kind: "left" });
    this.#become("leaving");
    this.#tell({ kind: "leaving" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#silence);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#links?.[Symbol.dispose]();
    this.#client.close();
    await this.#server?.[Symbol.asyncDispose]();
  }

  #now(): number {
    return (performance.now() - this.#origin) / 1000;
  }

  #become(state: string): void {
    this.#state = state;
    this.#options.log(`${state}`);
  }

  #refuseJoin(): never {
    const { rank } = this.#seated ?? { rank: "without a seat" };
    throw new Refusal(
      `this process is member ${rank}, not the coordinator: join at ${this.#options.join}`,
      "unimplemented",
    );
  }

  async #task({ job, rank, incarnation }: Seated) {
    if (job.task.kind !== "rows") return createTask(job.task);
    const owned = new Set(job.segments);
    this.#rows = createRemoteRows(job.task.spec, owned);
    const wanted = { rank, incarnation, segments: [...owned] };
    await fetchRows(this.#client, this.#options, wanted, (part) => this.#rows!.add(part));
    return this.#rows.task;
  }

  #connect({ rank, incarnation, identity }: Seated): void {
    const { credentials, join } = this.#options;
    const links = new Links(
      { run: identity.run, credentials, rank, incarnation },
      {
        frame: (from, bytes) => this.#guard(() => this.#frame(from, bytes)),
        room: () => this.#guard(() => this.#learnNext()),
        connected: (from) => from === coordinatorRank && this.#coordinatorFound(),
        broken: (from, reason) => this.#broken(from, reason),
        overrun: (from, reason) => this.#tell({ kind: "suspect", rank: from, reason }),
        fenced: (from, reason) => {
          if (from === coordinatorRank) this.#end({ kind: "failed", message: reason });
        },
      },
    );
    links.admit({ rank: coordinatorRank, incarnation: 1, address: join });
    this.#links = links;
  }

  /** Our own bugs end the member with words; the coordinator hears them first. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#options.log(message);
      this.#tell({ kind: "failed", message: error instanceof Error ? error.message : message });
      this.#after(1, () => this.#end({ kind: "failed", message }));
    }
  }

  #tell(tale: Tale): void {
    this.#links?.send(coordinatorRank, encodeNote(tale));
  }

  #frame(from: number, bytes: Uint8Array): void {
    if (from === coordinatorRank) return this.#obey(decodeNote<Order>(bytes));
    const host = this.#host!;
    const read = readFrame(bytes);
    if ("fault" in read) return countDrop(host.telemetry, read.fault);
    // Those who began earlier may already speak to a member that was not told to begin.
    if (this.#view === null) return void this.#early.push({ from, body: read.body });
    deliverMessage(host, from, read.body);
    this.#stepped();
  }

  readonly #early: { from: number; body: unknown }[] = [];

  #obey(order: Order): void {
    switch (order.kind) {
      case "begin":
        return this.#begin(order.view, order.updates);
      case "grant":
        this.#granted = order.updates;
        this.#last = order.last;
        this.#held = false;
        return this.#learnNext();
      case "lease":
        this.#lease = order.last && order.rows === 0 ? 0 : this.#lease + order.rows;
        this.#leaseChunk = Math.max(this.#leaseChunk, order.rows);
        this.#last = order.last;
        this.#leaseAsked = false;
        return this.#learnNext();
      case "hold":
        this.#held = true;
        return this.#tell({ kind: "held", taken: this.#host!.cursor?.taken ?? 0 });
      case "view":
        return this.#changeView(order.view, order.lost);
      case "depart":
        return this.#depart(order.exhaust);
      case "close":
        this.#end(this.#state === "leaving" ? { kind: "left" } : { kind: "done" });
        return this.#become("closed");
      default:
        return order satisfies never;
    }
  }

  #begin(view: AddressedView, updates: number): void {
    const host = this.#host!;
    this.#origin = performance.now();

    const every = snapshotUpdates(this.#seated!.job.snapshotEpochs, updates);
    this.#shelf = new SnapshotShelf(host.strategy.pace === "lockstep" ? every : 0);
    this.#become("running");
    this.#admitAll(view);
    begin(host, updates);
    for (const { from, body } of this.#early.splice(0)) deliverMessage(host, from, body);
    this.#stepped();
  }

  #admitAll(view: AddressedView): void {
    this.#view = view;
    const { rank: own } = this.#seated!;
    const present = new Set(view.addresses.map(({ rank }) => rank));
    for (const address of view.addresses) if (address.rank !== own) this.#links!.admit(address);
    for (const rank of this.#links!.ranks) {
      if (rank !== coordinatorRank && !present.has(rank)) this.#links!.remove(rank);
    }
  }

  #changeView(view: AddressedView, lost: readonly number[]): void {
    const host = this.#host!;
    this.#admitAll(view);
    this.#options.log(
      `view ${view.view.id}: members ${view.view.members.map(({ rank }) => rank).join(", ")}`,
    );
    this.#takeOver(view.owners).catch((error) => {
      this.#options.log(`could not take over rows, goes on with its own: ${error.message}`);
    });
    for (const member of lost) deliver(host, { kind: "lost", now: this.#now(), member });
    deliver(host, { kind: "view", now: this.#now(), view: view.view });
    this.#stepped();
  }

  /** Leaves in good order: by goodbye where the strategy has one, else once all it sent has arrived. */
  #depart(exhaust: boolean): void {
    this.#departing = exhaust ? "exhaust" : "hold";
    this.#learnNext();
    if (!exhaust) this.#departWhenFlushed();
  }

  #departWhenFlushed(): void {
    if (this.#links!.isFlushed) return this.#tell({ kind: "finished" });
    this.#after(acknowledgeMsMax / 1000, () => this.#departWhenFlushed());
  }

  /** Takes over rows that were somebody else's, once they are here; until then learns from what it has. */
  async #takeOver(owners: readonly number[]): Promise<void> {
    const { rank, incarnation, job } = this.#seated!;
    const rows = this.#rows;
    const host = this.#host!;
    if (!rows || job.task.kind !== "rows" || !host.learner) return;
    const owned = new Set([...owners.keys()].filter((segment) => owners[segment] === rank));
    const missing = [...owned].filter((segment) => !rows.segments.has(segment));
    if (missing.length === 0) return;
    const wanted = { rank, incarnation, segments: missing };
    await fetchRows(this.#client, this.#options, wanted, (part) => rows.add(part));
    const { workers, seed } = job;
    giveLearner(host, rows.createLearner({ rank, workers, seed }, owned));
    this.#options.log(`took over ${missing.length} segments: ${host.learner.rows} rows now`);
  }

  #departing: "no" | "exhaust" | "hold" = "no";

  #wake(): void {
    this.#guard(() => {
      if (!this.#host) return;
      deliver(this.#host, { kind: "wake", now: this.#now() });
      this.#stepped();
    });
  }

  /** After every step: is the part over, or is there something to learn? */
  #stepped(): void {
    if (this.#host!.finished && !this.#toldFinished) {
      this.#toldFinished = true;
      this.#become("finished");
      this.#progress();
      return this.#tell({ kind: "finished" });
    }
    this.#learnNext();
  }

  /** Learns soon, after messages that are already here, unless something is missing first. */
  #learnNext(): void {
    const host = this.#host;
    if (!host?.request || host.finished || this.#learnSoon || !this.#shelf) return;
    const verdict = this.#mayLearn(host);
    if (verdict === "later") return;
    this.#wait = null;
    this.#learnSoon = true;
    setImmediate(() =>
      this.#guard(() => {
        this.#learnSoon = false;
        if (verdict === "exhausted") answerExhausted(host);
        else this.#learn(host);
        this.#stepped();
      }),
    );
  }

  #learn(host: MemberHost): void {
    const began = performance.now();
    this.#lease -= nextRows(host);
    answerRequest(host);
    this.#longestUpdate = Math.max(this.#longestUpdate, (performance.now() - began) / 1000);
  }

  #mayLearn(host: MemberHost): "learn" | "later" | "exhausted" {
    if (!this.#links!.hasRoom) {
      return this.#waitFor(`members ${this.#links!.fullRanks.join(", ")} to take what was sent`);
    }
    if (host.request!.kind === "adjust") return "learn";
    if (this.#departing === "exhaust") return "exhausted";
    if (this.#departing === "hold") return this.#waitFor("leave to go");
    if (host.strategy.pace === "lockstep") {
      const { taken } = host.cursor!;
      this.#shelf!.offer(taken, () => host.replica.snapshot());
      if (this.#held) return this.#waitFor("the coordinator, which ends the run");
      if (taken < this.#granted) return "learn";
      return this.#last ? "exhausted" : this.#waitFor("the coordinator's verdict on a snapshot");
    }
    if (!this.#last && !this.#leaseAsked && this.#lease <= this.#leaseChunk / 2) {
      this.#leaseAsked = true;
      this.#tell({ kind: "lease", rows: host.counts.rows });
    }
    if (this.#lease > 0) return "learn";
    return this.#last ? "exhausted" : this.#waitFor("rows from the coordinator");
  }

  #waitFor(whom: string): "later" {
    const since = this.#now();
    if (this.#wait?.whom !== whom) {
      this.#wait = { whom, since, until: since + coordinatorSecondsMax };
    }
    return "later";
  }

  #progress(): void {
    const host = this.#host;
    if (!host) return;
    const { updates, rows, bytesSent, messagesSent } = host.counts;
    this.#tell({
      kind: "progress",
      ...{ updates, rows, bytes: bytesSent, messages: messagesSent },
      longestUpdate: this.#longestUpdate,
      wait: this.#waitNow(host),
    });
  }

  /** What the member waits for: the engine's own waits, else an answer of the others. */
  #waitNow(host: MemberHost): MemberWait | null {
    if (this.#wait || host.request || host.finished || !this.#view) return this.#wait;
    const others = this.#view.view.members.filter(({ rank }) => rank !== this.#seated!.rank);
    const whom = host.learner
      ? `an answer of member ${others.map(({ rank }) => rank).join(" or ")}`
      : "updates of workers";
    return { whom, since: host.idleSince, until: this.#now() + coordinatorSecondsMax };
  }

  #broken(rank: number, reason: string): void {
    const who = rank === coordinatorRank ? "coordinator" : `member ${rank}`;
    this.#options.log(`connection to ${who} broke: ${reason}`);
    if (rank !== coordinatorRank) return;
    this.#lostCoordinator ??= this.#after(coordinatorSecondsMax, () => {
      const message = `the coordinator at ${this.#options.join} was not reached for ${coordinatorSecondsMax} s: ${reason}`;
      this.#end({ kind: "failed", message });
    });
  }

  #lostCoordinator: NodeJS.Timeout | undefined;

  #coordinatorFound(): void {
    clearTimeout(this.#lostCoordinator);
    this.#lostCoordinator = undefined;
  }

  #after(seconds: number, work: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, 1000 * seconds);
    this.#timers.add(timer);
    return timer;
  }

  async #snapshot({ afterUpdates, withTelemetry }: SnapshotRequest) {
    const host = this.#host;
    if (!host || !this.#shelf) throw new Refusal("this process has no model yet", "unavailable");
    const at = Number(afterUpdates);
    const model = at === 0 ? host.replica.snapshot() : await this.#shelf.take(at);
    const { counts } = host;
    return {
      updates: BigInt(counts.updates),
      model: encodeFrame({ kind: "model", ...model }),
      telemetry: withTelemetry ? telemetryJson(host.telemetry) : "",
    };
  }

  #stop(reason: string): { state: string } {
    this.#options.log(`asked to leave: ${reason}`);
    this.leave();
    return { state: this.#state };
  }

  #status() {
    const seated = this.#seated;
    const counts = this.#host?.counts;
    const wait = this.#host ? this.#waitNow(this.#host) : null;
    return {
      handshake: ownHandshake(seated?.identity ?? unknownRun),
      role: seated ? seated.job.seats[seated.rank]!.role : "member",
      state: this.#state,
      view: this.#view?.view.id ?? 0,
      seconds: this.#now(),
      members: seated
        ? [
            {
              ...{ rank: seated.rank, incarnation: seated.incarnation, address: seated.address },
              ...{ role: seated.job.seats[seated.rank]!.role, state: this.#state },
              updates: BigInt(counts?.updates ?? 0),
              rows: BigInt(counts?.rows ?? 0),
              sentBytes: BigInt(counts?.bytesSent ?? 0),
              ...(wait ? { wait } : {}),
            },
          ]
        : [],
      waits: wait ? [wait] : [],
    };
  }
}

/**
 * A member in a process of its own: asks the coordinator for a seat, fetches its rows, and runs its strategy's
 * state machine with membership beneath it, learning between messages. It needs only where to join; everything
 * else comes with the seat. Who takes part the members agree on among themselves; rows and links follow the views.
 */
import type { View } from "../../strategies/strategy.ts";
import { isMemberOf } from "../../topology/view.ts";
import { encodeFrame } from "../../wire/frame.ts";
import {
  answerExhausted,
  answerRequest,
  begin,
  createHost,
  deliver,
  type MemberHost,
  nextRows,
  prepare,
  seatIn,
  snapshotUpdates,
} from "../member-host.ts";
import {
  becomeBereaved,
  isApart,
  leftWithoutPart,
  membered,
  processIn,
  standingOf,
} from "../membered.ts";
import { loadStrategy } from "../strategy-source.ts";
import { countDrop } from "../telemetry.ts";
import type { SnapshotRequest } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { countJoin, createMemberGuard, type Guard } from "./guard.ts";
import { type EarlyFrame, hear, keepEarly } from "./hearing.ts";
import {
  type Begun,
  decodeNote,
  encodeNote,
  type MemberCounts,
  type MemberWait,
  type Order,
  type Tale,
} from "./job.ts";
import { beatSeconds, coordinatorSecondsMax, leaseSeconds, progressMsMax } from "./limits.ts";
import { coordinatorRank, Links } from "./links.ts";
import { createMemberPace, mayLearn, obeyPace } from "./member-pace.ts";
import { MemberRows } from "./member-rows.ts";
import {
  answerWait,
  hereTale,
  leaseLost,
  memberCounts,
  memberStatus,
  quorumMissed,
  sayLeaving,
  tellBroken,
} from "./member-status.ts";
import { Orphanhood } from "./orphanhood.ts";
import { partIfLeft } from "./parting.ts";
import { Refusal } from "./refusal.ts";
import { Regent } from "./regent.ts";
import { createClient, type MemberClient } from "./rpc.ts";
import {
  askForSeat,
  closedBy,
  type MemberEnd,
  type MemberOptions,
  type Seated,
  seatWords,
} from "./seat.ts";
import { ClusterServer } from "./server.ts";
import { answerSnapshot, SnapshotShelf } from "./snapshot-shelf.ts";
import { Timers } from "./timers.ts";

/** Owns the server, the links and the timers of a member, until it is disposed. */
export class ClusterMember {
  readonly #options: MemberOptions;
  #client: MemberClient;
  readonly #protection: Guard;
  readonly #ended: Promise<MemberEnd>;
  #end: (end: MemberEnd) => void = () => {};
  #server: ClusterServer | null = null;
  #links: Links | null = null;
  #seated: Seated | null = null;
  #rows: MemberRows | null = null;
  #regent: Regent | null = null;
  #host: MemberHost | null = null;
  /** The view that rows and links follow; null before the run has begun here. */
  #view: View | null = null;
  #begun = false;
  #run: Pick<Begun, "updates" | "learned" | "endsAt"> = { updates: 0, learned: 0, endsAt: null };
  #shelf: SnapshotShelf | null = null;
  readonly #pace = createMemberPace();
  #leaving = false;
  readonly #orphanhood: Orphanhood;
  /** Came before the run began here. */
  readonly #early: EarlyFrame[] = [];
  #wait: MemberWait | null = null;
  #longestUpdate = 0;
  #learnSoon = false;
  #state = "joining";
  #toldFinished = false;
  #origin = performance.now();
  readonly #timers = new Timers();
  #silence: NodeJS.Timeout | undefined;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.#client = createClient(options.join, options.credentials);
    this.#protection = createMemberGuard(options);
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#orphanhood = new Orphanhood({
      ...{ options, pace: this.#pace, seated: () => this.#seated!, host: () => this.#host! },
      ...{ view: () => this.#view, addresses: () => this.#links!.members, now: () => this.#now() },
      ...{ begun: () => this.#run, lacksRows: () => this.#rows!.lacks },
      ...{ isLeaving: () => this.#leaving, longestUpdate: () => this.#longestUpdate },
      isApart: () => isApart(this.#host!.state),
      ...{ learnNext: () => this.#learnNext(), leave: () => this.leave(), end: this.#end },
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
        join: (request, peer) => this.#seatedOr((of) => of.regent.join(request, peer)),
        rows: ({ segments }) => this.#seatedOr((of) => of.rows.parts(segments)),
        status: () => this.#status(),
        snapshot: async (request) => this.#snapshot(request),
        stop: async ({ reason }) => {
          this.#options.log(`asked to leave: ${reason}`);
          this.leave();
          return { state: this.#state };
        },
        exchange: (call) => {
          if (!this.#links) throw new Refusal("this process has no seat yet", "unavailable");
          this.#links.accept(call);
        },
      },
    });
    const seated = await askForSeat(this.#client, this.#options, this.#server.port);
    this.#seated = seated;
    const seatedAt = performance.now();
    if (seated.job.access) this.#protection.gate.ask(seated.job.access);
    const { rank, incarnation, job, initial } = seated;
    this.#options.log(seatWords(seated));
    const rule = { beatSeconds, quorum: "majority", leaseSeconds, partsHeard: true } as const;
    const strategy = membered(await loadStrategy(job.strategy), rule);
    this.#comeTo(seated);
    const task = await this.#rows!.createTask();
    // A newcomer is in no view, whatever ranks the first one has.
    const around = job.begun ? { view: job.begun.view } : {};
    this.#host = createHost({ ...job, rank, incarnation, initial, ...around }, strategy, task, {
      now: () => this.#now(),
      send: (to, body) => this.#send(to, encodeFrame(body)),
      blame: (from, reason) => this.#reject(from, reason),
      wake: (after) => this.#wakeAt(this.#now() + after),
    });
    this.#connect(seated);
    this.#server.serving = true;
    this.#become("ready");
    this.#tell({ kind: "ready", updates: prepare(this.#host) });
    this.#orphanhood.begin();
    this.#silence = setInterval(() => this.#progress(), progressMsMax);
    if (job.begun) this.#begin(job.begun, seatedAt);
  }

  /** Leaves in good order: no further rows, what was learned is handed out. */
  leave(): void {
    if (!this.#host || !this.#begun) return this.#end({ kind: "left" });
    if (this.#leaving || this.#host.finished) return;
    this.#leaving = true;
    this.#become("leaving");
    this.#tell({ kind: "leaving" });
    deliver(this.#host, { kind: "leave", now: this.#now() });
    sayLeaving(this.#host, this.#options.log);
    this.#stepped();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#silence);
    this.#timers[Symbol.dispose]();
    this.#rows?.[Symbol.dispose]();
    await this.#links?.[Symbol.asyncDispose]();
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

  /** Rows come from the coordinator, wherever this process asked for its seat. */
  #comeTo(seated: Seated): void {
    const { credentials, join } = this.#options;
    if (seated.coordinator !== join) {
      this.#client.close();
      this.#client = createClient(seated.coordinator, credentials);
    }
    const others = () => this.#links?.members ?? seated.job.begun?.addresses ?? [];
    this.#rows = new MemberRows({ client: this.#client, options: this.#options, seated }, others);
    this.#regent = new Regent(seated, {
      ...{ credentials, absence: this.#orphanhood.absence, host: () => this.#host! },
      addresses: () => [...others(), seated],
      count: (peer) => countJoin(this.#protection, peer),
      progress: () => this.#run,
    });
  }

  #seatedOr<T>(work: (of: { regent: Regent; rows: MemberRows }) => T): T {
    const [regent, rows] = [this.#regent, this.#rows];
    if (regent && rows && this.#begun) return work({ regent, rows });
    throw new Refusal("this process takes no part in the run yet", "unavailable");
  }

  #connect({ rank, incarnation, identity: { run }, address, coordinator, proof }: Seated) {
    const bufferedMax = this.#protection.watch.limits.buffered;
    const { credentials } = this.#options;
    const links = new Links(
      { run, credentials, rank, incarnation, address, proof, bufferedMax },
      {
        frame: (from, bytes) => this.#guard(() => this.#frame(from, bytes)),
        room: () => this.#guard(() => this.#learnNext()),
        connected: (from) => from === coordinatorRank && this.#orphanhood.found(),
        broken: (from, reason) => this.#broken(from, reason),
        // Who takes nothing is expelled when its beats are late too; until then nobody learns on.
        overrun: (from) => this.#protection.watch.reached("buffered", `member ${from}`),
        violated: (from, reason) => this.#reject(from, reason),
        // Another process has the seat: this one is over, and would only be told so again by everybody.
        fenced: (_from, message) => this.#end({ kind: "failed", message }),
        renewed: (from) => from === coordinatorRank && this.#tellAll(),
        welcomes: (peer, giver) => this.#regent!.welcomes(peer, giver),
        needs: (peer) => peer === coordinatorRank || isMemberOf(this.#view, peer),
      },
    );
    links.admit({ rank: coordinatorRank, incarnation: 1, address: coordinator });
    this.#links = links;
  }

  /** Our own bugs end the member with words; the coordinator hears them first. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      this.#options.log(stack ?? message);
      this.#tell({ kind: "failed", message });
      this.#timers.after(1, () => this.#end({ kind: "failed", message: stack ?? message }));
    }
  }

  #tell(tale: Tale): void {
    this.#links?.send(coordinatorRank, encodeNote(tale));
  }

  #frame(from: number, bytes: Uint8Array): void {
    if (from === coordinatorRank) return this.#obey(decodeNote<Order>(bytes));
    const { watch } = this.#protection;
    const incarnation = this.#links!.incarnationOf(from) ?? 0;
    const { updates } = this.#run;
    const hearing = { from, incarnation, watch, job: this.#seated!.job, updates };
    // Those who began earlier may already speak to a member that was not told to begin.
    if (!this.#begun) return this.#reject(from, keepEarly(this.#early, bytes, hearing));
    this.#reject(from, hear(bytes, this.#host!, hearing));
    this.#stepped();
  }

  /** A peer sent what no member sends: nothing of it is acted upon, and it is not heard any more. */
  #reject(from: number, reason: string | null): void {
    if (reason === null) return;
    if (from === coordinatorRank) return this.#end({ kind: "failed", message: reason });
    countDrop(this.#host!.telemetry, `rejected: ${reason}`);
    this.#tell({ ...{ kind: "reject", reason }, ...this.#links!.forget(from) });
  }

  #obey(order: Order): void {
    switch (order.kind) {
      case "begin":
        seatIn(this.#host!, order.view);
        return this.#begin(order);
      case "address":
        return this.#links!.admit(order.address, { dial: !this.#begun });
      case "ended":
        return this.#mourn(order);
      case "hold":
        obeyPace(this.#pace, order);
        return this.#tell({ kind: "held", taken: this.#host!.cursor?.taken ?? 0 });
      case "grant":
      case "lease":
        obeyPace(this.#pace, order);
        return this.#learnNext();
      case "abort":
        return this.#end({ kind: "failed", message: `the run has failed: ${order.message}` });
      case "close":
        this.#end(closedBy(order, this.#leaving));
        return this.#become("closed");
      default:
        return order satisfies never;
    }
  }

  #begin(
    { addresses, updates, learned, seconds, endsAt }: Begun,
    toldAt = performance.now(),
  ): void {
    const host = this.#host!;
    // One clock for all members: whoever says since when it waits is understood.
    this.#origin = toldAt - 1000 * seconds;
    this.#run = { updates, learned, endsAt };
    const every = snapshotUpdates(this.#seated!.job.snapshotEpochs, updates);
    this.#shelf = new SnapshotShelf(host.strategy.pace === "lockstep" ? every : 0);
    this.#become("running");
    const others = addresses.filter(({ rank }) => rank !== this.#seated!.rank);
    for (const address of others) this.#links!.admit(address);
    this.#begun = true;
    begin(host, updates);
    for (const { from, bytes } of this.#early.splice(0)) this.#frame(from, bytes);
    this.#stepped();
  }

  /** To a member of the view that was not heard of yet a frame waits until that member calls. */
  #send(to: number, frame: Uint8Array): void {
    const links = this.#links!;
    const incarnation = links.incarnationOf(to) ? null : processIn(this.#host!.state, to);
    if (incarnation !== null) links.admit({ rank: to, incarnation, address: null });
    links.send(to, frame);
  }

  /** Rows and links follow the view that the members have agreed on. */
  #follow(): void {
    const host = this.#host!;
    const { view } = standingOf(host.state);
    if (view === null || view === this.#view) return;
    this.#links!.followView(this.#view, view);
    this.#view = view;
    const ranks = view.members.map(({ rank }) => rank);
    this.#options.log(`view ${view.id}: members ${ranks.join(", ")}`);
    this.#tell({ kind: "view", view });
    this.#rows!.follow(view, host);
    this.#regent!.follow(view);
  }

  #mourn({ rank, incarnation }: { rank: number; incarnation: number }): void {
    const { state } = this.#host!;
    if (processIn(state, rank) !== incarnation) return;
    this.#links!.remove(rank);
    becomeBereaved(state, rank);
    this.#wake();
  }

  /** Never early, as timers are after a long step: a strategy takes an early wake for one that no longer matters. */
  #wakeAt(at: number): void {
    this.#timers.after(at - this.#now(), () =>
      this.#now() < at ? this.#wakeAt(at) : this.#wake(),
    );
  }

  #wake(): void {
    this.#guard(() => {
      if (!this.#host) return;
      deliver(this.#host, { kind: "wake", now: this.#now() });
      this.#stepped();
    });
  }

  /** After every step: is the part over, or is there something to learn? */
  #stepped(): void {
    this.#follow();
    const [{ state }, links] = [this.#host!, this.#links!];
    partIfLeft({ state, links, view: () => this.#view, wake: () => this.#wake() });
    if (this.#host!.finished && !this.#toldFinished) {
      this.#toldFinished = true;
      // A coordinator may tell it to go before that.
      if (leftWithoutPart(state)) this.#timers.after(1, () => this.#end({ kind: "left" }));
      const message = leaseLost(this.#host!, this.#now());
      if (message !== null) return this.#end({ kind: "failed", message });
      this.#become("finished");
      this.#shelf!.close(this.#host!.replica.snapshot());
      this.#progress();
      return this.#tell({ kind: "finished" });
    }
    this.#learnNext();
  }

  /** Learns soon, after messages that are already here, unless something is missing first. */
  #learnNext(): void {
    const host = this.#host;
    if (!host?.request || host.finished || this.#learnSoon || !this.#shelf) return;
    if (this.#mayLearn(host) === "later") return;
    this.#learnSoon = true;
    setImmediate(() => this.#guard(() => this.#answer(host)));
  }

  /** Asks once more: a member that was told to hold meanwhile has said how far it has come, and must stay there. */
  #answer(host: MemberHost): void {
    this.#learnSoon = false;
    const verdict = host.request && !host.finished ? this.#mayLearn(host) : "later";
    if (verdict === "later") return;
    this.#wait = null;
    if (verdict === "exhausted") answerExhausted(host);
    else this.#learn(host);
    this.#stepped();
  }

  #learn(host: MemberHost): void {
    const began = performance.now();
    this.#pace.lease -= nextRows(host);
    answerRequest(host);
    this.#longestUpdate = Math.max(this.#longestUpdate, (performance.now() - began) / 1000);
  }

  #mayLearn(host: MemberHost): "learn" | "later" | "exhausted" {
    if (!this.#links!.hasRoom) {
      return this.#waitFor(`members ${this.#links!.fullRanks.join(", ")} to take what was sent`);
    }
    if (host.request!.kind === "adjust") return "learn";
    const quorum = quorumMissed(host, this.#now());
    if (quorum !== null) return this.#waitFor(quorum.whom, quorum.since, quorum.until);
    // The coordinator is not on the path: without it a member does what is left of the plan.
    this.#orphanhood.allowRest();
    const tell = (rows: number, left: number) => this.#tell({ kind: "lease", rows, left });
    const verdict = mayLearn(this.#pace, host, { shelf: this.#shelf!, askForRows: tell });
    return typeof verdict === "string" ? verdict : this.#waitFor(verdict.whom);
  }

  #waitFor(whom: string, since = this.#now(), until = since + coordinatorSecondsMax): "later" {
    if (this.#wait?.whom !== whom) this.#wait = { whom, since, until };
    return "later";
  }

  /** The coordinator is a new process, and knows what the old one had written down. */
  #tellAll(): void {
    const host = this.#host;
    if (!host) return;
    this.#orphanhood.found();
    this.#pace.leaseAsked = false;
    this.#rows!.askAnew(host);
    this.#options.log("the coordinator was started again");
    const state = this.#toldFinished ? "finished" : this.#begun ? "running" : "ready";
    const standing = { state, leaving: this.#leaving, view: this.#view } as const;
    this.#tell(hereTale(host, { ...standing, pace: this.#pace, counts: this.#countsOf(host) }));
    if (this.#pace.held) this.#tell({ kind: "held", taken: host.cursor?.taken ?? 0 });
    this.#learnNext();
  }

  #countsOf(host: MemberHost): MemberCounts {
    return memberCounts(host.counts, this.#longestUpdate, this.#waitNow(host));
  }

  #progress(): void {
    const host = this.#host;
    if (!host) return;
    // What nobody takes would only pile up; a coordinator that comes back is told all.
    if (!this.#orphanhood.absence.isLong) this.#tell({ kind: "progress", ...this.#countsOf(host) });
    this.#orphanhood.check();
  }

  /** What the member waits for: the engine's own waits, else an answer of the others. */
  #waitNow(host: MemberHost): MemberWait | null {
    if (this.#wait || host.request || host.finished || !this.#view) return this.#wait;
    return answerWait(host, this.#view, this.#now());
  }

  #broken(rank: number, reason: string): void {
    tellBroken({ rank, reason }, this.#host?.finished ? "over" : this.#view, this.#options.log);
    if (rank === coordinatorRank) this.#orphanhood.absence.lost();
  }

  #snapshot(request: SnapshotRequest) {
    const [host, shelf] = [this.#host, this.#shelf];
    if (!host || !shelf) throw new Refusal("this process has no model yet", "unavailable");
    this.#orphanhood.handedOver();
    return answerSnapshot(host, shelf, request);
  }

  #status() {
    const host = this.#host;
    return memberStatus({
      ...{ seated: this.#seated, counts: host?.counts ?? null, wait: host && this.#waitNow(host) },
      lacks: [this.#orphanhood.wait, this.#rows?.waitAt(this.#now()) ?? null],
      ...{ state: this.#state, view: this.#view?.id ?? 0, seconds: this.#now() },
    });
  }
}

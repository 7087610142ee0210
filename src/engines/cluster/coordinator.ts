/**
 * The coordinator of a run: gives out seats, starts members together, allows them to learn, has snapshots
 * judged, and puts the result together. It is not on the path of strategies' messages, and it decides no views:
 * members do (membership/), and tell it. What it alone knows for certain, that a process it started has ended, it
 * tells them.
 */
import type { View } from "../../strategies/strategy.ts";
import type { EngineResult } from "../engine.ts";
import { findMember } from "./abandoned.ts";
import { adopt, isAdoptable } from "./adoption.ts";
import { ClusterError } from "./cluster-error.ts";
import { conclude } from "./conclusion.ts";
import type { CoordinatorOptions } from "./coordinator-options.ts";
import { questionsTo } from "./coordinator-status.ts";
import { type ClusterEvent, tellWait } from "./events.ts";
import type { JoinRequest } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { countJoin, createGuard, type Guard } from "./guard.ts";
import { type Begun, encodeNote, type Order, type Tale } from "./job.ts";
import { joinReply, refuseJoin, seatNewcomer } from "./joining.ts";
import { createJudge } from "./judge.ts";
import { returnSeconds } from "./limits.ts";
import { coordinatorRank, type Giver, Links, type PeerAddress } from "./links.ts";
import { dialBack, reachable } from "./member-calls.ts";
import { Pacer } from "./pacer.ts";
import { type Proof, proofOfCoordinator } from "./passes.ts";
import { Refusal } from "./refusal.ts";
import {
  acquaintances,
  becomeFound,
  begunOf,
  createRoster,
  firstView,
  introductions,
  isAnybodyBusy,
  isLastOne,
  lastGone,
  learners,
  liveEntries,
  missingRanks,
  nameOf,
  noteHeard,
  type Roster,
  type RosterEntry,
  restoreRoster,
  rowsTaken,
  type Seating,
  savedRoster,
} from "./roster.ts";
import { type SavedRun, StateKeeper } from "./saved-run.ts";
import { ClusterServer } from "./server.ts";
import { SilenceWatch } from "./silence.ts";
import { readTale } from "./tales.ts";
import { lostAction, stoppedBefore, VitalWatch } from "./vital.ts";

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
  readonly #pacer: Pacer;
  readonly #proof: Proof | null;
  #updates = 0;
  #stopping = false;
  #isAsked = false;
  #began = performance.now();
  readonly #silence: SilenceWatch;
  readonly #vital: VitalWatch;
  readonly #keeper: StateKeeper | null;
  readonly #rowsBefore: number;
  readonly #secondsBefore: number;

  constructor(options: CoordinatorOptions, seating: Seating) {
    this.#options = options;
    this.#roster = createRoster(seating);
    this.#finished = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#finished.catch(() => {});
    const { identity, credentials, limits, plan, observe, state, saved, resume } = options;
    this.#rowsBefore = saved?.rowsBefore ?? resume?.rows ?? 0;
    // Of a run that is taken up what the checkpoint has is not told once more.
    this.#secondsBefore = saved && resume ? saved.seconds : 0;
    this.#keeper = state ? new StateKeeper(state) : null;
    const self = { run: identity.run, rank: coordinatorRank, incarnation: 1 };
    this.#proof = proofOfCoordinator(credentials.tokens, self);
    this.#guard = createGuard(credentials, limits, (event) => this.#say(event));
    const facts = { roster: this.#roster, rowsBefore: this.#rowsBefore };
    const judge = createJudge(options, facts, {
      running: () => this.#phase === "running",
      now: () => this.#now() - this.#secondsBefore,
      fail: (error) => this.fail(error),
    });
    const pace = { snapshotEpochs: observe?.everyEpochs ?? 0, rowsBefore: this.#rowsBefore };
    this.#pacer = new Pacer(plan, judge, pace, {
      order: (rank, order) => this.#order(rank, order),
      ...{ learners: () => learners(this.#roster), rowsTaken: () => rowsTaken(this.#roster) },
      stop: () => this.stop(),
    });
    this.#vital = new VitalWatch(options, this.#roster, {
      isRunning: () => this.#phase === "running",
      isStopping: () => this.#stopping,
      fail: (error) => this.fail(error),
      find: (entry) => findMember(entry, credentials),
    });
    this.#silence = new SilenceWatch(this.#roster, {
      now: () => this.#now(),
      isConnected: (rank) => this.#links.isConnected(rank),
      silent: (entry, reason) => this.#becomeGone(entry, "silent", reason),
      looked: () => this.#keep(false),
    });
    this.#links = new Links(
      {
        ...{ run: identity.run, credentials, proof: this.#proof },
        ...{ rank: coordinatorRank, incarnation: 1, address: "", bufferedMax: limits.buffered },
      },
      {
        frame: (rank, bytes) => this.#frame(rank, bytes),
        room: () => {},
        connected: (rank) => this.#silence.found(rank),
        broken: (rank, reason) => this.#suspect(rank, reason),
        overrun: (rank) => {
          this.#guard.watch.reached("buffered", nameOf(rank, seating.seats));
          this.#links.drop(rank);
        },
        violated: (rank, reason) => this.#turnAway(rank, reason),
        fenced: () => {},
        renewed: () => {},
        needs: () => false,
        welcomes: (peer, giver) => this.#welcomes(peer, giver),
      },
    );
  }

  /** Listens for members; returns the port. */
  async listen(): Promise<number> {
    const { listen, portRange } = this.#options;
    this.#server = await ClusterServer.listen({
      ...{ listen, guard: this.#guard, portRange: portRange ?? null },
      handlers: {
        join: (request, peer) => this.#join(request, peer),
        ...questionsTo(this.#options, this.#roster, {
          phase: () => this.#phase,
          ...{ now: () => this.#now(), rowsBefore: this.#rowsBefore },
        }),
        stop: async ({ reason }) => {
          this.#isAsked = true;
          this.stop();
          return { state: `stopping: ${reason}` };
        },
        exchange: (call) => this.#links.accept(call),
      },
    });
    this.#server.serving = true;
    if (this.#options.saved) this.#takeUp(this.#options.saved);
    const host = listen.slice(0, listen.lastIndexOf(":"));
    const address = `${host}:${this.#server.port}`;
    const about = { members: this.#roster.planned, takenUp: this.#phase === "running" };
    this.#say({ kind: "listening", address, ...about });
    return this.#server.port;
  }

  /** The ranks that have not joined yet. */
  get missing(): number[] {
    return this.#phase === "gathering" ? missingRanks(this.#roster) : [];
  }

  /** Resolves with the result when every member's part is over; members are then told to go. */
  async result(): Promise<EngineResult> {
    await this.#finished;
    await this.#pacer.judging;
    await this.#keeper?.settled();
    const seconds = this.#now() - this.#secondsBefore;
    const dismiss = () => {
      for (const rank of this.#links.ranks) {
        const missed = this.#roster.entries.get(rank)?.state === "silent";
        this.#order(rank, { kind: "close", missed });
      }
    };
    const facts = { seconds, rowsBefore: this.#rowsBefore, isStopped: this.#isAsked };
    return conclude(this.#options, { roster: this.#roster, dismiss }, facts);
  }

  /** Ends the run after what is allowed already: in lockstep, after the round that is open; before it has begun, at once. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    if (this.#phase === "gathering") return this.fail(stoppedBefore());
    if (this.#phase === "ending") return;
    this.#pacer.end();
    this.#vital.stop();
  }

  /** Ends the run with this error. */
  fail(error: Error): void {
    this.#phase = "ending";
    this.#reject(error);
  }

  /** Members are told that the run has failed. */
  dismiss(message: string): void {
    for (const rank of this.#links.ranks) this.#order(rank, { kind: "abort", message });
  }

  #failedBy({ rank }: RosterEntry, reason: string): void {
    const name = nameOf(rank, this.#roster.seats);
    if (this.#phase !== "ending") {
      this.#say({ kind: "lost", rank, name, reason, action: "the run ends" });
    }
    this.fail(new ClusterError(`${name} failed: ${reason}`));
  }

  /** A process that was started for the run has ended by itself. */
  processEnded(rank: number, reason: string): void {
    const entry = this.#roster.entries.get(rank);
    const name = nameOf(rank, this.#roster.seats);
    if (!entry) return this.fail(new ClusterError(`${name} ended before it joined: ${reason}`));
    // Another process has its seat by now.
    if (entry.incarnation > 1) return;
    this.#bury(entry, reason);
  }

  /** A member sent what no member sends: it is not heard any more, and the others go on without it. */
  #turnAway(rank: number, reason: string): void {
    const entry = this.#roster.entries.get(rank);
    if (!entry) return;
    this.#say({ kind: "rejected", rank, name: nameOf(rank, this.#roster.seats), reason });
    this.#links.remove(rank);
    this.#bury(entry, `it sent ${reason}`);
  }

  /** That life of a member is surely over: nobody need wait for it. */
  #bury(entry: RosterEntry, reason: string): void {
    const { rank, incarnation } = entry;
    this.#becomeGone(entry, "dead", reason);
    if (this.#phase === "gathering") {
      const name = nameOf(rank, this.#roster.seats);
      return this.fail(new ClusterError(`${name} was lost before the run began: ${reason}`));
    }
    for (const { rank: to } of liveEntries(this.#roster)) {
      this.#order(to, { kind: "ended", rank, incarnation });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#silence[Symbol.dispose]();
    await this.#links.settle();
    await this.#links[Symbol.asyncDispose]();
    await this.#server?.[Symbol.asyncDispose]();
  }

  #now(): number {
    return (performance.now() - this.#began) / 1000;
  }

  #say(event: ClusterEvent): void {
    this.#options.onEvent(event);
  }

  #order(rank: number, ...orders: readonly Order[]): void {
    for (const order of orders) this.#links.send(rank, encodeNote(order));
  }

  async #join(request: JoinRequest, peer: string) {
    countJoin(this.#guard, peer);
    refuseJoin(this.#options.identity, request);
    const { credentials } = this.#options;
    const entry = await seatNewcomer(this.#roster, request, {
      ...{ address: reachable(request.advertise, peer), seen: peer },
      ...{ now: () => this.#now(), kept: () => this.#vital.ranks },
      find: (member) => findMember(member, credentials),
      dial: (address) => dialBack(address, credentials),
      refuseLate: () => {
        if (this.#phase !== "ending" && !this.#stopping) return;
        throw new Refusal("the run is ending and takes no new members");
      },
      gone: (before) => this.#becomeGone(before, "dead", "another process has its seat"),
    });
    this.#introduce(entry);
    this.#keep(true);
    const begun = this.#phase === "running" ? this.#begun() : null;
    return joinReply(this.#options, entry, { begun, proof: this.#proof, seen: peer });
  }

  /** A process that members gave a seat, while this one was not there, is found when it calls. */
  #welcomes(peer: PeerAddress, giver: Giver | null): boolean {
    const known = this.#roster.entries.get(peer.rank);
    if (known?.incarnation === peer.incarnation) return true;
    const isConnected = (rank: number) => this.#links.isConnected(rank);
    const asked = { giver, kept: this.#vital.ranks, now: this.#now(), isConnected };
    if (this.#phase !== "running" || !isAdoptable(this.#roster, peer, asked)) return false;
    countJoin(this.#guard, peer.address!);
    if (known) this.#becomeGone(known, "dead", "another process has its seat");
    this.#introduce(adopt(this.#roster, peer, this.#now()));
    return true;
  }

  /** Those who are there hear where the newcomer is before it speaks to them. */
  #introduce({ rank, incarnation, address }: RosterEntry): void {
    this.#say({ kind: "joined", rank, name: nameOf(rank, this.#roster.seats), address });
    this.#links.admit({ rank, incarnation, address: null });
    for (const { rank: to, state } of liveEntries(this.#roster)) {
      if (to === rank || state !== "running") continue;
      this.#order(to, { kind: "address", address: { rank, incarnation, address } });
    }
  }

  #begun(): Begun {
    const rowsBefore = this.#rowsBefore;
    const [{ plan, secondsMax }, seconds] = [this.#options, this.#now()];
    const endsAt = secondsMax === null ? null : this.#secondsBefore + secondsMax;
    return begunOf(this.#roster, { plan, updates: this.#updates, rowsBefore, seconds, endsAt });
  }

  #frame(rank: number, bytes: Uint8Array): void {
    const entry = this.#roster.entries.get(rank);
    if (!entry) return;
    if (noteHeard(entry, this.#now())) {
      this.#vital.heard(entry);
      this.#order(rank, ...introductions(this.#roster, rank), ...this.#pacer.allowanceOf(entry));
    }
    const read = readTale(bytes);
    if ("fault" in read) return this.#turnAway(rank, read.fault);
    this.#absorb(entry, read.tale);
  }

  #absorb(entry: RosterEntry, tale: Tale): void {
    switch (tale.kind) {
      case "ready":
        Object.assign(entry, { ownUpdates: tale.updates, state: "ready" });
        if (this.#phase === "running") return this.#admit(entry);
        this.#order(entry.rank, ...acquaintances(this.#roster, entry));
        return this.#beginIfAllReady();
      case "here":
        return this.#welcomeBack(entry, tale);
      case "reject": {
        if (this.#roster.entries.get(tale.rank)?.incarnation !== tale.incarnation) return;
        const teller = nameOf(entry.rank, this.#roster.seats);
        return this.#turnAway(tale.rank, `${tale.reason} (says ${teller})`);
      }
      case "progress": {
        const { kind, ...counts } = tale;
        Object.assign(entry, counts);
        tellWait(entry, this.#now(), (event) => this.#say(event));
        return this.#pacer.judge();
      }
      case "lease":
        return this.#pacer.asked(entry, tale);
      case "held":
        return this.#pacer.held(entry, tale);
      case "view":
        return this.#follow(tale.view);
      case "leaving":
        entry.leaving = true;
        return;
      case "finished":
        if (entry.leaving && !isLastOne(this.#roster, entry)) return this.#becomeLeft(entry);
        entry.state = "finished";
        return this.#endIfAllFinished();
      case "failed":
        return this.#failedBy(entry, tale.message);
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
    for (const entry of entries) Object.assign(entry, { state: "running", heardAt: 0 });
    this.#follow(firstView(this.#roster));
    const begun = this.#begun();
    for (const { rank } of entries) this.#order(rank, { kind: "begin", ...begun });
    this.#pacer.begin(this.#updates, this.#options.resume);
    this.#silence.begin();
    this.#keep(true);
  }

  /** Goes on where another process was: members find this one, and tell what else it must know. */
  #takeUp({ roster, updates, seconds, allowances }: SavedRun): void {
    restoreRoster(this.#roster, roster, seconds + returnSeconds);
    for (const { rank, incarnation } of this.#roster.entries.values()) {
      this.#links.admit({ rank, incarnation, address: null });
    }
    this.#phase = "running";
    this.#updates = updates;
    this.#began = performance.now() - 1000 * seconds;
    this.#pacer.takeUp(updates, allowances);
    this.#silence.begin();
    this.#vital.takeUp();
  }

  #keep(urgent: boolean): void {
    // Before it watches nobody is allowed anything yet: a run taken up from that would end at once.
    if (this.#phase !== "running" || !this.#silence.isOn) return;
    const saved = () => ({
      ...{ identity: this.#options.identity, rowsBefore: this.#rowsBefore },
      ...{ port: this.#server!.port, updates: this.#updates, seconds: this.#now() },
      ...{ allowances: this.#pacer.allowances, roster: savedRoster(this.#roster) },
    });
    this.#keeper?.keep(saved, { urgent });
  }

  /** A member of a run that was taken up is found again. */
  #welcomeBack(entry: RosterEntry, tale: Tale & { kind: "here" }): void {
    becomeFound(entry, tale);
    if (tale.view) this.#follow(tale.view);
    const { rank } = entry;
    if (tale.state === "finished") this.#endIfAllFinished();
    else if (tale.state === "ready") this.#order(rank, { kind: "begin", ...this.#begun() });
    if (tale.state !== "finished") entry.state = "running";
    this.#order(rank, ...this.#pacer.allowanceOf(entry));
  }

  /** Takes note of a view that members have agreed on. */
  #follow(view: View): void {
    if (view.id <= this.#roster.view.id) return;
    this.#roster.view = view;
    const members = view.members.map(({ rank, incarnation }) => ({ rank, incarnation }));
    this.#say({ kind: "view", id: view.id, members });
    this.#keep(true);
    if (this.#vital.follow()) this.#endIfAllFinished();
  }

  /** A newcomer is ready: it may learn, and joins the others by itself. */
  #admit(entry: RosterEntry): void {
    entry.state = "running";
    if (entry.seat.role === "worker") this.#pacer.admit(entry);
  }

  /** The run is over when everybody of the latest view has finished; newcomers that came too late go. */
  #endIfAllFinished(): void {
    if (this.#phase !== "running") return;
    if (isAnybodyBusy(this.#roster)) return;
    if (liveEntries(this.#roster).some(({ state }) => state === "finished")) {
      this.#phase = "ending";
      this.#silence.end();
      this.#resolve();
      return;
    }
    // A silent member may come back; those whose processes have ended can't.
    const last = lastGone(this.#roster);
    if (last) this.fail(new ClusterError(`All members are gone, the last was ${last}`));
  }

  /** A connection broke: the member has a moment to come back. */
  #suspect(rank: number, reason: string): void {
    const entry = this.#roster.entries.get(rank);
    if (entry && this.#phase !== "ending") this.#silence.suspect(entry, reason);
  }

  /** It is waited for no longer; what it was allowed and did not learn is for the others. */
  #becomeGone(entry: RosterEntry, state: "silent" | "dead", reason: string): void {
    const { rank, state: before } = entry;
    if (before === "dead" || before === "left" || this.#phase === "ending") return;
    entry.state = state;
    const isVital = this.#phase === "running" && this.#vital.ranks.includes(rank);
    if (before !== "silent") {
      const name = nameOf(rank, this.#roster.seats);
      const isEnd = this.#phase === "gathering" || (isVital && state === "dead");
      this.#say({ kind: "lost", rank, name, reason, action: lostAction({ isEnd, isVital }) });
    }
    if (isVital) return this.#vital.miss(entry);
    if (before === "silent") this.#endIfAllFinished();
    else this.#takeBack(entry);
  }

  #takeBack(entry: RosterEntry): void {
    this.#pacer.takeBack(entry);
    this.#endIfAllFinished();
  }

  #becomeLeft(entry: RosterEntry): void {
    entry.state = "left";
    this.#say({ kind: "left", rank: entry.rank, name: nameOf(entry.rank, this.#roster.seats) });
    this.#order(entry.rank, { kind: "close", missed: false });
    this.#takeBack(entry);
    // Its last counts came with the view that is without it: nobody will tell them again.
    this.#keep(true);
  }
}

/**
 * A member without its coordinator: it learns on, as far as the rules that need no judge allow, and for a bounded
 * time; then the model is saved by a member, and each ends with words.
 *
 * Rules that need no judge: epochs, time, and the limit of learning on unwatched. The time of the run is up, or the
 * limit reached, at every member by its own clock. Where learning is free each then learns no further. In lockstep all
 * must stop at the same update, and nobody is there to say at which: the last worker of the view leaves in good
 * order, then the one before it, as each hears of by the views; the one that is left ends alone.
 */
import type { View } from "../../strategies/strategy.ts";
import { workerRanks } from "../../topology/view.ts";
import type { MemberHost } from "../member-host.ts";
import { Absence } from "./absence.ts";
import { Awakening } from "./awakening.ts";
import type { MemberWait } from "./job.ts";
import { ModelKeeper } from "./keep-model.ts";
import {
  aloneAfterSeconds,
  callSecondsMax,
  coordinatorSecondsMax,
  orphanEndSecondsMax,
} from "./limits.ts";
import type { PeerAddress } from "./links.ts";
import { allowRest, type MemberPace, revokeRest } from "./member-pace.ts";
import type { MemberEnd, MemberOptions, Seated } from "./seat.ts";

/** What it needs of its member. */
export interface OrphanPort {
  readonly options: Pick<MemberOptions, "credentials" | "save" | "log">;
  readonly pace: MemberPace;
  seated(): Seated;
  host(): MemberHost;
  /** The view that the member is in; null before it has begun. */
  view(): View | null;
  addresses(): readonly PeerAddress[];
  /** Seconds of the run. */
  now(): number;
  /** Updates of an epoch, what was learned when its part began, and when the time of the run is up. */
  begun(): { updates: number; learned: number; endsAt: number | null };
  isLeaving(): boolean;
  /** Whether it hears of no quorum. */
  isApart(): boolean;
  /** Seconds. */
  longestUpdate(): number;
  /** Whether own rows are asked for that are not here yet. */
  lacksRows(): boolean;
  learnNext(): void;
  leave(): void;
  end(end: MemberEnd): void;
}

interface Over {
  readonly why: "time" | "limit";
  /** Of `performance.now()`. */
  readonly at: number;
}

/** Owns what a member does while its coordinator is gone. */
export class Orphanhood {
  readonly absence = new Absence();
  readonly #awakening: Awakening;
  readonly #keeper = new ModelKeeper();
  readonly #port: OrphanPort;
  #said = false;
  #over: Over | null = null;
  #finishedAt: number | null = null;

  constructor(port: OrphanPort) {
    this.#port = port;
    const { credentials, log } = port.options;
    this.#awakening = new Awakening({
      ...{ credentials, log, run: () => port.seated().identity.run },
      addresses: () => [this.#place, ...port.addresses().map(({ address }) => address!)],
      absentSeconds: () => this.absence.seconds,
      isApart: () => port.isApart(),
      hasFinished: () => port.host().finished,
      longestUpdate: () => port.longestUpdate(),
      over: (message) => port.end({ kind: "failed", message }),
    });
  }

  /** The coordinator is there, or is there again: what was left of the plan is no longer this member's own. */
  found(): void {
    this.absence.found();
    const { pace } = this.#port;
    const host = this.#port.host();
    if (pace.restOf !== null && host.strategy.pace === "free") revokeRest(pace);
    // Who stopped for its absence learns on, and may do without it anew when it is gone again.
    if (!host.finished && !this.#port.isLeaving()) this.#over = null;
    this.#said = false;
    this.#finishedAt = null;
  }

  /** Somebody takes the model of this member, which has finished. */
  handedOver(): void {
    if (this.absence.isLong && this.#isDone()) this.#keeper.hand();
  }

  /** What is left of the plan is its own to learn. */
  allowRest(): void {
    if (!this.absence.isLong || this.#over) return;
    const { pace } = this.#port;
    const { epochs } = this.#port.seated().job;
    const lacksRows = this.#port.lacksRows();
    allowRest(pace, this.#port.host(), { epochs, lacksRows, ...this.#port.begun() });
  }

  /** From now on `check` is called regularly. */
  begin(): void {
    this.#awakening.begin();
  }

  /** To be called now and then. */
  check(): void {
    if (this.#awakening.look()) return;
    const { isLong } = this.absence;
    if (isLong && this.#port.view()) this.#learnOn();
    const waited = this.#waitedSeconds();
    if (isLong && this.#isDone() && this.#actForModel(waited)) return;
    if (waited < coordinatorSecondsMax) return;
    if (this.#over?.why === "limit" || this.#keeper.isSafe) return this.#port.end(this.#ending());
    const message = `the coordinator at ${this.#place} was not reached for ${waited.toFixed(0)} s`;
    this.#port.end({ kind: "failed", message: message + this.#unsaved });
  }

  /** Since when it learns without a coordinator, and until when at most; null while one is there. */
  get wait(): MemberWait | null {
    if (!this.absence.isLong || !this.#port.view()) return null;
    const since = this.#port.now() - this.absence.seconds;
    const whom = `the coordinator at ${this.#place}, without which it goes on`;
    return { whom, since, until: this.#lastMoment(since) };
  }

  get #place(): string {
    return this.#port.seated().coordinator;
  }

  #lastMoment(since: number): number {
    const limit = since + this.#port.seated().job.orphanSeconds;
    return Math.min(limit, this.#port.begun().endsAt ?? limit);
  }

  #learnOn(): void {
    const { pace, options } = this.#port;
    const host = this.#port.host();
    if (!this.#said) {
      this.#said = true;
      const { since, until } = this.wait!;
      const left = (until - since - this.absence.seconds).toFixed(0);
      options.log(
        `without the coordinator at ${this.#place}: goes on as far as --epochs and time allow, for ${left} s more at most`,
      );
    }
    this.#over ??= this.#isOver();
    if (this.#over && !host.finished && !this.#port.isLeaving()) this.#stopLearning(host, pace);
    this.#port.learnNext();
  }

  #isOver(): Over | null {
    const { endsAt } = this.#port.begun();
    const at = performance.now();
    const isLimit = this.absence.seconds >= this.#port.seated().job.orphanSeconds;
    if (isLimit) return this.#becomeOver({ why: "limit", at }, "nobody came back");
    const isTime = endsAt !== null && this.#port.now() >= endsAt;
    return isTime ? this.#becomeOver({ why: "time", at }, "the time of the run is up") : null;
  }

  #becomeOver(over: Over, words: string): Over {
    this.#port.options.log(`learns no further: ${words}`);
    return over;
  }

  #stopLearning(host: MemberHost, pace: MemberPace): void {
    const isLockstep = host.strategy.pace === "lockstep";
    const learners = workerRanks(this.#port.view()!);
    if (isLockstep && learners.length > 1) {
      if (learners.at(-1) === host.seat.rank) this.#port.leave();
      return;
    }
    pace.granted = Math.min(pace.granted, host.cursor?.taken ?? 0);
    pace.lease = 0;
    pace.last = true;
    pace.held = false;
  }

  /** Nothing more comes of its part: it has finished, or can't within the time for that. */
  #isDone(): boolean {
    return this.#port.host().finished || this.#isOverdue();
  }

  #isOverdue(): boolean {
    const { view } = this.#port;
    const late = this.#over && performance.now() - this.#over.at > 1000 * orphanEndSecondsMax;
    return late === true && view() !== null;
  }

  /** Seconds in which nothing was missing but a coordinator: one that learns does not wait for it. */
  #waitedSeconds(): number {
    const { seconds } = this.absence;
    if (!this.#port.view()) return seconds;
    if (!this.#isDone()) return 0;
    this.#finishedAt ??= performance.now();
    return Math.min(seconds, (performance.now() - this.#finishedAt) / 1000);
  }

  /** Sees to it that the model is saved; whether the member has ended. */
  #actForModel(waited: number): boolean {
    const view = this.#port.view();
    if (!view) return false;
    const { options } = this.#port;
    const estate = {
      view,
      seated: this.#port.seated(),
      options,
      addresses: this.#port.addresses(),
    };
    // Nobody is there to tell a leaver that it may go; nor is one waited for beyond the limit.
    const isLast = this.#port.isLeaving() || this.#over?.why === "limit";
    const turn = isLast ? waited + aloneAfterSeconds : waited;
    const isSettled = this.#keeper.act(this.#port.host(), turn, estate);
    if (!isSettled || !isLast) return false;
    if (this.#keeper.handedSeconds < callSecondsMax) return false;
    this.#port.end(this.#ending());
    return true;
  }

  #ending(): MemberEnd {
    if (this.#over?.why !== "limit") return { kind: this.#port.isLeaving() ? "left" : "done" };
    const { orphanSeconds } = this.#port.seated().job;
    const late = this.#port.host().finished
      ? ""
      : ` It did not end in good order within ${orphanEndSecondsMax} s.`;
    const message = `the coordinator at ${this.#place} was gone for ${orphanSeconds} s, which is the limit (--orphan-limit): the run is ended.${late}`;
    const unsaved = this.#unsaved;
    if (unsaved !== "") return { kind: "failed", message: message + unsaved };
    return { kind: "orphaned", message };
  }

  /** That the model of the run is not known to be saved, where it could not be from here; else empty. */
  get #unsaved(): string {
    const { failure, isSafe } = this.#keeper;
    return failure === null || isSafe ? "" : ` Its model is not saved: ${failure}`;
  }
}

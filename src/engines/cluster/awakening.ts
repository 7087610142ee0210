/**
 * A process that did not run for a while, because it was stopped or its machine slept, or that was cut off, may find
 * that its run ended meanwhile: then nobody will ever answer it, and it ends in place of waiting for a quorum or saving a model.
 */
import type { Credentials } from "./credentials.ts";
import { callSecondsMax, goneSecondsMin, returnSeconds, silenceSecondsMin } from "./limits.ts";
import { silenceMax } from "./roster.ts";
import { lifeAt } from "./take-up.ts";

/** What it needs of its member. */
export interface AwakeningPort {
  readonly credentials: Credentials;
  readonly log: (line: string) => void;
  run(): string;
  /** HOST:PORT of the coordinator and of all others that are known. */
  addresses(): readonly string[];
  /** Seconds; 0 while the coordinator is there. */
  absentSeconds(): number;
  /** Whether it hears of no quorum. */
  isApart(): boolean;
  /** Its part is over. */
  hasFinished(): boolean;
  /** Seconds in which nothing but learning was done, at most. */
  longestUpdate(): number;
  /** The run is over, in words. */
  over(message: string): void;
}

/** Owns what a member knows of its own sleep. */
export class Awakening {
  readonly #port: AwakeningPort;
  #lookedAt = performance.now();
  /** Of the sleep that may have been too long; 0 for none. */
  #sleptSeconds = 0;
  #wokeAt = 0;
  #askedAt = Number.NEGATIVE_INFINITY;
  /** Since when nobody listens where the others were. */
  #goneAt: number | null = null;

  constructor(port: AwakeningPort) {
    this.#port = port;
  }

  /** From now on it is looked at regularly. */
  begin(): void {
    this.#lookedAt = performance.now();
  }

  /** To be called several times a second; whether it is not known yet if the run goes on. */
  look(): boolean {
    const at = performance.now();
    const seconds = (at - this.#lookedAt) / 1000;
    this.#lookedAt = at;
    if (seconds > silenceMax({ longestUpdate: this.#port.longestUpdate() })) {
      this.#sleptSeconds = seconds;
      this.#wokeAt = at;
      this.#port.log(`did not run for ${seconds.toFixed(1)} s`);
    }
    const isApart = this.#port.isApart();
    if (this.#sleptSeconds === 0 && !isApart) return false;
    const absent = this.#port.absentSeconds();
    // Whatever was answered till then: nothing is to be waited for that rules without a coordinator don't bound.
    if (at - this.#wokeAt > 1000 * returnSeconds) this.#sleptSeconds = 0;
    const isDue = at - this.#askedAt > 1000 * callSecondsMax;
    const isAwake = at - this.#wokeAt > 1000 * silenceSecondsMin;
    if (absent > 0 && isDue && isAwake) void this.#ask(at);
    return this.#sleptSeconds > 0;
  }

  /** Where nobody listens any more the run is over; one that is there will say how it goes. */
  async #ask(at: number): Promise<void> {
    this.#askedAt = at;
    const { credentials, log } = this.#port;
    const run = this.#port.run();
    const asked = this.#port.addresses().map((address) => lifeAt(address, run, credentials));
    const answers = await Promise.all(asked);
    if (answers.includes("alive")) this.#sleptSeconds = 0;
    this.#goneAt = answers.every((answer) => answer === "gone") ? (this.#goneAt ?? at) : null;
    if (this.#goneAt === null) return;
    // One that needs nobody else, or has learned all it had to, has a model: it is saved first.
    if (!this.#port.isApart() || this.#port.hasFinished()) return;
    // Who slept through it knows why; who was cut off may be the only one left to a coordinator that comes back.
    if (this.#sleptSeconds === 0 && at - this.#goneAt < 1000 * goneSecondsMin) return;
    const slept = this.#sleptSeconds.toFixed(1);
    const why = this.#sleptSeconds > 0 ? `did not run for ${slept} s` : "was cut off";
    const message = `this process ${why}, and the run ended meanwhile, or everybody else of it: nobody listens where they were. What it learned last may be in no model`;
    log(message);
    this.#port.over(message);
  }
}

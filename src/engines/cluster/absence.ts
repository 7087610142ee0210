/** How long a member has not reached its coordinator. */
import { aloneAfterSeconds } from "./limits.ts";

/** Counts from the moment a connection to the coordinator broke until there is another. */
export class Absence {
  #since: number | null = null;

  lost(): void {
    this.#since ??= performance.now();
  }

  found(): void {
    this.#since = null;
  }

  /** Seconds; 0 while it is there. */
  get seconds(): number {
    return this.#since === null ? 0 : (performance.now() - this.#since) / 1000;
  }

  /** The member need not wait for it any longer: it does what is left of the plan. */
  get isLong(): boolean {
    return this.seconds > aloneAfterSeconds;
  }
}

/**
 * Members whose connection broke have a moment to come back: one timer a rank. A timer that this process itself was
 * too late for gives the moment anew: nobody could be found while it did not run.
 */

/** A timer this much late is this process's own delay. */
const lateMsMax = 500;

export class Patience {
  readonly #timers = new Map<number, NodeJS.Timeout>();

  /** Unless it is found before, `late` is called after that time; once for a rank at a time. */
  await(rank: number, seconds: number, late: () => void): void {
    if (this.#timers.has(rank)) return;
    const due = performance.now() + 1000 * seconds;
    const timer = setTimeout(() => {
      this.#timers.delete(rank);
      if (performance.now() > due + lateMsMax) this.await(rank, seconds, late);
      else late();
    }, 1000 * seconds);
    this.#timers.set(rank, timer);
  }

  /** It is back. */
  found(rank: number): void {
    clearTimeout(this.#timers.get(rank));
    this.#timers.delete(rank);
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }
}

/** Members whose connection broke have a moment to come back: one timer a rank. */
export class Patience {
  readonly #timers = new Map<number, NodeJS.Timeout>();

  /** Unless it is found before, `late` is called after that time; once for a rank at a time. */
  await(rank: number, seconds: number, late: () => void): void {
    if (this.#timers.has(rank)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(rank);
      late();
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

/** The timers of a member, ended together. */
export class Timers {
  readonly #timers = new Set<NodeJS.Timeout>();

  after(seconds: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, 1000 * seconds);
    this.#timers.add(timer);
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

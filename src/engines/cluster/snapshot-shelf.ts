/** Models a member lays aside after every so many updates, until the coordinator fetches them. */
import type { Model } from "../../math/replica.ts";

/** In lockstep nobody learns more than this many snapshots ahead of the last verdict. */
export const snapshotsAhead = 2;

/** Owns models that wait to be fetched. */
export class SnapshotShelf {
  readonly #every: number;
  readonly #models = new Map<number, Model>();
  readonly #waiting = new Map<number, ((model: Model) => void)[]>();
  #offered = 0;

  /** @param every updates between two snapshots; 0 for none. */
  constructor(every: number) {
    this.#every = every;
  }

  /** Lays the model aside when one is due after that many updates. */
  offer(updates: number, snapshot: () => Model): void {
    if (this.#every === 0 || updates <= this.#offered || updates % this.#every !== 0) return;
    this.#offered = updates;
    const model = snapshot();
    let wanted = false;
    for (const [number, waiting] of this.#waiting) {
      if (number > updates) continue;
      this.#waiting.delete(number);
      wanted ||= number === updates;
      for (const resolve of waiting) resolve(model);
    }
    if (!wanted) this.#models.set(updates, model);
    // Members whose models nobody wants keep the last ones only.
    for (const kept of this.#models.keys()) {
      if (kept <= updates - (snapshotsAhead + 1) * this.#every) this.#models.delete(kept);
    }
  }

  /** There will be no further ones: who still waits gets the last. */
  close(model: Model): void {
    for (const waiting of this.#waiting.values()) for (const resolve of waiting) resolve(model);
    this.#waiting.clear();
  }

  /** The model after that many updates, or after more where it came later; null when it is past and gone. */
  async take(updates: number): Promise<Model | null> {
    const model = this.#models.get(updates);
    if (model) {
      this.#models.delete(updates);
      return model;
    }
    if (updates <= this.#offered) return null;
    return new Promise((resolve) => {
      this.#waiting.set(updates, [...(this.#waiting.get(updates) ?? []), resolve]);
    });
  }
}

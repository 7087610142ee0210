/** Rooms that wait to be given out again: neighbours become one room, and a larger room serves in part. */
export class FreeRooms {
  /** By address, ascending; no two touch. */
  readonly #addresses: number[] = [];
  readonly #sizes: number[] = [];

  add(address: number, size: number): void {
    let at = this.#placeOf(address);
    this.#addresses.splice(at, 0, address);
    this.#sizes.splice(at, 0, size);
    if (this.#joins(at)) this.#join(at);
    if (at > 0 && this.#joins(at - 1)) this.#join(--at);
  }

  /** The start of the smallest room of at least that size; what is left of it goes on waiting. */
  take(size: number): number | undefined {
    let best = -1;
    for (let at = 0; at < this.#sizes.length; at++) {
      const found = this.#sizes[at]!;
      if (found === size) return this.#cut(at, size);
      if (found > size && (best < 0 || found < this.#sizes[best]!)) best = at;
    }
    return best < 0 ? undefined : this.#cut(best, size);
  }

  /** Takes out the room that ends there, if there is one; returns where it starts. */
  takeEndingAt(end: number): number | undefined {
    const at = this.#addresses.length - 1;
    if (at < 0 || this.#addresses[at]! + this.#sizes[at]! !== end) return undefined;
    this.#sizes.pop();
    return this.#addresses.pop();
  }

  #cut(at: number, size: number): number {
    const address = this.#addresses[at]!;
    if (this.#sizes[at] === size) {
      this.#addresses.splice(at, 1);
      this.#sizes.splice(at, 1);
    } else {
      this.#addresses[at]! += size;
      this.#sizes[at]! -= size;
    }
    return address;
  }

  #joins(at: number): boolean {
    return this.#addresses[at]! + this.#sizes[at]! === this.#addresses[at + 1];
  }

  #join(at: number): void {
    this.#sizes[at]! += this.#sizes[at + 1]!;
    this.#addresses.splice(at + 1, 1);
    this.#sizes.splice(at + 1, 1);
  }

  #placeOf(address: number): number {
    let [low, high] = [0, this.#addresses.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#addresses[middle]! < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

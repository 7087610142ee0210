/** Hands out the bytes of a stream of pieces in whatever portions are asked for. */
export class PieceReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Fills the start of `into` and says how many bytes it wrote: 0 at the end. */
  async read(into: Uint8Array): Promise<number> {
    if (!(await this.#refill())) return 0;
    const count = Math.min(into.length, this.#rest.length);
    into.set(this.#rest.subarray(0, count));
    this.#rest = this.#rest.subarray(count);
    return count;
  }

  /** The first bytes without taking them; fewer only when the stream has no more. */
  async peek(count: number): Promise<Uint8Array> {
    while (this.#rest.length < count) {
      const { done, value } = await this.#pieces.next();
      if (done) break;
      this.#rest = Buffer.concat([this.#rest, value]);
    }
    return this.#rest.subarray(0, count);
  }

  /**
   * Exactly so many bytes.
   * @throws Error when the stream ends before.
   */
  async take(count: number): Promise<Uint8Array> {
    const bytes = await this.peek(count);
    if (bytes.length < count) throw new Error("unexpected end of file");
    this.#rest = this.#rest.subarray(count);
    return bytes;
  }

  /** All that is left, piece by piece. */
  async *pieces(): AsyncGenerator<Uint8Array> {
    while (await this.#refill()) {
      const piece = this.#rest;
      this.#rest = new Uint8Array(0);
      yield piece;
    }
  }

  /** Ends the stream where it is. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #refill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#pieces.next();
      if (done) return false;
      this.#rest = value;
    }
    return true;
  }
}

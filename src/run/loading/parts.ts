/**
 * Parts of a compressed file that are decompressed at the same time. What comes out is in their order, and
 * what is decompressed ahead of its turn is bounded, whatever it expands to.
 */

/** Bytes [start, end) of a file. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

/** How the parts of a file are read. */
export interface PartReading {
  /** The compressed bytes of a part. */
  readonly open: (part: Part) => AsyncIterable<Uint8Array>;
  readonly atOnce: number;
  /** Compressed bytes of a part, about. */
  readonly bytesPerPart?: number;
}

export const partBytes = 4 * 2 ** 20;
/** Decompressed ahead of its turn, a part; beyond it a part waits. */
const aheadBytesMax = 16 * 2 ** 20;

/** A part that does not decompress by itself. */
export class PartFailure extends Error {
  readonly part: Part;
  /** Bytes that came out of it before. */
  readonly given: number;

  constructor(part: Part, given: number, cause: unknown) {
    super("A part does not decompress", { cause });
    this.part = part;
    this.given = given;
  }
}

/** @throws PartFailure */
export async function* decodeInOrder(
  parts: AsyncIterable<Part>,
  decode: (part: Part) => AsyncIterable<Uint8Array>,
  atOnce: number,
): AsyncGenerator<Uint8Array> {
  const running: { part: Part; ahead: ReadAhead }[] = [];
  try {
    for await (const part of parts) {
      running.push({ part, ahead: new ReadAhead(decode(part)) });
      if (running.length >= atOnce) yield* finishFirst(running);
    }
    while (running.length > 0) yield* finishFirst(running);
  } finally {
    await Promise.all(running.map(({ ahead }) => ahead.stop()));
  }
}

async function* finishFirst(
  running: { part: Part; ahead: ReadAhead }[],
): AsyncGenerator<Uint8Array> {
  const { part, ahead } = running[0]!;
  let given = 0;
  for (;;) {
    const piece = await ahead.next().catch((error: unknown) => {
      throw new PartFailure(part, given, error);
    });
    if (piece === undefined) break;
    given += piece.length;
    yield piece;
  }
  running.shift();
}

/** Takes what a source gives before it is asked for, up to a limit. */
class ReadAhead {
  readonly #pieces: Uint8Array[] = [];
  readonly #done: Promise<void>;
  #bytes = 0;
  #stopped = false;
  #end: { error?: unknown } | undefined;
  #wake = () => {};

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#done = this.#drain(source);
  }

  /** The next piece, or undefined at the end. @throws what the source throws, after all that came before. */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#pieces.length === 0 && !this.#end) await this.#change();
    const piece = this.#pieces.shift();
    if (piece) {
      this.#bytes -= piece.length;
      this.#wake();
    } else if (this.#end && "error" in this.#end) {
      throw this.#end.error;
    }
    return piece;
  }

  /** Resolves when the source is closed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#done;
  }

  async #drain(source: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const piece of source) {
        if (this.#stopped) break;
        this.#pieces.push(piece);
        this.#bytes += piece.length;
        this.#wake();
        while (this.#bytes > aheadBytesMax && !this.#stopped) await this.#change();
      }
      this.#end = {};
    } catch (error) {
      this.#end = { error };
    }
    this.#wake();
  }

  /** Until something happens; only one of taker and giver ever waits. */
  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}

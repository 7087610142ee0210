import { Readable, type Transform } from "node:stream";
import { createGunzip } from "node:zlib";

type Pieces = AsyncIterable<Uint8Array>;

const outputBytes = 2 ** 20;
/** Decompressed ahead, on a thread of Node's pool, while what came before is parsed. */
const aheadBytes = 8 * 2 ** 20;
export const buffering = { chunkSize: outputBytes, readableHighWaterMark: aheadBytes };

/**
 * All members of a gzip stream; returns how many of its bytes were members. Node reads members as long as they
 * follow each other, refuses other bytes behind them, but takes everything from a zero byte on for padding:
 * that is checked here.
 */
export async function* gunzip(compressed: Pieces): AsyncGenerator<Uint8Array, number> {
  const transform = createGunzip(buffering);
  let total = 0;
  let lastNonZero = -1;
  async function* watched() {
    for await (const piece of compressed) {
      const at = piece.findLastIndex((byte) => byte !== 0);
      if (at >= 0) lastNonZero = total + at;
      total += piece.length;
      yield piece;
    }
  }
  yield* through(watched(), transform);
  if (transform.bytesWritten <= lastNonZero) throw new Error("bytes behind the last member");
  return transform.bytesWritten;
}

/** What a transform makes of the pieces; errors of either come out. */
export async function* through(
  compressed: Pieces,
  transform: Transform,
): AsyncGenerator<Uint8Array> {
  const source = Readable.from(compressed, { objectMode: false, highWaterMark: outputBytes });
  source.on("error", (error) => transform.destroy(error));
  source.pipe(transform);
  try {
    yield* transform as Pieces;
  } finally {
    source.destroy();
    transform.destroy();
  }
}

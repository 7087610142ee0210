/** The thread that decompresses zstd: asks for compressed pieces, tells decompressed ones. */
import { type MessagePort, workerData } from "node:worker_threads";
import { unzstd } from "./zstd.ts";

/** To the thread: a source begins; a piece it asked for, none where the source ended; that output was taken. */
export type UnzstdAnswer =
  | { readonly kind: "start" }
  | { readonly kind: "piece"; readonly piece: Uint8Array | null }
  | { readonly kind: "taken"; readonly bytes: number };

/** From the thread; "end" comes once for every source, with what is wrong with it. */
export type UnzstdMessage =
  | { readonly kind: "ask" }
  | { readonly kind: "output"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "end"; readonly problem: string | null };

/** Told and not yet taken. */
const untakenBytesMax = 8 * 2 ** 20;
const outputBytes = 2 ** 20;

const { port } = workerData as { port: MessagePort };
let untaken = 0;
let wake = () => {};
let answered = (_: Uint8Array | null) => {};

port.on("message", (answer: UnzstdAnswer) => {
  if (answer.kind === "start") void decodeSource();
  else if (answer.kind === "piece") answered(answer.piece);
  else untaken -= answer.bytes;
  wake();
});

/** All of one source; never fails. */
async function decodeSource(): Promise<void> {
  let output = new Uint8Array(outputBytes);
  let filled = 0;
  async function flush(): Promise<void> {
    if (filled === 0) return;
    const bytes = output.slice(0, filled);
    tell({ kind: "output", bytes }, [bytes.buffer]);
    untaken += filled;
    filled = 0;
    while (untaken > untakenBytesMax) await new Promise<void>((resolve) => (wake = resolve));
  }
  try {
    for await (const piece of unzstd(compressed(), undefined)) {
      if (filled + piece.length > output.length) await flush();
      if (piece.length > output.length) output = new Uint8Array(piece.length);
      output.set(piece, filled);
      filled += piece.length;
    }
    await flush();
    tell({ kind: "end", problem: null });
  } catch (error) {
    tell({ kind: "end", problem: (error as Error).message });
  }
}

/** The next piece is asked for before this one is used: the other thread may be busy for a while. */
async function* compressed(): AsyncGenerator<Uint8Array> {
  let next = askPiece();
  for (;;) {
    const piece = await next;
    if (piece === null) return;
    next = askPiece();
    yield piece;
  }
}

function askPiece(): Promise<Uint8Array | null> {
  const answer = new Promise<Uint8Array | null>((resolve) => (answered = resolve));
  tell({ kind: "ask" });
  return answer;
}

function tell(message: UnzstdMessage, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

/** zstd decompressed on threads of its own, where Node cannot do it on its pool (before 22.15). */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { workerUrl } from "../worker-url.ts";
import type { UnzstdAnswer, UnzstdMessage } from "./unzstd-worker.ts";

type Pieces = AsyncIterable<Uint8Array>;

interface Thread {
  readonly worker: Worker;
  readonly port: MessagePort;
}

/** Owns threads, one for each source that is decompressed at the same time; closed by its owner. */
export class UnzstdThreads {
  readonly #threads: Thread[] = [];
  readonly #idle: Thread[] = [];

  /** The text of all frames of a source. @throws Error for damaged data, and what the source throws. */
  async *decode(compressed: Pieces): AsyncGenerator<Uint8Array> {
    const thread = this.#idle.pop() ?? this.#start();
    const inbox = new Inbox(thread);
    const source = compressed[Symbol.asyncIterator]();
    const answer = (message: UnzstdAnswer) => thread.port.postMessage(message);
    answer({ kind: "start" });
    try {
      for (;;) {
        const message = await inbox.next();
        if (message.kind === "ask") {
          const { done, value } = await source.next();
          answer({ kind: "piece", piece: done ? null : value });
        } else if (message.kind === "output") {
          answer({ kind: "taken", bytes: message.bytes.length });
          yield message.bytes;
        } else {
          if (message.problem !== null) throw new Error(message.problem);
          this.#idle.push(thread);
          return;
        }
      }
    } finally {
      inbox.close();
      await source.return?.();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #start(): Thread {
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(workerUrl("unzstd-worker", import.meta.url), {
      workerData: { port: port2 },
      transferList: [port2],
    });
    const thread = { worker, port: port1 };
    this.#threads.push(thread);
    return thread;
  }
}

/** Messages of a thread that were not looked at yet. */
class Inbox {
  readonly #thread: Thread;
  readonly #messages: UnzstdMessage[] = [];
  #error: Error | undefined;
  #wake = () => {};

  constructor(thread: Thread) {
    this.#thread = thread;
    thread.port.on("message", this.#put);
    thread.worker.on("error", this.#fail);
  }

  async next(): Promise<UnzstdMessage> {
    for (;;) {
      const message = this.#messages.shift();
      if (message) return message;
      if (this.#error) throw this.#error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#thread.port.off("message", this.#put);
    this.#thread.worker.off("error", this.#fail);
  }

  readonly #put = (message: UnzstdMessage): void => {
    this.#messages.push(message);
    this.#wake();
  };

  readonly #fail = (error: Error): void => {
    this.#error = error;
    this.#wake();
  };
}
